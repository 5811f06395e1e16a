// How long a visitor's connection is waited for, and how it ends: real sockets, the clock by hand.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type Channel, type ChannelHandler, KIB, PbtError } from '@pbt/proto'
import type { LiveTunnel } from '../../relay/registry.ts'
import { type Visitor, visitorOf } from '../fields/headers.ts'
import { Router } from '../router.ts'
import { IGNORED, NO_LIMIT } from '../testing/access.ts'
import { Http1Connection } from './http1-connection.ts'

const REQUEST = 'GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n'

const UPGRADE = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

function tunnelWith(open: LiveTunnel['open'], isNearlyFull = false): LiveTunnel {
  const connect = () => {
    throw new Error('only requests come')
  }
  const affinity = { machineId: 'machine', kind: 'http', target: '3000' }
  const limits = { isNearlyFull, isShort: isNearlyFull, isPaused: false, idleTimeoutMs: 0, replyFactor: undefined }
  return { name: 'test', affinity, ...limits, allows: () => true, open, connect, noteShort: () => {} }
}

/** A channel that takes what `takes` says and notes its reset. */
function channelThat(takes: () => boolean) {
  const channel = { resets: [] as string[], bytes: 0 }
  const open: LiveTunnel['open'] = (_head, _end, handler) => {
    const fake: Channel = {
      ...{
        id: 1,
        kind: 'http',
        visitor: '203.0.113.7:50123',
        openedAt: 0,
        handler,
        isOpen: true,
        isAnnounced: true,
        isEnded: false,
        bytesSent: 0,
        bytesReceived: 0,
        countedSent: 0,
        countedReceived: 0,
      },
      write: chunk => {
        channel.bytes += chunk.length
        return takes()
      },
      reset: code => channel.resets.push(code),
      ...{ sendHead: () => {}, sendDatagram: () => true, sendTrailers: () => {}, end: () => {}, consumed: () => {} },
    }
    return fake
  }
  return { channel, open }
}

/** A connection of an edge that knows no tunnel, its visitor's socket, and what the visitor got. */
async function visited(t: TestContext, open?: LiveTunnel['open'], isNearlyFull = false, use = NO_LIMIT) {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const visitor = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [socket] = (await once(server, 'connection')) as [Socket]
  socket.on('error', () => socket.destroy())
  t.after(() => {
    visitor.destroy()
    socket.destroy()
    server.close()
  })
  const state = { tick: 0, isDraining: false, isScarce: false, text: '' }
  visitor.on('data', chunk => {
    state.text += chunk.toString('latin1')
  })
  const ended = once(visitor, 'close')
  const router = new Router({
    baseDomain: 'localhost',
    tunnels: {
      lookup: () =>
        open === undefined ? { state: 'unknown' } : { state: 'online', tunnel: tunnelWith(open, isNearlyFull) },
      whenKnown: () => undefined,
    },
    covers: () => true,
    limits: { isMemoryShort: false },
  })
  const options = {
    router,
    visitorBehind: (visitor: Visitor) => visitor,
    visitorOf: (each: Socket) => visitorOf(each.remoteAddress, each.remotePort, 'http', 'c', use),
    serverNameOf: () => undefined,
    responseTimeoutMs: 0,
    leastBodyRate: 1_000,
    isScarce: () => state.isScarce,
    isDraining: () => state.isDraining,
    access: IGNORED,
    tick: () => state.tick,
  }
  const connection = new Http1Connection(socket, options, 0, () => {})
  const pass = (ticks: number) => {
    for (let count = 0; count < ticks; count++) connection.tick(++state.tick)
  }
  const arrived = async (text: string) => {
    visitor.write(text)
    await once(socket, 'data')
  }
  const answered = async (times: number) => {
    while ((state.text.match(/HTTP\/1\.1 404/g)?.length ?? 0) < times) await once(visitor, 'data')
  }
  return { visitor, socket, state, ended, pass, arrived, answered }
}

test('a head that does not come in time is answered with 408 and the end', async t => {
  const { state, ended, pass, arrived } = await visited(t)
  await arrived('GET / HTTP/1.1\r\nHost:')
  pass(10)
  assert.equal(state.text, '')
  pass(1)
  await ended
  assert.match(state.text, /^HTTP\/1\.1 408 [\s\S]*connection: close\r\n/)
})

test('E1: a head has ten seconds from its first byte on, whatever comes of it and wherever it is cut', async t => {
  const { visitor, state, ended, pass, arrived, answered } = await visited(t)
  visitor.write(REQUEST)
  await answered(1)
  pass(50)
  for (const piece of ['GET', ' / HT', 'TP/1.1\r', '\nHost', ': app.local', 'host\r\n\r']) {
    await arrived(piece)
    pass(2)
  }
  await ended
  assert.match(state.text, /HTTP\/1\.1 408 /)
})

test('E1: empty lines keep no connection open, neither before the first request nor between two', async t => {
  for (const line of ['\r\n', '\r', '\r\n\r\n\r\n']) {
    const fresh = await visited(t)
    for (let second = 0; second < 12 && !fresh.visitor.readableEnded; second += 4) {
      await fresh.arrived(line === '\r' && second % 8 === 4 ? '\n' : line)
      fresh.pass(4)
    }
    await fresh.ended
    assert.equal(fresh.state.text, '')
    const idle = await visited(t)
    idle.visitor.write(REQUEST)
    await idle.answered(1)
    for (let second = 0; second < 64; second += 4) {
      await idle.arrived(line === '\r' && second % 8 === 4 ? '\n' : line)
      idle.pass(4)
    }
    assert.ok(!idle.visitor.readableEnded)
    idle.pass(2)
    await idle.ended
  }
})

test('a request behind an empty line is served, also when that came alone', async t => {
  const { visitor, arrived, answered } = await visited(t)
  await arrived('\r')
  await arrived('\n')
  visitor.write(REQUEST)
  await answered(1)
})

test('E4: answers that a visitor does not take hold back those to what it asks behind them', async t => {
  const { visitor, socket, state, answered } = await visited(t)
  visitor.write(REQUEST)
  await answered(1)
  socket.cork()
  visitor.pause()
  const write = t.mock.method(socket, 'write')
  // A write that fills the socket, as an answer does that nobody reads.
  socket.write(Buffer.alloc(1024 * KIB))
  visitor.write(REQUEST.repeat(50))
  await once(socket, 'data')
  assert.equal(write.mock.callCount(), 1)
  socket.uncork()
  visitor.resume()
  await answered(51)
  assert.equal(state.text.match(/HTTP\/1\.1 404/g)?.length, 51)
})

test('a connection without a byte is closed without a word', async t => {
  const { state, ended, pass } = await visited(t)
  pass(11)
  await ended
  assert.equal(state.text, '')
})

test('an idle connection is kept 65 s after an answer, and each answer begins that anew', async t => {
  const { visitor, ended, pass, answered } = await visited(t)
  visitor.write(REQUEST)
  await answered(1)
  pass(60)
  visitor.write(REQUEST)
  await answered(2)
  pass(65)
  assert.ok(!visitor.readableEnded)
  pass(1)
  await ended
})

test('a draining server answers what is on its way, says that it was the last, and ends', async t => {
  const { visitor, state, ended, answered } = await visited(t)
  visitor.write(REQUEST)
  await answered(1)
  state.isDraining = true
  visitor.write(REQUEST)
  await ended
  assert.equal(state.text.match(/HTTP\/1\.1 404 /g)?.length, 2)
  assert.equal(state.text.match(/connection: close/g)?.length, 1)
})

test('a draining server lets idle connections go after two seconds', async t => {
  const { visitor, state, ended, pass, answered } = await visited(t)
  visitor.write(REQUEST)
  await answered(1)
  state.isDraining = true
  pass(2)
  assert.ok(!visitor.readableEnded)
  pass(1)
  await ended
})

test('a visitor who keeps its side open after the last answer is cut in the end', async t => {
  const { visitor, socket, state, pass } = await visited(t)
  visitor.allowHalfOpen = true
  visitor.write(REQUEST.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  await once(visitor, 'end')
  const closed = once(socket, 'close')
  pass(12)
  await closed
  assert.equal(state.text.match(/HTTP\/1\.1/g)?.length, 1)
})

test('a hundred pipelined requests are answered in order without a stack as deep', async t => {
  const { visitor, answered, state } = await visited(t)
  visitor.write(REQUEST.repeat(100))
  await answered(100)
  assert.equal(state.text.match(/HTTP\/1\.1 404/g)?.length, 100)
})

const UPLOAD = 'POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 1000000\r\n\r\n'

test('D7: a body that trickles or is silent is waited for without end while there is room', async t => {
  const { channel, open } = channelThat(() => true)
  const { state, pass, arrived } = await visited(t, open)
  await arrived(UPLOAD)
  for (let minute = 0; minute < 10; minute++) {
    pass(60)
    await arrived('x')
  }
  pass(3_600)
  assert.equal(state.text, '')
  assert.deepEqual(channel.resets, [])
})

const SHORTAGES = { 'for all visitors': 503, 'at its client': 503, 'for its address': 429 }

for (const [where, status] of Object.entries(SHORTAGES)) {
  test(`E1: where room is short ${where}, a body that brings less than its rate after the grace goes, and the channel learns that it is cut`, async t => {
    const { channel, open } = channelThat(() => true)
    const counts = { ended: 0 }
    const use = { ...NO_LIMIT, isCrowded: where === 'for its address', ended: () => counts.ended++ }
    const { state, ended, pass, arrived } = await visited(t, open, where === 'at its client', use)
    state.isScarce = where === 'for all visitors'
    await arrived(UPLOAD)
    pass(10)
    assert.equal(state.text, '')
    pass(1)
    await ended
    const code = status === 429 ? 'limited' : 'overloaded'
    assert.match(
      state.text,
      new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*pbt-error: ${code}[\\s\\S]*less than 1000 bytes a second`),
    )
    assert.deepEqual(channel.resets, ['cancelled'])
    assert.deepEqual(counts, { ended: 1 })
  })
}

test('E1: a body that was slow and comes fast enough now stays when room gets short', async t => {
  const { channel, open } = channelThat(() => true)
  const { state, pass, arrived } = await visited(t, open)
  await arrived(UPLOAD)
  pass(600)
  state.isScarce = true
  await arrived('x'.repeat(2_000))
  while (channel.bytes < 2_000) await new Promise(setImmediate)
  pass(2)
  assert.deepEqual(channel.resets, [])
  pass(1)
  assert.deepEqual(channel.resets, ['cancelled'])
})

test('E1: once the answer has begun a slow body stays, however short room is', async t => {
  const handlers: ChannelHandler[] = []
  const { channel, open } = channelThat(() => true)
  const { visitor, state, pass, arrived } = await visited(t, (head, end, handler) => {
    handlers.push(handler)
    return open(head, end, handler)
  })
  state.isScarce = true
  await arrived(UPLOAD)
  handlers[0]?.onHead?.({ status: 200, reason: 'OK', headers: [], upgrade: '' }, false)
  await once(visitor, 'data')
  pass(1_000)
  assert.deepEqual(channel.resets, [])
})

test('a body that came fast may pause for a minute, however short room is', async t => {
  const { channel, open } = channelThat(() => true)
  const { state, pass, arrived } = await visited(t, open)
  state.isScarce = true
  await arrived(UPLOAD)
  pass(1)
  await arrived('x'.repeat(200_000))
  while (channel.bytes < 200_000) await new Promise(setImmediate)
  pass(60)
  assert.equal(state.text, '')
  pass(1)
  assert.deepEqual(channel.resets, ['cancelled'])
})

test('a body that the channel does not take is waited for without end', async t => {
  const { channel, open } = channelThat(() => false)
  const { state, pass, arrived } = await visited(t, open)
  state.isScarce = true
  await arrived(`${UPLOAD}first`)
  pass(1_000)
  assert.equal(state.text, '')
  assert.deepEqual(channel.resets, [])
})

test('a body held back for 100 Continue is waited for until that has come', async t => {
  const { channel, open } = channelThat(() => true)
  const { state, pass, arrived } = await visited(t, open)
  state.isScarce = true
  await arrived(UPLOAD.replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n'))
  pass(1_000)
  assert.equal(state.text, '')
  assert.deepEqual(channel.resets, [])
})

test('a request for which the session has no channel left is told so at once', async t => {
  const { visitor, state } = await visited(t, () => {
    throw new PbtError('limit', 'too many channels')
  })
  visitor.write(REQUEST)
  while (!state.text.includes('pbt-error')) await once(visitor, 'data')
  assert.match(state.text, /^HTTP\/1\.1 503 [\s\S]*pbt-error: overloaded\r\n[\s\S]*retry-after: 5/)
})

for (const request of [REQUEST, UPGRADE]) {
  const what = request === REQUEST ? 'a request' : 'an upgrade'
  test(`the last channels of a session are for addresses that have little under way: ${what}`, async t => {
    const { open } = channelThat(() => true)
    const opened: string[] = []
    const noting: LiveTunnel['open'] = (head, end, handler) => {
      opened.push(head.method)
      return open(head, end, handler)
    }
    const large = await visited(t, noting, true, { ...NO_LIMIT, isSmall: false })
    large.visitor.write(request)
    while (!large.state.text.includes('pbt-error')) await once(large.visitor, 'data')
    assert.match(large.state.text, /^HTTP\/1\.1 429 [\s\S]*pbt-error: limited/)
    assert.deepEqual(opened, [])
    const small = await visited(t, noting, true)
    await small.arrived(request)
    assert.deepEqual(opened, ['GET'])
  })

  test(`${what} of an address that has too many is told so and counted down once, however it ends`, async t => {
    const counts = { began: 0, ended: 0 }
    const use = {
      ...NO_LIMIT,
      began: () => ++counts.began <= 1,
      ended: () => counts.ended++,
    }
    const { open } = channelThat(() => true)
    const first = await visited(t, open, false, use)
    await first.arrived(request)
    const second = await visited(t, open, false, use)
    second.visitor.write(request)
    while (!second.state.text.includes('pbt-error')) await once(second.visitor, 'data')
    assert.match(second.state.text, /^HTTP\/1\.1 429 /)
    second.visitor.destroy()
    await once(second.socket, 'close')
    assert.deepEqual(counts, { began: 2, ended: 0 })
    first.visitor.resetAndDestroy()
    await new Promise(resolve => first.socket.once('close', resolve))
    assert.deepEqual(counts, { began: 2, ended: 1 })
  })
}

const ANSWERS = [
  ['of a known length', REQUEST, { status: 200, headers: ['content-length', '1000000'], upgrade: '' }],
  ['in chunks', REQUEST, { status: 200, headers: [], upgrade: '' }],
  ['after an upgrade', UPGRADE, { status: 101, headers: [], upgrade: 'websocket' }],
  ['instead of an upgrade', UPGRADE, { status: 200, headers: [], upgrade: '' }],
] as const

for (const [name, request, head] of ANSWERS) {
  test(`small pieces that wait for a visitor do not keep their batch: an answer ${name}`, async t => {
    const handlers: ChannelHandler[] = []
    const { open } = channelThat(() => true)
    const { visitor, socket } = await visited(t, (requestHead, end, handler) => {
      handlers.push(handler)
      return open(requestHead, end, handler)
    })
    visitor.write(request)
    while (handlers.length === 0) await once(socket, 'data')
    const [handler] = handlers
    handler?.onHead?.({ ...head, reason: 'OK', headers: [...head.headers] }, false)
    await once(visitor, 'data')
    const batch = Buffer.from(new ArrayBuffer(96 * KIB))
    const write = t.mock.method(socket, 'write')
    // Nothing is taken from here on.
    socket.cork()
    const [first, small, large] = [batch.subarray(0, 8 * KIB), batch.subarray(0, 9 * KIB), batch.subarray(0, 64 * KIB)]
    for (const piece of [first, small, small, large]) handler?.onData?.(piece, false)
    const written = write.mock.calls.map(({ arguments: [what] }) => what as string | Buffer).filter(Buffer.isBuffer)
    assert.deepEqual(
      written.map(({ length }) => length),
      [first, small, small, large].map(({ length }) => length),
    )
    assert.deepEqual(
      written.map(({ buffer }) => buffer === batch.buffer),
      [true, false, false, true],
    )
  })
}
