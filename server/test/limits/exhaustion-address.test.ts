// One address that does its worst, in each of the ways there are: others are served as before, and it costs bounded memory.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { STREAM_WINDOW_BYTES } from '../../src/edge/http2/http2.ts'
import { frameVisitor } from '../support/frame-visitor.ts'
import { freePort, gauges } from '../support/gauges.ts'
import {
  ACK,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  GET_APP,
  HEADERS,
  PING,
  PREFACE,
  SETTINGS,
  WINDOW_UPDATE,
} from '../support/http2-frames.ts'
import { cpuMs, memoryMib } from '../support/memory.ts'
import { type Program, type RunningServer, scratch, startClient, startServer } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawTlsVisitor, rawVisitor } from '../support/visitors.ts'
import { acceptUpgrade, upgradeRequest } from '../support/websocket.ts'

const KIB = 1024
const PIECE = Buffer.alloc(64 * KIB, 'x')
/** SETTINGS_INITIAL_WINDOW_SIZE of 0. */
const NO_WINDOW = Buffer.from([0, 4, 0, 0, 0, 0])
/** More than an address may have. */
const [CONNECTIONS, STREAMS] = [90, 126]
/** RFC 9113 sections 4.2 and 6.9.2. */
const [FRAME_BYTES, FIRST_WINDOW] = [16_384, 65_535]
const UPLOAD = [
  [':method', 'POST'],
  [':scheme', 'https'],
  [':path', '/hang'],
  [':authority', 'app.localhost'],
] as const
const LARGE = Buffer.alloc(200_000, 'x')
const WARM_BYTES = 24 * 1024 * KIB
const WARM_ROUNDS = 6
const COLLECTIONS = 8
const REQUESTS = 200
const MOST_MIB = 64
/** What a busy machine may add to the slowest hundredth. */
const SLACK_MS = 15
/** Of so long a time two programs that only look after their links take less. */
const [STILL_CPU_MS, LOOK_MS, QUIET_LOOKS] = [20, 300, 4]
const HOST = 'Host: app.localhost\r\n'
const UNREAD_BODY = Buffer.concat([
  Buffer.from(`POST /hang HTTP/1.1\r\n${HOST}Content-Length: 10000000\r\n\r\n`),
  Buffer.alloc(2_000_000),
])

interface House {
  readonly server: RunningServer
  readonly client: Program
  readonly metrics: number
  /** Public ports of a TCP tunnel that pours, of one whose target does not read, and of a UDP tunnel that answers nothing. */
  readonly pouring: number
  readonly silent: number
  readonly udp: number
}

function pour(stream: NodeJS.WritableStream): void {
  const write = () => {
    while (stream.writable && stream.write(PIECE));
  }
  stream.on('drain', write)
  stream.on('error', () => {})
  write()
}

/** `/small` answers, `/large` with 200 KB, `/hang` never and without reading, all else without end. */
function httpService(t: TestContext): Promise<number> {
  return httpTarget(
    t,
    (request, response) => {
      if (request.url === '/small') response.end('small')
      else if (request.url === '/large') response.end(LARGE)
      else if (request.url !== '/hang') pour(response)
    },
    server =>
      server.on('upgrade', (request, socket) => {
        socket.on('error', () => {})
        if (request.url === '/hang') return
        acceptUpgrade(request, socket)
        pour(socket)
      }),
  )
}

/** A TCP service on a unix socket, whose buffers are small. */
async function tcpService(t: TestContext, serve: (socket: Socket) => void): Promise<string> {
  const path = join(scratch(t), 'target')
  const sockets = new Set<Socket>()
  const server = createServer({ pauseOnConnect: true }, socket => {
    sockets.add(socket.on('error', () => {}))
    serve(socket)
  }).listen({ path, backlog: 1_000 })
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return path
}

async function house(t: TestContext): Promise<House> {
  const metrics = await freePort()
  // As many as an attacker likes at once: how fast they may come is another limit.
  const serverArgs = ['--metrics-port', String(metrics), '--new-connections-per-second', '100000']
  const server = await startServer(t, { serverArgs })
  const udp = createSocket('udp4').bind(0, '127.0.0.1')
  await once(udp, 'listening')
  t.after(() => udp.close())
  const { client } = await startClient(t, server, [
    'up',
    `http:${await httpService(t)},domain=app`,
    `tcp:unix:${await tcpService(t, pour)}`,
    `tcp:unix:${await tcpService(t, () => {})}`,
    `udp:${udp.address().port},idle-timeout=5s`,
  ])
  const online = () => client.events.filter(({ event }) => event === 'online')
  await client.until(() => (online().length === 4 ? true : undefined), 'four tunnels')
  const [, pouring = 0, silent = 0, udpPort = 0] = online()
    .toSorted((a, b) => Number(a.number) - Number(b.number))
    .map(({ urls }) => Number(new URL(String((urls as unknown[])[0])).port))
  return { server, client, metrics, pouring, silent, udp: udpPort }
}

/** `from`: the address that attacks; `held`: takes the connections that are to be ended. */
type Attack = (t: TestContext, rooms: House, from: string, held: Socket[]) => Promise<void>

/** Connections over HTTP/2 whose streams are opened with this head, with windows that let nothing come. */
function streams(head: Buffer, connections = CONNECTIONS): Attack {
  return async (t, { server }, from, held) => {
    for (let count = 0; count < connections; count++) {
      const { socket, tcp } = await rawTlsVisitor(t, server, undefined, { from, protocol: 'h2' })
      held.push(tcp)
      socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, NO_WINDOW)]))
      for (let turn = 0; turn < STREAMS; turn++) {
        const stream = 2 * turn + 1
        socket.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, head))
      }
    }
  }
}

/** Connections over HTTP/2 that send as much as their windows let them to a target that does not read. */
function uploads(connections: number): Attack {
  return async (t, { server }, from, held) => {
    for (let count = 0; count < connections; count++) {
      const visitor = await frameVisitor(t, server, undefined, from)
      held.push(visitor.tcp)
      // What the server says of its windows stands before its answer to this.
      visitor.send(PING, 0, 0, Buffer.alloc(8))
      await visitor.until(() => visitor.frames.some(({ type, flags }) => type === PING && flags === ACK), 'an answer')
      let left = FIRST_WINDOW
      for (const { type, payload } of visitor.frames) if (type === WINDOW_UPDATE) left += payload.readUInt32BE()
      while (left > 0) {
        const stream = visitor.open(UPLOAD, false)
        let most = Math.min(left, STREAM_WINDOW_BYTES)
        left -= most
        for (; most > 0; most -= FRAME_BYTES) visitor.send(DATA, 0, stream, Buffer.alloc(Math.min(most, FRAME_BYTES)))
      }
    }
  }
}

/** Connections over HTTP/1.1, or to a port, that say this and read nothing. */
function connections(text: string | Buffer, count: number, port?: (rooms: House) => number): Attack {
  return async (t, rooms, from, held) => {
    const place = port === undefined ? rooms.server : { ...rooms.server, http: port(rooms) }
    for (let opened = 0; opened < count; opened++) {
      // One more than may be is reset at once.
      const visitor = await rawVisitor(t, place, from).catch(() => undefined)
      if (visitor === undefined) continue
      const { socket } = visitor
      socket.removeAllListeners('data').pause()
      held.push(socket)
      if (text.length > 0) socket.write(text)
    }
  }
}

/** A path as an indexed field has it: the same head with another path (RFC 7541 section 6.2.2, name 4 of the static table). */
function headFor(path: string, method = GET_APP): Buffer {
  return Buffer.concat([method.subarray(0, 2), Buffer.from([0x04, path.length]), Buffer.from(path), method.subarray(3)])
}

const ATTACKS: Readonly<Record<string, Attack>> = {
  'requests over HTTP/2 that hang': streams(headFor('/hang')),
  'endless answers to shut windows': streams(headFor('/'), 24),
  'whole answers to shut windows': streams(headFor('/large'), 24),
  'refusals to shut windows': streams(
    Buffer.concat([GET_APP.subarray(0, 4), Buffer.from([6]), Buffer.from('nobody')]),
    24,
  ),
  'bodies over HTTP/2 that the target does not read': uploads(100),
  'endless answers over HTTP/1.1': connections(`GET / HTTP/1.1\r\n${HOST}\r\n`, 600),
  'answers to requests in a row that nobody reads': connections(`GET /large HTTP/1.1\r\n${HOST}\r\n`.repeat(200), 300),
  'heads that do not end': connections(`GET / HTTP/1.1\r\n${HOST}a: ${'x'.repeat(60_000)}`, 600),
  'bodies that the target does not read': connections(UNREAD_BODY, 300),
  'bodies over TLS that the target does not read': async (t, { server }, from, held) => {
    for (let opened = 0; opened < 300; opened++) {
      const { socket, tcp } = await rawTlsVisitor(t, server, undefined, { from })
      held.push(tcp)
      socket.removeAllListeners('data').pause()
      socket.write(UNREAD_BODY)
    }
  },
  'upgrades that wait': connections(upgradeRequest('/hang') + 'x'.repeat(30_000), 600),
  'upgrades that nobody reads': connections(upgradeRequest('/'), 600),
  'TCP connections that nobody reads': connections('', 600, ({ pouring }) => pouring),
  'TCP connections whose target does not read': connections(Buffer.alloc(2_000_000), 300, ({ silent }) => silent),
  'UDP flows': async (t, { udp }, from) => {
    for (let count = 0; count < 600; count++) {
      const socket = createSocket('udp4').bind(0, from)
      await once(socket, 'listening')
      t.after(() => socket.close())
      for (let datagram = 0; datagram < 4; datagram++) socket.send(Buffer.alloc(9_000), udp, '127.0.0.1')
    }
  },
}

async function takeAndLeave(t: TestContext, server: RunningServer): Promise<void> {
  const { socket } = await rawTlsVisitor(t, server)
  socket.removeAllListeners('data')
  socket.write(`GET / HTTP/1.1\r\n${HOST}\r\n`)
  let bytes = 0
  socket.on('data', chunk => {
    bytes += chunk.length
    if (bytes > WARM_BYTES) socket.destroy()
  })
  await once(socket, 'close')
}

interface Quickness {
  readonly p50: number
  readonly p99: number
}

/** Half, and 99 of 100, of requests one after the other, in ms; the best of three, since other programs may be busy for a while. */
async function quickness(ask: () => Promise<void>): Promise<Quickness> {
  const rounds: Quickness[] = []
  for (let round = 0; round < 3; round++) {
    const times: number[] = []
    for (let count = 0; count < REQUESTS; count++) {
      const began = performance.now()
      await ask()
      times.push(performance.now() - began)
    }
    times.sort((a, b) => a - b)
    rounds.push({ p50: times[REQUESTS / 2] ?? 0, p99: times[REQUESTS * 0.99] ?? 0 })
  }
  return rounds.reduce((best, each) => (each.p99 < best.p99 ? each : best))
}

/** Waits until the programs do next to nothing: the systems take megabytes for a visitor who does not read. */
async function still(...programs: readonly Program[]): Promise<void> {
  const spent = () => programs.reduce((sum, { pid }) => sum + cpuMs(pid), 0)
  for (let quiet = 0; quiet < QUIET_LOOKS; ) {
    const before = spent()
    await new Promise(resolve => setTimeout(resolve, LOOK_MS))
    quiet = spent() - before > STILL_CPU_MS ? 0 : quiet + 1
  }
}

test('E4, E7: one address, whatever it does, costs others nothing they notice and the server at most 64 MiB', async t => {
  const rooms = await house(t)
  const { server, client, metrics } = rooms
  // As large as bulk makes both programs, whoever reads it.
  for (let round = 0; round < WARM_ROUNDS; round++) {
    await Promise.all(Array.from({ length: 8 }, () => takeAndLeave(t, server)))
  }
  const friend = await http2Visitor(t, server, undefined, '127.0.6.2')
  const ask = async () => {
    assert.equal(String((await http2Request(friend, { ':path': '/small' })).body), 'small')
  }
  for (const [index, [name, attack]] of Object.entries(ATTACKS).entries()) {
    const held: Socket[] = []
    await quickness(ask)
    const usual = await quickness(ask)
    const before = [server.program, client].map(memoryMib)
    await attack(t, rooms, `127.0.6.${100 + index}`, held)
    await still(server.program, client)
    const beside = await quickness(ask)
    const growth = () => [server.program, client].map((program, index) => memoryMib(program) - (before[index] ?? 0))
    let grown = growth()
    // Garbage goes with the collections that traffic brings about.
    for (let round = 0; round < COLLECTIONS && (grown[0] ?? 0) >= MOST_MIB; round++) {
      await takeAndLeave(t, server)
      grown = growth()
    }
    const { channels, connections } = await gauges(metrics)
    t.diagnostic(
      `${name}: server and client +${grown.map(mib => mib.toFixed(0)).join(', +')} MiB, ${channels} channels, ${connections} connections, ` +
        `p50 ${usual.p50.toFixed(1)} -> ${beside.p50.toFixed(1)} ms, p99 ${usual.p99.toFixed(1)} -> ${beside.p99.toFixed(1)} ms`,
    )
    assert.ok((grown[0] ?? 0) < MOST_MIB, `${name}: the server grew by ${grown[0]} MiB`)
    assert.ok(beside.p99 < 2 * usual.p99 + SLACK_MS, `${name}: p99 of others ${usual.p99} -> ${beside.p99} ms`)
    for (const socket of held) socket.resetAndDestroy()
    while ((await gauges(metrics)).channels > 0) await new Promise(resolve => setTimeout(resolve, 100))
  }
})
