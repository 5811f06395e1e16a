// The access log and the figures of a real server, over gRPC.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { Code, ConnectError } from '@connectrpc/connect'
import { LogService, MetricsService, PanelService, type TailRecordsResponse } from '@pbt/proto/admin/v1'
import { BadRequestSchema } from '@pbt/proto/google/rpc'
import { apiClient } from '../support/api-client.ts'
import {
  CLIENT,
  clientEnv,
  program,
  type RunningServer,
  restartServer,
  startClient,
  startPbt,
  startServer,
  startTunnel,
} from '../support/programs.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

type Cleaner = Parameters<typeof apiClient>[0]

/** Only a failure waits for it. */
const WAIT_MS = 30_000

function get(path: string, host = 'app.localhost'): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
}

/** Asks again until it finds; the server writes four times a second. */
async function until<T>(find: () => Promise<T | undefined>, what: string): Promise<T> {
  const end = performance.now() + WAIT_MS
  for (;;) {
    const found = await find()
    if (found !== undefined) return found
    if (performance.now() > end) throw new Error(`no ${what} within ${WAIT_MS} ms`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** A tail that has begun, and how to read on until there was a record with this summary. */
async function tail(t: Cleaner, server: RunningServer, filter: { tunnel?: string; statuses?: number[] }) {
  const abort = new AbortController()
  t.after(() => abort.abort())
  const messages = apiClient(t, server, LogService)
    .tailRecords({ filter }, { signal: abort.signal })
    [Symbol.asyncIterator]()
  const first = await messages.next()
  assert.deepEqual((first.value as TailRecordsResponse | undefined)?.records, [])
  const seen: string[] = []
  const record = async (summary: string) => {
    while (!seen.includes(summary)) {
      const { value, done } = await messages.next()
      assert.ok(done !== true, `the tail ended before ${summary}`)
      for (const each of (value as TailRecordsResponse).records) seen.push(each.summary)
    }
    return seen
  }
  return { record, next: () => messages.next() }
}

test('records are listed, filtered and paged over the API, also after a restart of the server', async t => {
  const target = await httpTarget(t, (request, response) => {
    response.writeHead(request.url === '/lost' ? 404 : 200).end('hello')
  })
  const { server } = await startPbt(t, target)
  const log = apiClient(t, server, LogService)
  for (const path of ['/1', '/lost', '/2', '/lost', '/3']) await rawRequest(t, server, get(path))
  const list = (filter: object, page: object = {}) => log.listRecords({ filter, ...page })
  await until(async () => ((await list({ tunnel: 'app' })).records.length === 5 ? true : undefined), 'five records')
  const { records } = await list({ statuses: [4], text: 'LOST', peer: '127.0.0.0/8', kinds: ['http'] })
  assert.deepEqual(
    records.map(({ summary, status, bytesOut, tunnel }) => [summary, status, bytesOut, tunnel]),
    Array(2).fill(['GET /lost', 404, 5n, 'app']),
  )
  const first = await list({ tunnel: 'app' }, { pageSize: 2 })
  assert.deepEqual(
    first.records.map(({ summary }) => summary),
    ['GET /3', 'GET /lost'],
  )
  assert.notEqual(first.nextPageToken, '')
  assert.ok(first.searchedBackTo)

  await server.program.end()
  const again = apiClient(t, await restartServer(t, server), LogService)
  const pageToken = first.nextPageToken
  const second = await again.listRecords({ filter: { tunnel: 'app' }, pageSize: 10, pageToken })
  assert.deepEqual(
    second.records.map(({ summary }) => summary),
    ['GET /2', 'GET /lost', 'GET /1'],
  )
  assert.equal(second.nextPageToken, '')
})

test('everything that is wrong with a request is told at once', async t => {
  const target = await httpTarget(t, (_request, response) => response.end())
  const { server } = await startPbt(t, target)
  const log = apiClient(t, server, LogService)
  const filter = { kinds: ['x'], statuses: [7], peer: '300.0.0.0/8', text: 'y'.repeat(400) }
  const error = await log.listRecords({ filter }).then(() => assert.fail(), ConnectError.from)
  assert.equal(error.code, Code.InvalidArgument)
  const fields = error.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field }) => field)
  assert.deepEqual(fields, ['filter.kinds', 'filter.statuses', 'filter.peer', 'filter.text'])
  const metrics = apiClient(t, server, MetricsService)
  const tailed = log
    .tailRecords({ filter: { statuses: [7] } })
    [Symbol.asyncIterator]()
    .next()
  for (const wrong of [
    tailed,
    log.listRecords({ pageToken: 'abc' }),
    log.listRecords({ pageSize: -1 }),
    log.listRecords({ startTime: { seconds: 10n ** 15n, nanos: 0 } }),
    metrics.getSeries({ maxPoints: -1 }),
    metrics.getTotals({ startTime: { seconds: 10n, nanos: 0 }, endTime: { seconds: 5n, nanos: 0 } }),
  ]) {
    assert.equal((await wrong.then(() => assert.fail(), ConnectError.from)).code, Code.InvalidArgument)
  }
})

test('a tail tells what comes and fits, two at once, and ends when the server does', async t => {
  const target = await httpTarget(t, (request, response) => {
    response.writeHead(request.url === '/bad' || request.url === '/worst' ? 500 : 200).end()
  })
  const { server } = await startPbt(t, target)
  await startTunnel(t, server, target, { domain: 'other' })
  await rawRequest(t, server, get('/before'))
  const [mine, bad] = [await tail(t, server, { tunnel: 'app' }), await tail(t, server, { statuses: [5] })]
  for (const path of ['/1', '/bad', '/2']) {
    await rawRequest(t, server, get(path))
    await rawRequest(t, server, get(path, 'other.localhost'))
  }
  await rawRequest(t, server, get('/worst', 'other.localhost'))
  await rawRequest(t, server, get('/last'))
  assert.deepEqual(await mine.record('GET /last'), ['GET /1', 'GET /bad', 'GET /2', 'GET /last'])
  assert.deepEqual(await bad.record('GET /worst'), ['GET /bad', 'GET /bad', 'GET /worst'])
  const rest = mine.next()
  const ended = server.program.end()
  assert.equal((await rest).done, true)
  await ended
})

test('who is turned away over HTTP, TCP and by an unknown name is told in groups, with the nearest entry', async t => {
  const target = await httpTarget(t, (_request, response) => response.end())
  const { server } = await startPbt(t, target, { args: ['--allow', '127.0.0.0/30', '--allow', '10.0.0.0/8'] })
  const echo = await rawTarget(t, socket => socket.pipe(socket))
  const tcp = await startClient(t, server, ['tcp', String(echo), '--allow', '100.64.0.1'])
  const log = apiClient(t, server, LogService)
  for (let count = 0; count < 3; count++) {
    const socket = connect({ port: server.http, host: '127.0.0.1', localAddress: '127.0.0.9' })
    t.after(() => socket.destroy())
    socket.write(get(`/secret?${count}`))
    socket.resume()
    await once(socket, 'close')
  }
  const refused = connect({ port: tcp.port, host: '127.0.0.1' })
  refused.on('error', () => {})
  await new Promise(resolve => refused.once('close', resolve))
  for (let count = 0; count < 21; count++) await rawRequest(t, server, get('/', 'nobody.localhost'))
  const { refusals, more } = await log.listRefusals({})
  assert.deepEqual(
    refusals.map(each => [
      each.rule,
      each.peer,
      each.tunnel,
      each.count,
      each.summary,
      each.nearestEntry,
      each.address,
    ]),
    [
      ['unknown-host', '127.0.0.1', '', 21n, 'GET nobody.localhost/', '', ''],
      ['not-allowed', '127.0.0.1', `tcp-${tcp.port}`, 1n, '', '100.64.0.1', `tcp:${tcp.port}`],
      ['not-allowed', '127.0.0.9', 'app', 3n, 'GET /secret', '127.0.0.0/30', 'app'],
    ],
  )
  assert.deepEqual(
    refusals.map(each => [each.looksLikeGuessing, each.isYou]),
    [
      [true, true],
      [false, true],
      [false, false],
    ],
  )
  assert.equal(more, 0n)
})

test('wrong tokens at the link and at the API, and failed logins, are told as refusals', async t => {
  const server = await startServer(t)
  const wrong = `pbt_${'A'.repeat(43)}`
  const client = program(t, CLIENT, ['http', '1', '--json'], { ...clientEnv(t, server), PBT_TOKEN: wrong })
  assert.equal((await client.exited).code, 3)
  await assert.rejects(apiClient(t, server, LogService, wrong).listRefusals({}), { code: Code.Unauthenticated })
  await assert.rejects(apiClient(t, server, PanelService).login({ proof: { case: 'token', value: wrong } }))
  const { refusals } = await apiClient(t, server, LogService).listRefusals({})
  assert.deepEqual(refusals.map(each => [each.rule, each.peer, each.count]).sort(), [
    ['login-refused', '127.0.0.1', 1n],
    ['token-refused', '127.0.0.1', 2n],
  ])
})

test('totals and a series tell what happened, with times to first byte, and by tunnel', async t => {
  const target = await httpTarget(t, (request, response) => {
    setTimeout(() => response.writeHead(request.url === '/bad' ? 500 : 200).end('hello'), 30)
  })
  const { server } = await startPbt(t, target)
  const metrics = apiClient(t, server, MetricsService)
  for (const path of ['/1', '/2', '/bad', '/3']) await rawRequest(t, server, get(path))
  await rawRequest(t, server, get('/', 'nobody.localhost'))
  const { totals, before, byTunnel } = await until(async () => {
    const answer = await metrics.getTotals({})
    return answer.totals?.requests === 4n && answer.totals.refused === 1n ? answer : undefined
  }, 'five visits in the totals')
  assert.deepEqual([totals?.status2xx, totals?.status5xx, totals?.bytesOut, before?.requests], [3n, 1n, 20n, 0n])
  const [p50 = 0, p95 = 0] = [totals?.firstByteP50Ms, totals?.firstByteP95Ms]
  assert.ok(p50 >= 20 && p95 >= p50 && p95 < 5_000, `${p50} and ${p95} ms`)
  assert.equal(before?.firstByteP50Ms, undefined)
  assert.deepEqual(
    byTunnel.map(({ tunnel, figures }) => [tunnel, figures?.requests]),
    [
      ['app', 4n],
      ['', 0n],
    ],
  )
  const { step, points } = await metrics.getSeries({ tunnel: 'app' })
  assert.equal(step?.seconds, 15n * 60n)
  assert.equal(
    points.reduce((sum, { figures }) => sum + (figures?.requests ?? 0n), 0n),
    4n,
  )
})
