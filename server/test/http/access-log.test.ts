// The access log: what each visitor did, kept over restarts and kills, bounded, and never in the way of traffic.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { AccessRecord } from '../../src/observe/access-record.ts'
import { type ReadLog, readLog } from '../support/access-log.ts'
import { ask, udpSocket, udpTarget } from '../support/datagrams.ts'
import { freshData, type RunningServer, restartServer, startClient, startTunnel } from '../support/programs.ts'
import { openTunnel, sharedPbt } from '../support/shared.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawRequest, rawVisitor } from '../support/visitors.ts'

const { house, pbt } = sharedPbt()

/** Only a failure waits for it. */
const WAIT_MS = 30_000

/** Looks again until it finds; the server writes four times a second. */
async function until<T>(find: () => T | undefined, what: string): Promise<T> {
  const end = performance.now() + WAIT_MS
  for (;;) {
    const found = find()
    if (found !== undefined) return found
    if (performance.now() > end) throw new Error(`no ${what} within ${WAIT_MS} ms`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

function record(log: ReadLog, match: Partial<AccessRecord>): Promise<AccessRecord> {
  const entries = Object.entries(match)
  return until(
    () =>
      log
        .records({ limit: 1_000 })
        .find(row => entries.every(([name, value]) => row[name as keyof AccessRecord] === value)),
    `record ${JSON.stringify(match)} in ${JSON.stringify(log.records({ limit: 5 }))}`,
  )
}

function get(path: string, host = 'app.localhost'): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
}

async function requests(t: TestContext, server: RunningServer, count: number, host: string): Promise<void> {
  for (let index = 0; index < count; index++) await rawRequest(t, server, get(`/${index}`, host))
}

test('requests are recorded with what they were, and never with their query', async t => {
  const target = await httpTarget(t, (request, response) => {
    request.resume()
    response.writeHead(request.url === '/teapot' ? 418 : 200).end('hello')
  })
  const { server } = await pbt(target)
  const log = readLog(t, server.dataDir)
  const before = Date.now()
  await rawRequest(t, server, get('/path?secret=1'))
  const row = await record(log, { summary: 'GET /path' })
  assert.deepEqual(
    { ...row, id: 0, startedAt: 0, durationUs: 0 },
    {
      ...{ id: 0, tunnel: 'app', kind: 'http', visitor: '127.0.0.1', summary: 'GET /path', status: 200 },
      ...{ startedAt: 0, durationUs: 0, bytesIn: 0, bytesOut: 5, reason: '' },
    },
  )
  assert.ok(row.startedAt >= before - 1_000 && row.startedAt <= Date.now() + 1_000, String(row.startedAt))
  assert.ok(row.durationUs > 0 && row.durationUs < WAIT_MS * 1_000)

  const visitor = await http2Visitor(t, server)
  await http2Request(visitor, { ':method': 'POST', ':path': '/teapot' }, Buffer.alloc(1_000))
  await record(log, { summary: 'POST /teapot', status: 418, bytesIn: 1_000, bytesOut: 5, reason: '' })

  await rawRequest(t, server, get('/x', 'nobody.localhost'))
  await record(log, { tunnel: '', summary: 'GET nobody.localhost/x', status: 404, reason: 'unknown-host' })
  await rawRequest(t, server, 'GET / HTTP/1.1\r\n\r\n')
  await record(log, { tunnel: '', status: 400, reason: 'bad-request' })

  const [totals] = log.totals().filter(({ tunnel }) => tunnel === 'app')
  assert.equal(totals?.requests, 2)
  assert.equal(totals?.status4xx, 1)
  const figures = log.figures('app')
  assert.deepEqual([figures.requests, figures.bytesOut], [2, 10])
  assert.equal(
    figures.firstBytes.reduce((sum, count) => sum + count, 0),
    2,
    'of both it was counted how long the answer took to begin',
  )
})

test('an answer that breaks off, a visitor who leaves, and a dead target have their reasons', async t => {
  const target = await httpTarget(t, (request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('part')
    if (request.url === '/broken') setImmediate(() => response.destroy())
  })
  const { server, home, client } = await pbt(target)
  const log = readLog(t, server.dataDir)
  await rawRequest(t, server, get('/broken'))
  await record(log, { summary: 'GET /broken', status: 200, reason: 'target-broke' })
  const visitor = await rawVisitor(t, server)
  visitor.send(get('/left'))
  await visitor.until(/part/)
  visitor.socket.destroy()
  await record(log, { summary: 'GET /left', status: 200, reason: 'visitor-gone' })
  await openTunnel(home, client, { http: 1, domain: 'dead' })
  await rawRequest(t, server, get('/', 'dead.localhost'))
  await record(log, { tunnel: 'dead', status: 502, reason: 'target-unreachable' })
})

test('WebSockets, TCP connections and UDP flows are recorded when they are over', async t => {
  const target = await httpTarget(
    t,
    () => {},
    server =>
      server.on('upgrade', (_request, socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
        socket.on('data', (chunk: Buffer) => socket.end(chunk))
        socket.on('error', () => {})
      }),
  )
  const { server, home, client } = await pbt(target)
  const log = readLog(t, server.dataDir)
  const visitor = await rawVisitor(t, server)
  visitor.send('GET /ws?t=1 HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  await visitor.until(/101 Switching/)
  visitor.send('12345')
  await visitor.over()
  visitor.socket.end()
  await record(log, { kind: 'websocket', tunnel: 'app', summary: 'GET /ws', status: 101, bytesIn: 5, bytesOut: 5 })

  const echo = await rawTarget(t, socket => socket.pipe(socket))
  const { port } = await openTunnel(home, client, { tcp: echo })
  const socket = connect({ port: Number(port), host: '127.0.0.1' })
  socket.end('1234567')
  socket.resume()
  await once(socket, 'close')
  await record(log, { kind: 'tcp', tunnel: `tcp-${port}`, bytesIn: 7, bytesOut: 7, reason: '' })
  const reset = connect({ port: Number(port), host: '127.0.0.1' })
  reset.write('1')
  await once(reset, 'data')
  reset.resetAndDestroy()
  await record(log, { kind: 'tcp', bytesIn: 1, reason: 'connection-reset' })

  const service = await udpTarget(t, datagram => [datagram])
  const udp = await startClient(t, server, ['udp', String(service.port), '--idle-timeout', '1s'])
  await ask(await udpSocket(t), udp.port, Buffer.from('123'))
  await record(log, { kind: 'udp', tunnel: `udp-${udp.port}`, bytesIn: 3, bytesOut: 3, reason: '' })
})

test('a log that cannot be written loses records, never requests, and goes on by itself', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('ok'))
  const data = await freshData(t)
  // In the way of the file: opening fails as it does on a broken disk.
  const file = join(data.dataDir, 'access.db')
  mkdirSync(file)
  const server = await restartServer(t, data)
  await startTunnel(t, server, target, { domain: 'app' })
  assert.match(await rawRequest(t, server, get('/')), /200 OK/)
  await until(
    () => /access log cannot be written/.exec(server.program.stderr) ?? undefined,
    'a line about the access log',
  )
  assert.match(await rawRequest(t, server, get('/')), /200 OK/)
  rmSync(file, { recursive: true })
  await until(
    () => /access log is written again/.exec(server.program.stderr) ?? undefined,
    'a line that it is written again',
  )
  await rawRequest(t, server, get('/after'))
  await record(readLog(t, data.dataDir), { summary: 'GET /after' })
})

test('E8, E9: floods of unknown hosts are counted, and only some recorded', async t => {
  const { server } = await house()
  const log = readLog(t, server.dataDir)
  const tunnels = () => log.totals().map(({ tunnel }) => tunnel)
  const refused = () => log.totals().find(({ tunnel }) => tunnel === '')?.refused ?? 0
  const [known, before] = [tunnels(), refused()]
  const visitor = await rawVisitor(t, server)
  const count = 3_000
  for (let index = 0; index < count; index++) visitor.send(`GET / HTTP/1.1\r\nHost: n${index}.localhost\r\n\r\n`)
  await visitor.until(() => (visitor.text.match(/HTTP\/1\.1 404/g)?.length ?? 0) === count)
  await until(() => (refused() === before + count ? true : undefined), `${count} refusals counted`)
  const recorded = log.records({ limit: 1_000 }).filter(({ summary }) => /^GET n\d+\.localhost/.test(summary)).length
  assert.ok(recorded > 0 && recorded < count / 2, `${recorded} recorded`)
  assert.deepEqual(tunnels(), known)
})

// The last one: the server that all share is killed.
test('records and figures survive kill -9, and figures go on from there; an orderly stop writes what waits', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('ok'))
  const { server, client, home } = await house()
  for (const domain of ['kept', 'other', 'last']) await openTunnel(home, client, { http: target, domain })
  const log = readLog(t, server.dataDir)
  const written = (tunnel: string) => log.records({ tunnel, limit: 100 }).length
  await requests(t, server, 20, 'kept.localhost')
  await until(() => (written('kept') === 20 ? true : undefined), '20 records')
  await server.program.end('SIGKILL')
  const seen = client.events.length
  const again = await restartServer(t, server, { ports: server })
  await client.until(
    () => client.events.slice(seen).find(({ event, tunnel }) => event === 'online' && tunnel === 'last'),
    'the tunnel again',
  )
  await rawRequest(t, again, get('/', 'other.localhost'))
  await record(log, { tunnel: 'other' })
  assert.equal(written('kept'), 20)
  assert.equal(log.totals().find(({ tunnel }) => tunnel === 'kept')?.requests, 20)

  await requests(t, again, 5, 'last.localhost')
  await client.end()
  await again.program.end()
  assert.equal(written('last'), 5)
})
