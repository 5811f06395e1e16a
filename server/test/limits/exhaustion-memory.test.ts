// Visitors who make the server hold more than it has memory for: it takes nobody new for a while, instead of being killed.
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { END_HEADERS, END_STREAM, frame, GET_APP, HEADERS, PREFACE, SETTINGS } from '../support/http2-frames.ts'
import { memoryMib } from '../support/memory.ts'
import { type RunningServer, startClient, startServer, startTunnel } from '../support/programs.ts'
import { watchMemory } from '../support/streams.ts'
import { httpTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, type RawVisitor, rawTlsVisitor, rawVisitor } from '../support/visitors.ts'
import { acceptUpgrade, upgradeRequest } from '../support/websocket.ts'

const LIMIT_MB = 400
/** More than a channel's first credit, so that the server holds that much of each. */
const LARGE = Buffer.alloc(400_000, 'x')
const STREAMS = 40
/** What the server says before any answer is less. */
const SETTINGS_BYTES = 100
/** What they would hold is several times the limit. */
const MOST_ATTACKERS = 120
/** Settings that let the server send nothing on any stream: SETTINGS_INITIAL_WINDOW_SIZE of 0. */
const NO_WINDOW = Buffer.from([0, 4, 0, 0, 0, 0])
const GET_SMALL = 'GET /small HTTP/1.1\r\nHost: app.localhost\r\n\r\n'

/** `/` is large, `/small` small, `/slow` ends when it is told to; upgrades and TCP echo. */
async function target(t: TestContext) {
  const slow: (() => void)[] = []
  const port = await httpTarget(
    t,
    (request, response) => {
      if (request.url === '/') response.end(LARGE)
      else if (request.url === '/small') response.end('small')
      else {
        response.write('begun ')
        slow.push(() => response.end('ended'))
      }
    },
    server =>
      server.on('upgrade', (request, socket) => {
        acceptUpgrade(request, socket)
        socket.pipe(socket)
      }),
  )
  const echo = createServer(socket => socket.on('error', () => {}).pipe(socket))
  t.after(() => echo.close())
  await new Promise<void>(resolve => echo.listen(0, '127.0.0.1', resolve))
  const address = echo.address()
  return { port, tcp: typeof address === 'object' ? (address?.port ?? 0) : 0, endSlow: () => slow.map(end => end()) }
}

/** Asks for many large answers and lets the server send none of them. */
async function attack(t: TestContext, server: RunningServer): Promise<RawVisitor> {
  const attacker = await rawTlsVisitor(t, server, undefined, { protocol: 'h2' })
  attacker.socket.on('error', () => {})
  const asks = Array.from({ length: STREAMS }, (_, turn) =>
    frame(HEADERS, END_HEADERS | END_STREAM, 2 * turn + 1, GET_APP),
  )
  attacker.send(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, NO_WINDOW), ...asks]))
  // Until its answers have begun, or it was refused.
  await attacker.until(() => attacker.bytes > SETTINGS_BYTES || attacker.isEnded).catch(() => {})
  return attacker
}

/** The status of a small request over a connection of its own. */
async function statusFor(t: TestContext, server: RunningServer): Promise<number> {
  const visitor = await rawVisitor(t, server)
  visitor.socket.on('error', () => {})
  visitor.send(GET_SMALL)
  await visitor.until(/\r\n\r\n[\s\S]*(small|overloaded\))/)
  visitor.socket.destroy()
  return Number(visitor.text.slice(9, 12))
}

test('E6: before memory runs out new visitors are told 503, what is under way goes on, and later all are welcome', async t => {
  const { port, tcp, endSlow } = await target(t)
  const server = await startServer(t, { serverArgs: ['--memory-limit-megabytes', String(LIMIT_MB)] })
  const client = await startTunnel(t, server, port, { domain: 'app' })
  const { port: public_ } = await startClient(t, server, ['tcp', String(tcp)])
  const place = { ...server, http: public_ }

  // Those who are there before.
  const download = await rawVisitor(t, server)
  download.send('GET /slow HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
  await download.until(/begun/)
  const socket = await rawVisitor(t, server)
  socket.send(upgradeRequest())
  await socket.until(/\r\n\r\n$/)
  const connection = await rawVisitor(t, place)
  connection.send('hello')
  await connection.until(/^hello$/)
  const session = await http2Visitor(t, server)
  const kept = await rawVisitor(t, server)
  // One that has asked for nothing yet has ten seconds for it.
  kept.send(GET_SMALL)
  await kept.until(/\r\n\r\nsmall$/)

  const memory = watchMemory([server.program.pid])
  t.after(() => memory.growth())
  const before = memoryMib(server.program)
  const attackers: RawVisitor[] = []
  while ((await statusFor(t, server)) === 200) {
    assert.ok(attackers.length < MOST_ATTACKERS, 'the server takes whatever comes')
    attackers.push(await attack(t, server))
  }

  // Nobody new, whatever the way.
  assert.match(server.program.stderr, /memory is short/)
  for (const visit of [rawVisitor, rawTlsVisitor]) {
    const visitor = await visit(t, server)
    visitor.send(GET_SMALL)
    await visitor.over()
    assert.match(visitor.text, /^HTTP\/1\.1 503 [\s\S]*pbt-error: overloaded\r\n[\s\S]*retry-after: \d/)
  }
  kept.send(GET_SMALL)
  await kept.until(/small(?=HTTP\/1\.1 503 )[\s\S]*pbt-error: overloaded/)
  for (const each of [session, await http2Visitor(t, server)]) {
    const answer = await http2Request(each, { ':path': '/small' })
    assert.deepEqual([answer.status, answer.headers['pbt-error']], [503, 'overloaded'])
  }
  // The reset may be there before the connection is.
  const over = rawVisitor(t, place).then(
    visitor => visitor.over(),
    () => 'cut',
  )
  assert.equal(await over, 'cut')

  // What is under way goes on, and clients are let in.
  socket.send('still here')
  await socket.until(/still here$/)
  connection.send(' again')
  await connection.until(/^hello again$/)
  await startTunnel(t, server, port, { domain: 'another' })
  endSlow()
  await download.until(/ended\r\n0\r\n\r\n$/)

  for (const { socket } of attackers) socket.destroy()
  while ((await statusFor(t, server)) === 503) await new Promise(setImmediate)
  assert.equal((await http2Request(session, { ':path': '/small' })).body.toString(), 'small')
  assert.match(server.program.stderr, /memory is available again/)
  const [grown = 0] = memory.growth()
  const most = before + grown / (1024 * 1024)
  t.diagnostic(`${attackers.length} attackers; ${before.toFixed(0)} MiB before, ${most.toFixed(0)} MiB at most`)
  assert.ok(most < (LIMIT_MB * 1_000_000) / (1024 * 1024), `${most} MiB`)
  assert.ok(!client.events.some(({ event }) => event === 'reconnecting'))
})
