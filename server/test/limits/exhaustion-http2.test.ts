// HTTP/2 peers who flood instead of asking: their connections end soon, everybody else goes on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  GET_APP,
  HEADERS,
  ONE_FIELD,
  PING,
  POST_APP,
  PREFACE,
  PRIORITY,
  RST_STREAM,
  SETTINGS,
  uint32,
  WINDOW_UPDATE,
} from '../support/http2-frames.ts'
import { memoryMib } from '../support/memory.ts'
import { startPbt } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, type RawVisitor, rawTlsVisitor, rawVisitor } from '../support/visitors.ts'

const FRAMES_AT_ONCE = 200
const HEAD = END_HEADERS | END_STREAM

/** What each sends the first time and again and again; `turn` counts from 0. */
const FLOODS: Readonly<Record<string, (turn: number) => Buffer>> = {
  'rapid reset': turn =>
    Buffer.concat([frame(HEADERS, HEAD, odd(turn), GET_APP), frame(RST_STREAM, 0, odd(turn), uint32(8))]),
  'made you reset, by a window update of nothing': turn =>
    Buffer.concat([frame(HEADERS, HEAD, odd(turn), GET_APP), frame(WINDOW_UPDATE, 0, odd(turn), uint32(0))]),
  'made you reset, by data after the end': turn =>
    Buffer.concat([frame(HEADERS, HEAD, odd(turn), GET_APP), frame(DATA, 0, odd(turn), Buffer.from('x'))]),
  continuation: turn => (turn === 0 ? frame(HEADERS, END_STREAM, 1, GET_APP) : frame(CONTINUATION, 0, 1, ONE_FIELD)),
  settings: () => frame(SETTINGS, 0, 0),
  ping: () => frame(PING, 0, 0, Buffer.alloc(8)),
  priority: () => frame(PRIORITY, 0, 1, Buffer.from([0, 0, 0, 0, 1])),
  'empty data': turn => (turn === 0 ? frame(HEADERS, END_HEADERS, 1, POST_APP) : frame(DATA, 0, 1)),
  'window updates': turn => (turn === 0 ? frame(HEADERS, HEAD, 1, GET_APP) : frame(WINDOW_UPDATE, 0, 0, uint32(1))),
  'window overflow': turn =>
    turn === 0 ? frame(HEADERS, HEAD, 1, GET_APP) : frame(WINDOW_UPDATE, 0, 0, uint32(0x7fff_ffff)),
  'unknown frames': () => frame(77, 0, 0, Buffer.alloc(4)),
}

function odd(turn: number): number {
  return 2 * turn + 1
}

/** Sends until the connection is over, at most as much as one core could read in many seconds. */
async function flood(attacker: RawVisitor, next: (turn: number) => Buffer): Promise<void> {
  const { socket } = attacker
  const isOver = () => attacker.isEnded || socket.destroyed
  socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0)]))
  for (let turn = 0; turn < 20_000_000 && !isOver(); ) {
    const frames = Array.from({ length: FRAMES_AT_ONCE }, () => next(turn++))
    const isTaken = socket.write(Buffer.concat(frames))
    await (isTaken ? new Promise(setImmediate) : attacker.until(() => socket.writableLength === 0).catch(() => {}))
  }
  assert.ok(isOver(), 'the connection is still there')
  socket.destroy()
}

test('E2: whoever floods over HTTP/2 is closed, others are served, and memory stays', async t => {
  const { server, client } = await startPbt(t, await httpTarget(t, (_request, response) => response.end('here')))
  const friend = await http2Visitor(t, server)
  const ask = () => http2Request(friend, { ':path': '/' })
  for (let time = 0; time < 50; time++) await ask()
  const before = [server.program, client].map(memoryMib)
  let from = 10
  for (const [name, next] of Object.entries(FLOODS)) {
    await t.test(name, async t => {
      const attacker = await rawTlsVisitor(t, server, undefined, { from: `127.0.2.${from++}`, protocol: 'h2' })
      attacker.socket.on('error', () => {})
      let isOver = false
      const over = flood(attacker, next).finally(() => {
        isOver = true
      })
      let answers = 0
      do {
        assert.equal((await ask()).status, 200)
        answers++
      } while (!isOver)
      await over
      assert.ok(answers > 0)
    })
  }
  const after = [server.program, client].map(memoryMib)
  for (const [index, size] of after.entries()) {
    const grown = size - (before[index] ?? 0)
    assert.ok(grown < 64, `grew by ${grown.toFixed(1)} MiB`)
  }
})

test('E2, E7: an address whose connections are closed for abuse three times opens new ones slowly, others as ever', async t => {
  const { server } = await startPbt(t, await httpTarget(t, (_request, response) => response.end('here')))
  const from = '127.0.2.99'
  for (let time = 0; time < 3; time++) {
    const attacker = await rawTlsVisitor(t, server, undefined, { from, protocol: 'h2' })
    attacker.socket.on('error', () => {})
    await flood(attacker, turn => frame(HEADERS, HEAD, odd(turn), Buffer.concat([GET_APP, Buffer.from([0xff])])))
  }
  const statusesFrom = async (address: string) => {
    const statuses: string[] = []
    for (let time = 0; time < 6; time++) {
      const visitor = await rawVisitor(t, server, address)
      visitor.socket.on('error', () => {})
      visitor.send('GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n')
      await visitor.over()
      statuses.push(visitor.text.slice(9, 12))
      visitor.socket.destroy()
    }
    return statuses
  }
  assert.ok((await statusesFrom(from)).includes('429'))
  assert.deepEqual(await statusesFrom('127.0.2.98'), Array(6).fill('200'))
})

test('E3: a visitor has 128 streams at once', async t => {
  let open = 0
  const target = await httpTarget(t, (_request, response) => {
    open++
    response.write('begun')
  })
  const { server } = await startPbt(t, target)
  const session = await http2Visitor(t, server)
  for (let count = 0; count < 140; count++) session.request({ ':path': '/' }).on('error', () => {})
  const stream = session.request({ ':path': '/late' })
  stream.on('error', () => {})
  while (open < 128) await new Promise(setImmediate)
  assert.equal(session.remoteSettings.maxConcurrentStreams, 128)
  assert.equal(open, 128)
  // A peer that has heard of the limit and does not care.
  const raw = await rawTlsVisitor(t, server, undefined, { protocol: 'h2' })
  const streams = Array.from({ length: 140 }, (_, turn) => frame(HEADERS, HEAD, odd(turn), GET_APP))
  raw.send(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), frame(SETTINGS, 1, 0), ...streams]))
  await raw.over()
  assert.match(raw.text, /max concurrent streams exceeded/)
})

test('E4: a visitor whose 127 downloads stand still can still ask', async t => {
  const target = await httpTarget(t, (request, response) => {
    if (request.url === '/more') response.writeHead(204).end()
    else response.end(Buffer.alloc(1 << 20))
  })
  const { server } = await startPbt(t, target)
  const session = await http2Visitor(t, server)
  // The first piece of each fits, what follows waits at the edge.
  session.setLocalWindowSize(1 << 26)
  session.settings({ initialWindowSize: 64 * 1024 })
  await once(session, 'localSettings')
  const heads = Array.from({ length: 127 }, async () => {
    const stream = session.request({ ':path': '/held' })
    stream.on('error', () => {})
    await once(stream, 'response') // and nobody reads
  })
  await Promise.all(heads)
  for (let asked = 0; asked < 200; asked++) {
    const { status } = await http2Request(session, { ':path': '/more' })
    assert.equal(status, 204)
  }
})
