// Visitors who take nothing of endless answers: each costs its window at both ends, and nobody else waits for them.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { END_HEADERS, END_STREAM, frame, GET_APP, HEADERS, PREFACE, SETTINGS } from './support/http2-frames.ts'
import { memoryMib } from './support/memory.ts'
import { startPbt } from './support/programs.ts'
import { httpTarget } from './support/targets.ts'
import { http2Request, http2Visitor, type RawVisitor, rawTlsVisitor, rawVisitor } from './support/visitors.ts'
import { acceptOf, upgradeRequest } from './support/websocket.ts'

const EACH = 34
const MOST_MIB = 64
const WARM_BYTES = 24 * 1024 * 1024
const PIECE = Buffer.alloc(16 * 1024, 'x')
/** Settings that let the peer send nothing on any stream: SETTINGS_INITIAL_WINDOW_SIZE of 0. */
const NO_WINDOW = Buffer.from([0, 4, 0, 0, 0, 0])

test('E4: a hundred visitors who never read cost bounded memory, and others are as quick as before', async t => {
  let sent = 0
  const pour = (stream: NodeJS.WritableStream) => {
    const write = () => {
      while (stream.writable && stream.write(PIECE)) sent += PIECE.length
    }
    stream.on('drain', write)
    stream.on('error', () => {})
    write()
  }
  const target = await httpTarget(
    t,
    (request, response) => {
      if (request.url === '/small') response.end('small')
      else pour(response)
    },
    server =>
      server.on('upgrade', (request, socket) => {
        const accept = acceptOf(String(request.headers['sec-websocket-key']))
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
        )
        pour(socket)
      }),
  )
  const { server, client } = await startPbt(t, target)
  const friend = await http2Visitor(t, server)
  const measure = async () => {
    const times: number[] = []
    for (let count = 0; count < 300; count++) {
      const begun = performance.now()
      assert.equal(String((await http2Request(friend, { ':path': '/small' })).body), 'small')
      times.push(performance.now() - begun)
    }
    times.sort((a, b) => a - b)
    return times[Math.floor(times.length * 0.9)] ?? 0
  }
  // What bulk leaves behind until the next collection is there before and after.
  const pass = () =>
    Promise.all(
      Array.from({ length: 8 }, async () => {
        const visitor = await rawTlsVisitor(t, server)
        visitor.socket.removeAllListeners('data')
        let bytes = 0
        visitor.socket.on('data', chunk => {
          bytes += chunk.length
          if (bytes > WARM_BYTES) visitor.socket.destroy()
        })
        visitor.send('GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
        await once(visitor.socket, 'close')
      }),
    )
  await pass()
  await measure()
  const quickBefore = await measure()
  const before = [server.program, client].map(memoryMib)

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
  // Until nothing moves any more.
  for (let last = -1; last !== sent; ) {
    last = sent
    await new Promise(resolve => setTimeout(resolve, 500))
  }
  const quickAfter = await measure()
  const growth = () => [server.program, client].map((program, index) => memoryMib(program) - (before[index] ?? 0))
  let grown = growth()
  // Garbage goes with the next collections, which traffic brings about; what is held stays.
  for (let round = 0; round < 8 && grown.some(mib => mib >= MOST_MIB); round++) {
    await pass()
    grown = growth()
  }
  t.diagnostic(
    `server and client grew by ${grown.map(mib => mib.toFixed(0)).join(' and ')} MiB, ${sent >> 20} MiB sent`,
  )
  t.diagnostic(`p90 of others ${quickBefore.toFixed(2)} ms before, ${quickAfter.toFixed(2)} ms beside them`)
  for (const mib of grown) assert.ok(mib < MOST_MIB, `grew by ${mib.toFixed(1)} MiB`)
  assert.ok(quickAfter < 2 * quickBefore + 10)
  assert.ok(greedy.every(({ socket }) => !socket.destroyed))
})
