// Visitors who take nothing of endless answers: each costs its window at both ends, and nobody else waits for them.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { END_HEADERS, END_STREAM, frame, GET_APP, HEADERS, PREFACE, SETTINGS } from '../support/http2-frames.ts'
import { memoryMib } from '../support/memory.ts'
import { descriptorsOf } from '../support/process.ts'
import { startClient, startPbt, startServer } from '../support/programs.ts'
import { watchMemory } from '../support/streams.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { visit } from '../support/tcp-visitors.ts'
import { http2Request, http2Visitor, type RawVisitor, rawTlsVisitor, rawVisitor } from '../support/visitors.ts'
import { acceptUpgrade, upgradeRequest } from '../support/websocket.ts'

const EACH = 34
const VISITORS = 100
const MOST_MIB = 64
const MIB = 1024 * 1024
const WARM_BYTES = 24 * MIB
/** By then both programs have been as large as bulk makes them, whoever reads it. */
const WARM_ROUNDS = 6
const PIECE = Buffer.alloc(16 * 1024, 'x')
/** Settings that let the peer send nothing on any stream: SETTINGS_INITIAL_WINDOW_SIZE of 0. */
const NO_WINDOW = Buffer.from([0, 4, 0, 0, 0, 0])

/** What a visitor of the TCP target says first to be sent bytes without end; all else comes back. */
const POUR = 'p'
const ENDS_MS = 20_000

/** Sends without end to whoever is given to it, as fast as they take it. */
class Source {
  sent = 0

  readonly pour = (stream: NodeJS.WritableStream): void => {
    const write = () => {
      while (stream.writable && stream.write(PIECE)) this.sent += PIECE.length
    }
    stream.on('drain', write)
    stream.on('error', () => {})
    write()
  }

  /** Resolves when nothing moves any more. */
  async still(): Promise<void> {
    for (let last = -1; last !== this.sent; ) {
      last = this.sent
      await new Promise(resolve => setTimeout(resolve, 500))
    }
  }
}

/** How long it takes nine of ten times, of 300; the best of three, since other programs may be busy for a while. */
async function p90Ms(ask: () => Promise<void>): Promise<number> {
  const rounds: number[] = []
  for (let round = 0; round < 3; round++) {
    const times: number[] = []
    for (let count = 0; count < 300; count++) {
      const begun = performance.now()
      await ask()
      times.push(performance.now() - begun)
    }
    times.sort((a, b) => a - b)
    rounds.push(times[Math.floor(times.length * 0.9)] ?? 0)
  }
  return Math.min(...rounds)
}

/** Takes as much from the stream as warms up both programs, and leaves. */
async function takeAndLeave(socket: Socket): Promise<void> {
  let bytes = 0
  socket.on('data', chunk => {
    bytes += chunk.length
    if (bytes > WARM_BYTES) socket.destroy()
  })
  await once(socket, 'close')
}

/** The most that bulk makes each program take when visitors do read it, in bytes: garbage is collected now and then. */
async function usualMemory(pids: readonly number[], pass: () => Promise<unknown>): Promise<readonly number[]> {
  const memory = watchMemory(pids)
  for (let round = 0; round < WARM_ROUNDS; round++) await pass()
  return memory.peaks()
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const end = performance.now() + ENDS_MS
  while (!holds()) {
    if (performance.now() > end) throw new Error(`no ${what} within ${ENDS_MS / 1000} s`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

function judgeGrowth(t: TestContext, mib: readonly number[], sent: number): void {
  const grown = mib.map(each => each.toFixed(0)).join(' and ')
  t.diagnostic(`server and client grew by ${grown} MiB, ${Math.round(sent / MIB)} MiB sent`)
  assert.ok(
    mib.every(each => each < MOST_MIB),
    `grew by ${grown} MiB`,
  )
}

function judgeQuickness(t: TestContext, beforeMs: number, besideMs: number): void {
  t.diagnostic(`p90 of others ${beforeMs.toFixed(2)} ms before, ${besideMs.toFixed(2)} ms beside them`)
  assert.ok(besideMs < 2 * beforeMs + 10)
}

test('E4: a hundred visitors who never read cost bounded memory, and others are as quick as before', async t => {
  const source = new Source()
  const target = await httpTarget(
    t,
    (request, response) => {
      if (request.url === '/small') response.end('small')
      else source.pour(response)
    },
    server =>
      server.on('upgrade', (request, socket) => {
        acceptUpgrade(request, socket)
        source.pour(socket)
      }),
  )
  const { server, client } = await startPbt(t, target)
  const friend = await http2Visitor(t, server)
  const ask = async () => {
    assert.equal(String((await http2Request(friend, { ':path': '/small' })).body), 'small')
  }
  const pass = () =>
    Promise.all(
      Array.from({ length: 8 }, async () => {
        const visitor = await rawTlsVisitor(t, server)
        visitor.socket.removeAllListeners('data')
        visitor.send('GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
        await takeAndLeave(visitor.socket)
      }),
    )
  const programs = [server.program, client]
  const pids = programs.map(({ pid }) => pid)
  const usual = await usualMemory(pids, pass)
  const quickBefore = await p90Ms(ask)

  const greedy: RawVisitor[] = []
  for (let count = 0; count < EACH; count++) {
    const plain = await rawVisitor(t, server)
    plain.socket.pause()
    plain.send('GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
    const upgraded = await rawVisitor(t, server)
    upgraded.socket.pause()
    upgraded.send(upgradeRequest())
    const zero = await rawTlsVisitor(t, server, undefined, { protocol: 'h2' })
    zero.send(
      Buffer.concat([
        ...[PREFACE, frame(SETTINGS, 0, 0, NO_WINDOW)],
        frame(HEADERS, END_HEADERS | END_STREAM, 1, GET_APP),
      ]),
    )
    greedy.push(plain, upgraded, zero)
  }
  await source.still()
  const quickBeside = await p90Ms(ask)
  const growth = () => programs.map((program, index) => memoryMib(program) - (usual[index] ?? 0) / MIB)
  let grown = growth()
  // Garbage goes with the next collections, which traffic brings about; what is held stays.
  for (let round = 0; round < 8 && grown.some(mib => mib >= MOST_MIB); round++) {
    await pass()
    grown = growth()
  }
  judgeGrowth(t, grown, source.sent)
  judgeQuickness(t, quickBefore, quickBeside)
  assert.ok(greedy.every(({ socket }) => !socket.destroyed))
})

test('E4: a hundred TCP visitors who never read cost bounded memory, others are as quick, and all of them end', async t => {
  const source = new Source()
  const pouring = new Set<Socket>()
  const target = await rawTarget(t, socket => {
    socket.setNoDelay(true).once('data', first => {
      if (String(first) === POUR) {
        pouring.add(socket)
        socket.once('close', () => pouring.delete(socket))
        source.pour(socket)
      } else {
        socket.write(first)
        socket.pipe(socket)
      }
    })
  })
  const server = await startServer(t)
  const { client, port } = await startClient(t, server, ['tcp', String(target)])
  const pids = [server.program.pid, client.pid]
  const drink = async () => {
    const socket = await visit(t, port)
    socket.write(POUR)
    return socket
  }
  const pass = () => Promise.all(Array.from({ length: 8 }, async () => await takeAndLeave(await drink())))
  const allEnded = () => until(() => pouring.size === 0, 'end of the connections to the target')
  const friend = await visit(t, port)
  const ask = async () => {
    friend.write('e')
    const [echo] = await once(friend, 'data')
    assert.equal(String(echo), 'e')
  }
  const usual = await usualMemory(pids, pass)
  const quickBefore = await p90Ms(ask)
  await allEnded()
  const memory = watchMemory(pids, usual)
  const descriptors = pids.map(descriptorsOf)

  const greedy: Socket[] = []
  for (let count = 0; count < VISITORS; count++) greedy.push((await drink()).pause())
  await source.still()
  const quickBeside = await p90Ms(ask)
  judgeGrowth(
    t,
    memory.growth().map(bytes => bytes / MIB),
    source.sent,
  )
  judgeQuickness(t, quickBefore, quickBeside)

  // Still open, all of them: at the target, and for who begins to read after all.
  assert.equal([...pouring].filter(socket => socket.writable).length, VISITORS)
  for (const socket of greedy) {
    const heard = once(socket, 'data')
    socket.resume()
    const [chunk] = await heard
    assert.ok(chunk.equals(Buffer.alloc(chunk.length, 'x')))
    socket.destroy()
  }
  await allEnded()
  await ask()
  await until(
    () => pids.every((pid, index) => descriptorsOf(pid) === descriptors[index]),
    'return to as many descriptors as before',
  )
})
