// A client is killed and does not come back: who was being served is told something else than who only waited.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { readLog } from '../support/access-log.ts'
import { startClient, startServer } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawVisitor } from '../support/visitors.ts'
import { upgradeRequest } from '../support/websocket.ts'

const request = (line: string, more = '') => `${line} HTTP/1.1\r\nHost: app.localhost\r\n${more}\r\n`
const OFFLINE = /^HTTP\/1\.1 503 [\s\S]*pbt-error: offline\r\n[\s\S]*retry-after: \d+\r\n/

// The grace time of a session is waited for: 30 s.
test('H1: of a killed client, visitors who only waited are told 503 offline, and those it may have served 502 link-lost', async t => {
  const asked: string[] = []
  const target = await httpTarget(t, incoming => asked.push(String(incoming.url)))
  const server = await startServer(t)
  const { client } = await startClient(t, server, ['up', `http:${target},domain=app`, `tcp:${target}`])
  const online = await client.until(() => client.events.find(({ kind }) => kind === 'tcp'), 'the TCP tunnel')
  const port = Number(new URL(String((online.urls as string[])[0])).port)
  const visitor = async (text: string) => {
    const raw = await rawVisitor(t, server)
    raw.send(text)
    return raw
  }
  const served = await visitor(request('GET /served'))
  while (!asked.includes('/served')) await new Promise(setImmediate)

  await client.end('SIGKILL')
  await server.program.until(() => (server.program.stderr.includes('link lost') ? true : undefined), 'the loss noticed')
  const waiting = {
    get: await visitor(request('GET /get')),
    post: await visitor(`${request('POST /post', 'Content-Length: 4\r\n')}body`),
    // More than the channel takes before it has a client.
    upload: await visitor(request('PUT /upload', 'Content-Length: 9000000\r\n') + 'x'.repeat(1_000_000)),
    upgrade: await visitor(upgradeRequest('/upgrade')),
  }
  const session = await http2Visitor(t, server)
  const streams = [
    http2Request(session, { ':path': '/h2' }),
    http2Request(session, { ':method': 'POST' }, Buffer.from('x')),
  ]
  const tcp = connect(port, '127.0.0.1')
  t.after(() => tcp.destroy())
  const reset = once(tcp, 'error')

  for (const [name, { text }] of await Promise.all(
    Object.entries(waiting).map(async ([name, raw]) => [name, { text: await raw.until(OFFLINE) }] as const),
  ))
    assert.match(text, OFFLINE, name)
  for (const { status, headers } of await Promise.all(streams)) {
    assert.deepEqual([status, headers['pbt-error'], headers['retry-after']], [503, 'offline', '10'])
  }
  assert.match(await served.until(/pbt-error/), /^HTTP\/1\.1 502 [\s\S]*pbt-error: link-lost/)
  assert.match(String((await reset)[0]), /ECONNRESET/)
  assert.deepEqual(asked, ['/served'])

  for (const { socket } of [served, ...Object.values(waiting)]) socket.destroy()
  session.destroy()
  await server.program.end()
  const log = readLog(t, server.dataDir)
  const reasons = log.records({ limit: 100 }).map(({ kind, reason }) => `${kind} ${reason}`)
  const expected = ['http link-lost', ...Array(5).fill('http offline'), 'tcp offline', 'websocket offline']
  assert.deepEqual(reasons.sort(), expected)
})
