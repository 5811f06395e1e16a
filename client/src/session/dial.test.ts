// A link over real TLS and gRPC, with a server that behaves well and badly.
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { promises as dns } from 'node:dns'
import { once } from 'node:events'
import type { Http2Stream } from 'node:http2'
import { connect, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { Metadata, status } from '@grpc/grpc-js'
import { type Clock, encodeLinkFrame, type LinkFrame, reasonOf, systemClock } from '@pbt/proto'
import { FakeClock } from '@pbt/proto/testing'
import { GoAwaySchema, type Welcome } from '@pbt/proto/tunnel/v1'
import { lastingPort } from '../../../server/test/support/ports.ts'
import type { HttpProxy } from '../config/proxy.ts'
import type { Failure } from '../failure.ts'
import { dial, type Line } from './dial.ts'
import { Lookup } from './lookup.ts'
import { TEST_CERTIFICATE } from './testing/certificate.ts'
import { type LinkCall, startLinkServer, welcomeBatch } from './testing/link-server.ts'

const HELLO = { major: 1, minor: 0, agent: 'pbt/test', machineId: 'm', clientId: 'm.1', generation: 7n, label: 'test' }

const LAST = Buffer.from('last')

interface Greeted {
  welcome: Welcome
  line: Line
}

/** Dials; `greeted`, `over` and `last` (all batches up to LAST) settle with what comes. */
function dialTo(
  t: TestContext,
  port: number,
  options: { isTrusting?: boolean; clock?: Clock; base?: string; proxy?: HttpProxy; lookup?: Lookup } = {},
) {
  const greeted = Promise.withResolvers<Greeted>()
  const over = Promise.withResolvers<Failure>()
  const last = Promise.withResolvers<string[]>()
  const batches: string[] = []
  const { isTrusting = true, clock = systemClock, base = 'localhost', proxy, lookup = new Lookup(clock) } = options
  const ca = isTrusting ? TEST_CERTIFICATE : undefined
  const server = { base, port }
  const line = dial({ server, token: 'secret', ca, clock, proxy, lookup }, HELLO, {
    onWelcome: (welcome, line) => greeted.resolve({ welcome, line }),
    onBatch: batch => {
      batches.push(String(batch))
      if (batch.equals(LAST)) last.resolve(batches)
    },
    onOver: over.resolve,
  })
  t.after(() => line.hangUp())
  return { greeted: greeted.promise, over: over.promise, last: last.promise, line }
}

async function serve(t: TestContext, onHello: (call: LinkCall, hello: LinkFrame, metadata: Metadata) => void) {
  const server = await startLinkServer(onHello)
  t.after(() => server.close())
  return server
}

/** The HTTP/2 streams that begin at this end from now on; the messages are as the documentation of diagnostics_channel says. */
function streamsOf(t: TestContext, end: 'client' | 'server'): Http2Stream[] {
  const streams: Http2Stream[] = []
  const onStream = (message: unknown) => streams.push((message as { stream: Http2Stream }).stream)
  subscribe(`http2.${end}.stream.created`, onStream)
  t.after(() => unsubscribe(`http2.${end}.stream.created`, onStream))
  return streams
}

function fail(call: LinkCall, code: status, details: string): void {
  call.emit('error', { code, details, metadata: new Metadata() })
}

test('the server gets token and hello, the client the welcome and what follows', async t => {
  const seen = Promise.withResolvers<unknown>()
  const { port } = await serve(t, (call, hello, metadata) => {
    seen.resolve([hello.case, metadata.get('authorization')])
    call.write(welcomeBatch())
    call.write(Buffer.from('more'))
    call.once('data', (batch: Buffer) => call.write(batch))
  })
  const { greeted, last } = dialTo(t, port)
  const { welcome, line } = await greeted
  assert.equal(welcome.agent, 'pbt-server/test')
  assert.deepEqual(await seen.promise, ['hello', ['Bearer secret']])
  line.link.write(LAST, () => {})
  assert.deepEqual(await last, ['more', 'last'])
})

test('the windows and frames of the connection are wide', async t => {
  const streams = streamsOf(t, 'server')
  const { port } = await serve(t, call => {
    call.write(welcomeBatch())
    call.on('data', (batch: Buffer) => call.write(batch))
  })
  const { greeted, last } = dialTo(t, port)
  const { line } = await greeted
  line.link.write(LAST, () => {})
  await last
  const settings = streams[0]?.session?.remoteSettings
  assert.deepEqual([settings?.initialWindowSize, settings?.maxFrameSize], [32 * 1024 * 1024, 256 * 1024])
})

test('a batch is taken once the connection has it, not before', async t => {
  const streams = streamsOf(t, 'client')
  const { port } = await serve(t, call => {
    call.write(welcomeBatch())
    call.resume()
  })
  const { greeted } = dialTo(t, port)
  const { line } = await greeted
  const sent = () => streams[0]?.session?.socket.bytesWritten ?? 0
  const [before, bytes] = [sent(), 64 * 1024]
  const handedOver: number[] = []
  await new Promise<void>(resolve => {
    for (let count = 1; count <= 3; count++) {
      line.link.write(Buffer.alloc(bytes), () => {
        if (handedOver.push(sent() - before) === 3) resolve()
      })
    }
  })
  for (const [index, total] of handedOver.entries())
    assert.ok(total >= (index + 1) * bytes, `taken after ${total} bytes`)
})

test('a refused token is told apart from one that is revoked later', async t => {
  const refusing = await serve(t, call => fail(call, status.UNAUTHENTICATED, 'no'))
  const refused = await dialTo(t, refusing.port).over
  assert.equal(refused.code, 'token-refused')
  assert.match(refused.cure, /pbt init/)

  const revoking = await serve(t, call => {
    call.write(welcomeBatch())
    call.once('data', () => fail(call, status.UNAUTHENTICATED, 'no'))
  })
  const { greeted, over } = dialTo(t, revoking.port)
  const { line } = await greeted
  line.link.write(LAST, () => {})
  assert.equal((await over).code, 'token-revoked')
})

test('another protocol version says which side to upgrade', async t => {
  const newer = await serve(t, call => call.write(welcomeBatch(2)))
  const failure = await dialTo(t, newer.port).over
  assert.equal(failure.code, 'version')
  assert.match(failure.message, /upgrade pbt$/)

  const refusing = await serve(t, call => {
    const value = create(GoAwaySchema, { reason: reasonOf('version'), message: 'upgrade pbt to 9' })
    call.write(encodeLinkFrame({ case: 'goAway', value }))
    call.end()
  })
  const refused = await dialTo(t, refusing.port).over
  assert.deepEqual([refused.code, refused.message], ['version', 'upgrade pbt to 9'])
})

test('a server that dies is a lost link', async t => {
  const server = await serve(t, call => call.write(welcomeBatch()))
  const { greeted, over } = dialTo(t, server.port)
  await greeted
  server.close()
  assert.equal((await over).code, 'link-lost')
})

test('a server that ends the call is a lost link too', async t => {
  const { port } = await serve(t, call => {
    call.write(welcomeBatch())
    call.end()
  })
  assert.equal((await dialTo(t, port).over).code, 'link-lost')
})

test('a server that does not answer hello is given up', async t => {
  const clock = new FakeClock()
  const heard = Promise.withResolvers<void>()
  const { port } = await serve(t, () => heard.resolve())
  const { over } = dialTo(t, port, { clock })
  await heard.promise
  clock.advance(5_001)
  const failure = await over
  assert.equal(failure.code, 'unreachable')
  assert.match(failure.message, /did not answer within 5 s/)
})

test('a port that takes connections and says nothing is given up', async t => {
  const clock = new FakeClock()
  const server = createServer(socket => socket.on('error', () => {})).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const address = server.address()
  assert(address !== null && typeof address === 'object')
  const { over } = dialTo(t, address.port, { clock })
  const [socket] = await once(server, 'connection')
  clock.advance(6_001)
  socket.resume()
  const closed = once(socket, 'close', { signal: AbortSignal.timeout(60_000) })
  assert.match((await over).message, /did not connect within 6 s/)
  await closed
})

test('a dial that has failed connects never again by itself', async t => {
  const { port } = await serve(t, () => assert.fail('reached the server'))
  const seen: string[] = []
  let isCutting = true
  const relay = createServer(near => {
    seen.push(isCutting ? 'cut' : 'passed')
    near.on('error', () => {})
    if (isCutting) {
      near.resetAndDestroy()
      return
    }
    const far = connect(port, '127.0.0.1')
    far.on('error', () => {})
    near.pipe(far).pipe(near)
    t.after(() => far.destroy())
  }).listen(0, '127.0.0.1')
  t.after(() => relay.close())
  await once(relay, 'listening')
  const address = relay.address()
  assert(address !== null && typeof address === 'object')
  // Those of grpc-js, which tries again after a second.
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { over } = dialTo(t, address.port)
  assert.equal((await over).code, 'unreachable')
  const before = seen.length
  isCutting = false
  t.mock.timers.tick(10_000)
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
  // Connections are taken in the order in which they were made.
  const other = connect(address.port, '127.0.0.1')
  t.after(() => other.destroy())
  await once(relay, 'connection')
  assert.deepEqual(seen.slice(before), ['passed'])
})

test('a certificate of an unknown authority is not trusted, and the cure is named', async t => {
  const { port } = await serve(t, () => assert.fail('reached the server'))
  const failure = await dialTo(t, port, { isTrusting: false }).over
  assert.equal(failure.code, 'untrusted')
  assert.match(failure.cure, /--ca FILE/)
})

test('a port where nobody listens is refused on both loopback addresses', async t => {
  const failure = await dialTo(t, await lastingPort()).over
  assert.equal(failure.code, 'unreachable')
  assert.match(failure.message, /ECONNREFUSED/)
})

test('H15: the name is looked up anew on every try, and every address is tried', async t => {
  const { port } = await serve(t, call => call.write(welcomeBatch()))
  const answers = [
    () => Promise.reject(Object.assign(new Error('getaddrinfo EAI_AGAIN'), { code: 'EAI_AGAIN' })),
    () => Promise.resolve([{ address: '127.0.0.2', family: 4 }]),
    // The server has moved; of its addresses only the last one answers.
    () =>
      Promise.resolve(
        ['127.0.0.2', '::1', '127.0.0.1'].map(address => ({ address, family: address === '::1' ? 6 : 4 })),
      ),
  ]
  const lookup = t.mock.method(dns, 'lookup', (() => answers.shift()?.()) as unknown as typeof dns.lookup)
  // In capitals it is not the name that needs no name service, and the certificate fits all the same.
  const base = 'LOCALHOST'
  assert.equal((await dialTo(t, port, { base }).over).code, 'unreachable')
  assert.equal((await dialTo(t, port, { base }).over).code, 'unreachable')
  await dialTo(t, port, { base }).greeted
  assert.equal(lookup.mock.callCount(), 3)
})

test('after hanging up nothing is told, and the server sees the end', async t => {
  const ended = Promise.withResolvers<void>()
  const { port } = await serve(t, call => {
    call.write(welcomeBatch())
    call.on('data', () => {})
    call.once('end', () => {
      ended.resolve()
      call.end()
    })
  })
  const { greeted, over, line } = dialTo(t, port)
  await greeted
  line.hangUp()
  line.hangUp()
  await ended.promise
  const other = connect(port, '127.0.0.1')
  await once(other, 'connect')
  other.destroy()
  assert.equal(await Promise.race([over, Promise.resolve('silent')]), 'silent')
})
