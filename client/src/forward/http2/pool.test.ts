// Connections to a target over HTTP/2: how many, who waits, who is asked whether it is there. Real sockets, a clock of the test's.
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { after, type TestContext, test } from 'node:test'
import { type Channel, PbtError, type RequestHead } from '@pbt/proto'
import { channelStub, FakeClock } from '@pbt/proto/testing'
import { parseTarget } from '../../target.ts'
import type { Forwarder } from '../forwarder.ts'
import { Places } from '../places.ts'
import { createHttp2Forwarder } from './forwarder.ts'

/** As in pool.ts and connection.ts. */
const [MAX_CONNECTIONS, MAX_WAITING, WAIT_MS] = [8, 4_096, 20_000]
const [SETTINGS_MS, FRESH_MS, PROBE_MS, SILENCE_MS, DEAD_MS, PROBE_INTERVAL_MS, IDLE_MS] = [
  5_000, 2_500, 2_000, 15_000, 45_000, 330_000, 60_000,
]

/** A request and what came back. */
class Asked {
  readonly channel: Channel
  status = 0
  body = ''
  outcome = ''
  private readonly events = new EventEmitter()

  constructor(forwarder: Forwarder, path: string) {
    const over = (outcome: string) => {
      this.outcome ||= outcome
      this.events.emit('over')
    }
    this.channel = channelStub({
      kind: 'http',
      sendHead: ({ status }) => {
        this.status = status
      },
      write: chunk => {
        this.body += Buffer.from(chunk).toString('latin1')
        return true
      },
      end: () => over('whole'),
      reset: (code, message) => over(`${code}: ${message}`),
    })
    const headers = ['host', 'app.localhost']
    const head: RequestHead = { tunnel: 0, method: 'GET', target: path, headers, upgrade: '', visitor: '127.0.0.1:1' }
    forwarder.accept(this.channel, { kind: 'http', head }, true)
  }

  /** How it ended. */
  async over(): Promise<string> {
    if (this.outcome === '') await once(this.events, 'over')
    return this.outcome
  }

  leave(): void {
    this.channel.handler.onReset(new PbtError('cancelled', 'the visitor went away'))
  }
}

/** Waits until it holds, in turns of the event loop. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate)
}

/** An echo, and how often it is asked: each time there and back, and more often than a ping through the gate takes. */
const echo = createTcpServer({ noDelay: true }, socket => socket.pipe(socket)).listen(0, '127.0.0.1')
const marker = once(echo, 'listening').then(() =>
  connect((echo.address() as AddressInfo).port, '127.0.0.1').setNoDelay(),
)
const ROUND_TRIPS = 6

after(async () => {
  ;(await marker).destroy()
  echo.close()
})

/** Lets what is under way on sockets arrive. */
async function settled(): Promise<void> {
  const socket = await marker
  for (let count = 0; count < ROUND_TRIPS; count++) {
    socket.write('x')
    await once(socket, 'data')
  }
}

/** Time goes by, and sockets keep up with it. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1_000) {
    clock.advance(Math.min(left, 1_000))
    await settled()
  }
}

/** A service whose `/held` waits for `release`; connections pass a gate that can be shut, and nobody is told. */
async function service(t: TestContext, maxConcurrentStreams?: number) {
  const held: ServerHttp2Stream[] = []
  const sessions: ServerHttp2Session[] = []
  let pings = 0
  const server = createServer({ settings: maxConcurrentStreams === undefined ? {} : { maxConcurrentStreams } })
  server.on('session', session => {
    sessions.push(session)
    session.on('error', () => {})
    session.on('ping', () => pings++)
    t.after(() => session.destroy())
  })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    stream.once('close', () => held.splice(held.indexOf(stream) >>> 0, 1))
    if (headers[':path'] === '/held') held.push(stream)
    else stream.respond({ ':status': 200 }), stream.end('fine')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const sockets: Socket[] = []
  const gate = createTcpServer({ noDelay: true }, near => {
    const far = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true })
    sockets.push(near)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', chunk => to.write(chunk))
      from.on('end', () => to.end())
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
    t.after(() => near.destroy())
  })
  gate.listen(0, '127.0.0.1')
  await once(gate, 'listening')
  t.after(() => gate.close())
  const port = (gate.address() as AddressInfo).port
  const answer = (stream: ServerHttp2Stream | undefined) => {
    stream?.respond({ ':status': 200 })
    stream?.end('late')
  }
  return { port, held, sessions, sockets, answer, pings: () => pings }
}

function forwarderTo(port: number, places = new Places(100)) {
  const clock = new FakeClock()
  const target = parseTarget(`127.0.0.1:${port}`)
  const options = { target, host: { kind: 'preserve' }, isVerified: false, places, onRequest: () => {}, clock } as const
  const forwarder = createHttp2Forwarder(options)
  return { forwarder, clock, ask: (path = '/') => new Asked(forwarder, path) }
}

test('a target that says nothing, or speaks no HTTP/2, fails those who wait with what to look at', async t => {
  const sockets: Socket[] = []
  let says = ''
  const silent = createTcpServer(socket => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', () => says !== '' && socket.end(says))
    t.after(() => socket.destroy())
  })
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const { clock, ask } = forwarderTo((silent.address() as AddressInfo).port)
  const waiting = [ask(), ask(), ask()]
  waiting[2]?.leave()
  await until(() => sockets.length === 1)
  clock.advance(SETTINGS_MS)
  for (const each of waiting.slice(0, 2)) {
    assert.match(
      await each.over(),
      /^target-broke: .*did not answer in HTTP\/2 \(--target-protocol h2c\): it said nothing/,
    )
  }
  assert.equal(waiting[2]?.outcome, '')
  says = 'HTTP/1.1 400 Bad Request\r\n\r\n'
  assert.match(await ask().over(), /^target-broke: .*did not answer in HTTP\/2/)
  says = ''
  const closed = ask()
  await until(() => sockets.length === 3)
  sockets[2]?.end()
  assert.match(await closed.over(), /^target-broke: .*it closed the connection/)
})

test('a target whose limit of streams is reached gets up to eight connections, then requests wait in their order', async t => {
  const { port, held, sockets, answer } = await service(t, 2)
  const { clock, ask } = forwarderTo(port)
  const first = Array.from({ length: 2 * MAX_CONNECTIONS }, () => ask('/held'))
  await until(() => held.length === first.length)
  assert.equal(sockets.length, MAX_CONNECTIONS)
  const waiting = Array.from({ length: 5 }, () => ask())
  waiting[0]?.leave()
  answer(held[3])
  // One after the other through the stream that is free.
  for (const each of waiting.slice(1)) assert.equal(await each.over(), 'whole')
  assert.equal(waiting[0]?.status, 0)
  const more = ask('/held')
  await until(() => held.length === first.length)
  const [late, later] = [ask(), ask()]
  await pass(clock, WAIT_MS - 2_000)
  const last = ask()
  await pass(clock, 2_000)
  for (const each of [late, later]) {
    assert.match(await each.over(), /^target-timeout: .*had none of its 16 streams free for 20 s/)
  }
  assert.equal(sockets.length, MAX_CONNECTIONS)
  more.leave()
  assert.equal(await last.over(), 'whole')
})

test('so many requests wait, and one more is told at once', async t => {
  const { port, sockets } = await service(t, 0)
  const { forwarder, clock, ask } = forwarderTo(port)
  const waiting = Array.from({ length: MAX_WAITING }, () => ask())
  const more = ask()
  clock.settle()
  assert.match(await more.over(), /^limit: .*4096 wait for it already/)
  waiting[7]?.leave()
  const inTime = ask()
  await pass(clock, WAIT_MS + 1_000)
  assert.ok(sockets.length <= MAX_CONNECTIONS)
  assert.match(await inTime.over(), /^target-timeout: /)
  assert.equal(waiting[7]?.outcome, '')
  forwarder.close()
})

test('a target that cannot be reached fails all who wait, and is tried again for the next', async t => {
  const { port, sockets } = await service(t)
  const { ask } = forwarderTo(1)
  for (let round = 0; round < 2; round++) {
    const waiting = [ask(), ask()]
    for (const each of waiting) assert.match(await each.over(), /^target-unreachable: .*connection refused/)
  }
  const places = new Places(1)
  const one = forwarderTo(port, places)
  const other = forwarderTo(port, places)
  assert.equal(await one.ask().over(), 'whole')
  await settled()
  // The other's connection idles, and makes room.
  assert.equal(await other.ask().over(), 'whole')
  await until(() => sockets[0]?.destroyed === true)
  await settled()
  const stays = other.ask('/held')
  const refused = one.ask()
  one.clock.settle()
  assert.match(await refused.over(), /^limit: /)
  stays.leave()
})

test('a connection that has been silent is asked before it is used again, and replaced when it does not answer', async t => {
  const { port, sockets, pings } = await service(t)
  const { clock, ask } = forwarderTo(port)
  assert.equal(await ask().over(), 'whole')
  clock.advance(FRESH_MS + 2_000)
  assert.equal(await ask().over(), 'whole')
  assert.deepEqual([sockets.length, pings()], [1, 1])
  sockets[0]?.pause()
  clock.advance(FRESH_MS + 2_000)
  const [first, second] = [ask(), ask()]
  clock.advance(PROBE_MS)
  for (const each of [first, second]) assert.equal(await each.over(), 'whole')
  assert.equal(sockets.length, 2)
})

for (const wakesUp of [true, false]) {
  const end = wakesUp ? 'all is well when it goes on' : 'they fail'
  test(`requests on a connection that is silent wait for a minute, new ones go elsewhere, and then ${end}`, async t => {
    const { port, held, sockets, answer } = await service(t)
    const { clock, ask } = forwarderTo(port)
    const waits = ask('/held')
    await until(() => held.length === 1)
    sockets[0]?.pause()
    await pass(clock, SILENCE_MS + PROBE_MS + 1_000)
    assert.equal(await ask().over(), 'whole')
    assert.equal(sockets.length, 2)
    await pass(clock, DEAD_MS - PROBE_MS - 3_000)
    assert.equal(waits.outcome, '')
    if (wakesUp) {
      sockets[0]?.resume()
      answer(held[0])
      assert.equal(await waits.over(), 'whole')
      sockets[1]?.destroy()
      await settled()
      assert.equal(await ask().over(), 'whole')
      assert.equal(sockets.length, 2)
    } else {
      await pass(clock, 4_000)
      assert.match(await waits.over(), /^target-broke: .*it has said nothing for 45 s, nor answered a ping/)
    }
  })
}

test('a target that answers nothing but pings is asked seldom, as gRPC wants it, and in between another connection is used', async t => {
  const { port, held, sockets, pings } = await service(t)
  const { clock, ask } = forwarderTo(port)
  const waits = ask('/held')
  await until(() => held.length === 1)
  await pass(clock, SILENCE_MS + 1_000)
  assert.equal(pings(), 1)
  for (let round = 1; round <= 2; round++) {
    await pass(clock, PROBE_INTERVAL_MS - 10_000)
    assert.equal(pings(), round)
    await pass(clock, 12_000)
    assert.equal(pings(), round + 1)
  }
  const before = sockets.length
  assert.equal(await ask().over(), 'whole')
  assert.deepEqual([sockets.length, waits.outcome], [before + 1, ''])
})

test('a connection without requests is closed after a minute, and all of them with the forwarder', async t => {
  const { port, held, sockets, answer } = await service(t)
  const { forwarder, clock, ask } = forwarderTo(port)
  assert.equal(await ask().over(), 'whole')
  const isOver = once(sockets[0] ?? process, 'close')
  clock.advance(IDLE_MS + 1_000)
  await isOver
  const waits = ask('/held')
  await until(() => held.length === 1)
  clock.advance(FRESH_MS + 1_000)
  forwarder.close()
  answer(held[0])
  assert.equal(await waits.over(), 'whole')
  await until(() => sockets[1]?.destroyed === true)
  assert.equal(sockets.length, 2)
})
