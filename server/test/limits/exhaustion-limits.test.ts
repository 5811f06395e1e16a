// Too many connections, too few descriptors, names that nobody has: the surplus is told so at once, the rest goes on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { maxConnectionsFor } from '../../src/access/visitor-limits.ts'
import { memoryMib } from '../support/memory.ts'
import { type RunningServer, startPbt, startServer } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawTlsVisitor, rawVisitor } from '../support/visitors.ts'

/** Whoever is refused knows it by then, also on a busy machine. */
const REFUSED_MS = 10_000
const GET = 'GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n'

/** Connections to the plain port that say nothing. */
async function idle(t: TestContext, { http }: RunningServer, count: number, from: string): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ port: http, host: '127.0.0.1', localAddress: from })
    socket.on('error', () => {})
    t.after(() => socket.destroy())
    return socket
  })
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  return sockets
}

function here(t: TestContext) {
  return httpTarget(t, (_request, response) => response.end('here'))
}

test('E7: an address over its limit is told 429 over HTTP/1.1, TLS and HTTP/2, others are served', async t => {
  const serverArgs = ['--connections-per-address', '10']
  const { server } = await startPbt(t, await here(t), { serverArgs })
  const held = await idle(t, server, 10, '127.0.4.1')
  for (const visit of [
    () => rawVisitor(t, server, '127.0.4.1'),
    () => rawTlsVisitor(t, server, undefined, { from: '127.0.4.1' }),
  ]) {
    const visitor = await visit()
    visitor.send(GET)
    assert.equal(await visitor.over(), 'end')
    assert.match(visitor.text, /^HTTP\/1\.1 429 [\s\S]*pbt-error: limited\r\n[\s\S]*retry-after: /)
    visitor.socket.destroy()
  }
  const session = await http2Visitor(t, server, undefined, '127.0.4.1')
  const answer = await http2Request(session, { ':path': '/' })
  assert.deepEqual([answer.status, answer.headers['pbt-error']], [429, 'limited'])
  const other = await rawVisitor(t, server, '127.0.4.2')
  other.send(GET)
  await other.until(/here$/)
  for (const socket of held) socket.destroy()
  // As soon as the server has seen them go.
  for (;;) {
    const again = await rawVisitor(t, server, '127.0.4.1')
    again.send(GET)
    await again.until(/here$|429/)
    again.socket.destroy()
    if (again.text.endsWith('here')) break
  }
})

test('E7: an address that opens connections too fast is told so, others are served', async t => {
  const { server } = await startPbt(t, await here(t), { serverArgs: ['--new-connections-per-second', '5'] })
  const sockets = await idle(t, server, 100, '127.0.4.3')
  await Promise.all(sockets.slice(60).map(socket => (socket.destroyed ? undefined : once(socket.resume(), 'close'))))
  const session = await http2Visitor(t, server, undefined, '127.0.4.4')
  assert.equal((await http2Request(session, { ':path': '/' })).status, 200)
})

test('E5: without descriptors new visitors are told 503, sessions go on, and clients still come', async t => {
  const descriptors = 256
  const target = await here(t)
  const { server, client } = await startPbt(t, target, { descriptors })
  const friend = await http2Visitor(t, server)
  const ask = async () => String((await http2Request(friend, { ':path': '/' })).body)
  assert.equal(await ask(), 'here')
  // Far more than there are descriptors; those that are let in say nothing and hold theirs.
  const held: Socket[] = []
  for (let batch = 1; batch <= 4; batch++) held.push(...(await idle(t, server, 100, `127.0.5.${batch}`)))
  assert.equal(await ask(), 'here')
  const visitor = await rawVisitor(t, server, '127.0.5.9')
  visitor.socket.on('error', () => {})
  await visitor.over()
  assert.ok(visitor.text === '' || visitor.text.startsWith('HTTP/1.1 503 '), visitor.text)
  // A moment later those who were refused know it.
  const open = () => held.filter(socket => !socket.destroyed && !socket.readableEnded).length
  const deadline = performance.now() + REFUSED_MS
  while (open() > maxConnectionsFor(descriptors) + 20 && performance.now() < deadline) await new Promise(setImmediate)
  assert.ok(open() <= maxConnectionsFor(descriptors) + 20, `${open()} are open`)
  assert.equal(await ask(), 'here')
  for (const socket of held) socket.destroy()
  for (;;) {
    const again = await rawVisitor(t, server, '127.0.5.10')
    again.socket.on('error', () => {})
    again.send(GET)
    await again.until(/here$|503/).catch(() => {})
    again.socket.destroy()
    if (again.text.endsWith('here')) break
  }
  assert.equal(await ask(), 'here')
  assert.deepEqual([server.program.child.exitCode, client.child.exitCode], [null, null])
  assert.doesNotMatch(server.program.stderr, /EMFILE/)
})

test('E8: unknown names cost neither memory nor lines in the log', async t => {
  const server = await startServer(t)
  const flood = async (count: number) => {
    for (let index = 0; index < count; ) {
      const batch = Array.from({ length: 20 }, async () => {
        const socket = connectTls({
          port: server.https,
          host: '127.0.0.1',
          servername: `n${index++}-${Math.random().toString(36).slice(2)}.example.com`,
          rejectUnauthorized: false,
        })
        socket.on('error', () => {})
        await new Promise(resolve => socket.once('close', resolve))
      })
      await Promise.all(batch)
    }
    const visitor = await rawVisitor(t, server)
    for (let index = 0; index < count; index++) {
      visitor.send(`GET / HTTP/1.1\r\nHost: n${index}-${Math.random()}.localhost\r\n\r\n`)
    }
    await visitor.until(() => visitor.text.split('HTTP/1.1 404').length > count)
    visitor.socket.destroy()
  }
  await flood(500)
  const lines = server.program.stderr.split('\n').length
  // What stays of names does so each time; what has not been collected yet does not.
  const grown: number[] = []
  do {
    const before = memoryMib(server.program)
    await flood(1_500)
    grown.push(memoryMib(server.program) - before)
  } while (Math.min(...grown) >= 32 && grown.length < 3)
  t.diagnostic(`grew by ${grown.map(mib => mib.toFixed(1)).join(', ')} MiB`)
  assert.ok(Math.min(...grown) < 32, `${grown} MiB`)
  assert.ok(server.program.stderr.split('\n').length - lines < 5)
})

test('a visitor who comes back resumes TLS with the ticket it got', async t => {
  const { server } = await startPbt(t, await here(t))
  const ca = readFileSync(server.ca)
  const options = { port: server.https, host: '127.0.0.1', servername: 'app.localhost', ca }
  const first = connectTls(options)
  first.on('error', () => {})
  t.after(() => first.destroy())
  const ticket = once(first, 'session')
  await once(first, 'secureConnect')
  assert.equal(first.isSessionReused(), false)
  first.write(GET)
  const [session] = (await ticket) as [Buffer]
  const second = connectTls({ ...options, session })
  second.on('error', () => {})
  t.after(() => second.destroy())
  await once(second, 'secureConnect')
  assert.equal(second.isSessionReused(), true)
})
