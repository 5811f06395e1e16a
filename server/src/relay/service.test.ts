import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Stream, connect } from 'node:http2'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { decodeLinkFrames, encodeLinkFrame, HANDSHAKE_MS, type LinkFrame, PbtError } from '@pbt/proto'
import { FakeClock } from '@pbt/proto/testing'
import { HelloSchema, WelcomeSchema } from '@pbt/proto/tunnel/v1'
import type { Log } from '../observe/log.ts'
import { LinkService, type LinkServiceOptions } from './service.ts'
import type { Session, SessionLink } from './session.ts'

const LOG: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => LOG }
/** A peer that was told that its call is over is cut after this. */
const LINGER_MS = 1_000

/** What the service does with a session. */
class FakeSession {
  readonly batches: Buffer[] = []
  readonly links: SessionLink[] = []
  readonly lost = Promise.withResolvers<SessionLink>()
  closed = ''
  error: PbtError | undefined
  readonly mux = { receive: (batch: Buffer) => this.batches.push(batch) }

  attach(link: SessionLink): void {
    if (this.error !== undefined) throw this.error
    this.links.push(link)
  }

  linkLost(link: SessionLink): void {
    this.lost.resolve(link)
  }

  close(code: string): void {
    this.closed = code
  }
}

/** A service on a port without TLS, which the edge has taken off by then. */
async function serve(t: TestContext, overrides: Partial<LinkServiceOptions> = {}) {
  const clock = new FakeClock()
  const session = new FakeSession()
  const service = new LinkService({
    ...{ clock, log: LOG, checkToken: () => ({ verdict: 'accepted' as const, tokenId: 1 }) },
    join: () => ({
      session: session as unknown as Session,
      welcome: { case: 'welcome', value: create(WelcomeSchema, { major: 1 }) },
      peerReceived: 0,
    }),
    ...overrides,
  })
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket)
    service.accept(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    service.close()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const call = (authorization = 'Bearer x') => {
    const client = connect(`http://127.0.0.1:${port}`)
    client.on('error', () => {})
    t.after(() => client.destroy())
    const stream = client.request({
      ...{ ':method': 'POST', ':path': '/pbt.tunnel.v1.TunnelService/Link' },
      ...{ 'content-type': 'application/grpc', te: 'trailers', authorization },
    })
    stream.on('error', () => {})
    return stream
  }
  return { clock, session, service, sockets, call }
}

function say(stream: ClientHttp2Stream, frame?: LinkFrame): void {
  const batch = encodeLinkFrame(
    frame ?? { case: 'hello', value: create(HelloSchema, { major: 1, clientId: 'c', machineId: 'm' }) },
  )
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(batch.length, 1)
  stream.write(Buffer.concat([prefix, batch]))
}

/** The first `count` frames that the server says. */
async function heard(stream: ClientHttp2Stream, count = 1): Promise<LinkFrame[]> {
  const frames: LinkFrame[] = []
  let input = Buffer.alloc(0)
  while (frames.length < count) {
    // Read, not listened to: of two messages in one turn none is missed.
    const chunk: unknown = stream.read()
    if (!Buffer.isBuffer(chunk)) {
      await once(stream, 'readable')
      continue
    }
    input = Buffer.concat([input, chunk])
    while (input.length >= 5 && input.length >= 5 + input.readUInt32BE(1)) {
      const end = 5 + input.readUInt32BE(1)
      frames.push(...decodeLinkFrames(input.subarray(5, end)))
      input = input.subarray(end)
    }
  }
  return frames
}

test('what comes after hello is for the session, and the end of the connection is a lost link', async t => {
  const { session, service, clock, call } = await serve(t)
  const stream = call()
  say(stream)
  assert.equal((await heard(stream))[0]?.case, 'welcome')
  // Who has shown a token is no stranger any more.
  clock.advance(HANDSHAKE_MS)
  assert.equal(service.connectionCount, 1)
  stream.session?.destroy()
  assert.equal(await session.lost.promise, session.links[0])
})

test('a link that is closed has its connection cut when the peer does not end it', async t => {
  const { session, clock, sockets, call } = await serve(t)
  const stream = call()
  say(stream)
  await heard(stream)
  session.links[0]?.close()
  const [socket] = sockets
  assert(socket !== undefined)
  clock.advance(LINGER_MS - 1)
  assert.ok(!socket.destroyed)
  clock.advance(1)
  assert.ok(socket.destroyed)
})

test('a hello that cannot be served is told why, and what follows it is not read', async t => {
  const joins: string[] = []
  const { session, clock, sockets, call } = await serve(t, {
    join: ({ clientId }) => {
      joins.push(clientId)
      throw new PbtError('limit', 'too many')
    },
  })
  const stream = call()
  say(stream)
  say(stream)
  const [frame] = await heard(stream)
  assert(frame?.case === 'goAway')
  assert.deepEqual([frame.value.message, frame.value.reconnect], ['too many', false])
  stream.resume()
  await once(stream, 'end')
  clock.advance(LINGER_MS)
  assert.ok(sockets[0]?.destroyed)
  assert.deepEqual([joins, session.links, session.batches], [['c'], [], []])
})

test('a client that claims what cannot be loses the session that it resumes', async t => {
  const { session, call } = await serve(t)
  session.error = new PbtError('protocol', 'acknowledges what was never sent')
  const stream = call()
  say(stream)
  const frames = await heard(stream, 2)
  assert.deepEqual(
    frames.map(frame => frame.case),
    ['welcome', 'goAway'],
  )
  assert.equal(session.closed, 'protocol')
})

test('the token is judged by its values and the address, before anything is read', async t => {
  const asked: unknown[] = []
  const { session, clock, sockets, call } = await serve(t, {
    checkToken: (...args) => {
      asked.push(args)
      return { verdict: asked.length === 1 ? 'refused' : 'limited' }
    },
  })
  for (const status of ['16', '8']) {
    const stream = call('Bearer wrong')
    say(stream)
    const [fields] = await once(stream, 'response')
    assert.equal(fields['grpc-status'], status)
  }
  assert.deepEqual(asked, Array(2).fill([['Bearer wrong'], '127.0.0.1']))
  clock.advance(LINGER_MS)
  assert.deepEqual([sockets.map(({ destroyed }) => destroyed), session.links], [[true, true], []])
})

test('a service that is closed cuts its connections and takes no more', async t => {
  const { session, service, sockets, call } = await serve(t)
  const stream = call()
  say(stream)
  await heard(stream)
  service.close()
  await session.lost.promise
  const late = call()
  await once(late, 'close')
  assert.deepEqual(
    sockets.map(({ destroyed }) => destroyed),
    [true, true],
  )
})
