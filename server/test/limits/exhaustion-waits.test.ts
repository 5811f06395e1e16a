// Visitors who let others wait: each kind of waiting has its end, and nobody else notices.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { frame, PING, PREFACE, SETTINGS } from '../support/http2-frames.ts'
import { type RunningServer, startPbt } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, RawVisitor, rawTlsVisitor, rawVisitor } from '../support/visitors.ts'

const SLOW_HEADS = 1_500
const HEADS_PER_ADDRESS = 100
/** Ends come 10 to 16 s after the beginning; the machine may be busy. */
const LATEST_MS = 40_000

/** Sends a little every half second for as long as it may. */
function drip(t: TestContext, { socket }: RawVisitor, piece: Buffer | string): void {
  socket.on('error', () => {})
  const timer = setInterval(() => {
    if (socket.writable) socket.write(piece)
  }, 500)
  socket.once('close', () => clearInterval(timer))
  t.after(() => clearInterval(timer))
}

async function tcpVisitor(t: TestContext, port: number): Promise<RawVisitor> {
  const socket = connect({ port, host: '127.0.0.1' })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return new RawVisitor(socket)
}

/** How long it took until the connection was over. */
async function overAfterMs(visitor: RawVisitor, begun: number): Promise<number> {
  await visitor.over()
  return performance.now() - begun
}

async function slowHeads(t: TestContext, server: RunningServer): Promise<Socket[]> {
  const sockets: Socket[] = []
  for (let count = 0; count < SLOW_HEADS; count++) {
    const localAddress = `127.0.3.${1 + Math.floor(count / HEADS_PER_ADDRESS)}`
    const socket = connect({ port: server.http, host: '127.0.0.1', localAddress })
    socket.on('error', () => {})
    socket.resume().on('connect', () => socket.write('GET / HTTP/1.1\r\nHost: app.loc'))
    t.after(() => socket.destroy())
    sockets.push(socket)
  }
  await Promise.all(sockets.map(socket => (socket.connecting ? once(socket, 'connect') : undefined)))
  return sockets
}

// Side by side, since most of what they do is to wait.
describe('waiting', { concurrency: true }, () => {
  test('E1: slow heads and silence have their ends, and others are served at once', async t => {
    const target = await httpTarget(t, (_request, response) => response.end('here'))
    const { server } = await startPbt(t, target)
    const begun = performance.now()

    const head = await rawVisitor(t, server)
    head.send('GET / HTTP/1.1\r\n')
    drip(t, head, 'a')
    const silent = await tcpVisitor(t, server.http)
    const noHandshake = await tcpVisitor(t, server.https)
    const halfHandshake = await tcpVisitor(t, server.https)
    halfHandshake.send(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]))
    drip(t, halfHandshake, '\0')
    const noPreface = await rawTlsVisitor(t, server, undefined, { protocol: 'h2' })
    const onlyPings = await rawTlsVisitor(t, server, undefined, { protocol: 'h2' })
    onlyPings.send(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0)]))
    drip(t, onlyPings, frame(PING, 0, 0, Buffer.alloc(8)))
    const attackers = await slowHeads(t, server)

    const slow = { head, silent, noHandshake, halfHandshake, noPreface, onlyPings }
    const ends = Promise.all(
      Object.entries(slow).map(async ([name, visitor]) => [name, await overAfterMs(visitor, begun)] as const),
    )

    const friend = await http2Visitor(t, server)
    const times: number[] = []
    let isOver = false
    const finished = ends.finally(() => {
      isOver = true
    })
    while (!isOver) {
      const asked = performance.now()
      assert.equal((await http2Request(friend, { ':path': '/here' })).status, 200)
      times.push(performance.now() - asked)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    const took = await finished
    for (const [name, ms] of took) {
      t.diagnostic(`${name} ended after ${(ms / 1_000).toFixed(1)} s`)
      assert.ok(ms < LATEST_MS, `${name} took ${ms} ms`)
      assert.ok(ms > 9_000, `${name} took only ${ms} ms`)
    }
    assert.match(head.text, /^HTTP\/1\.1 408 /)
    times.sort((a, b) => a - b)
    const p99 = times[Math.floor(times.length * 0.99)] ?? 0
    t.diagnostic(`p99 of the others ${p99.toFixed(1)} ms in ${times.length} requests`)
    assert.ok(p99 < 500)
    await Promise.all(attackers.map(socket => (socket.destroyed ? undefined : once(socket, 'close'))))
  })

  test('E1: an upload that the target holds up is never cut for it', async t => {
    const size = 3_000_000
    const target = await httpTarget(t, (request, response) => {
      let bytes = 0
      const timer = setTimeout(() => {
        request.on('data', chunk => {
          bytes += chunk.length
        })
        request.on('end', () => response.end(`got ${bytes}`))
      }, 12_500)
      t.after(() => clearTimeout(timer))
    })
    const { server } = await startPbt(t, target)
    const visitor = await rawVisitor(t, server)
    visitor.send(`POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: ${size}\r\n\r\n`)
    visitor.send(Buffer.alloc(size, 'x'))
    const session = await http2Visitor(t, server)
    const [answer] = await Promise.all([
      http2Request(session, { ':path': '/', ':method': 'POST' }, Buffer.alloc(size, 'y')),
      visitor.until(/got 3000000/),
    ])
    assert.equal(String(answer.body), 'got 3000000')
  })
})
