// `pbt-server log`, beside a running server and without one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeRecord } from '../../src/observe/access-record.ts'
import { Lines } from '../../src/observe/lines.ts'
import { LogDatabase } from '../../src/store/log-database.ts'
import { readLog } from '../support/access-log.ts'
import { run } from '../support/commands.ts'
import { program, SERVER, startPbt, startServer } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

/** Only a failure waits for it. */
const WAIT_MS = 30_000
const MANY = 3_000

function get(path: string, host = 'app.localhost'): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
}

test('log shows the latest last, filtered, for people and programs, also without a server', async t => {
  const target = await httpTarget(t, (request, response) => {
    response.writeHead(request.url === '/lost' ? 404 : 200).end('hello')
  })
  const { server, client } = await startPbt(t, target)
  for (const path of ['/1', '/lost', '/2']) await rawRequest(t, server, get(path))
  await rawRequest(t, server, get('/', 'nobody.localhost'))
  const reader = readLog(t, server.dataDir)
  const end = performance.now() + WAIT_MS
  while (reader.records({ limit: 10 }).length < 4) {
    assert.ok(performance.now() < end, 'the records are not written')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  const log = (...args: string[]) => run(t, SERVER, ['log', '--data-dir', server.dataDir, ...args])
  const json = async (...args: string[]) =>
    (await log('--json', ...args)).stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
      .map(({ event, summary, status }) => `${event} ${status} ${summary}`)

  const all = ['record 200 GET /1', 'record 404 GET /lost', 'record 200 GET /2', 'record 404 GET nobody.localhost/']
  assert.deepEqual(await json(), all)
  assert.deepEqual(await json('--since', '1h'), all)
  assert.deepEqual(await json('--limit', '2'), all.slice(2))
  assert.deepEqual(await json('--tunnel', 'app', '--status', '4xx'), ['record 404 GET /lost'])
  assert.deepEqual(
    await json('--status', '200', '--from', '127.0.0.0/8', '--kind', 'http', '--text', '/1'),
    all.slice(0, 1),
  )
  const { stdout } = await log('--status', '404')
  assert.match(stdout, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}404 .* ms +5 B {2}app {2}127\.0\.0\.1 {2}GET \/lost\n/)
  assert.match(stdout, /404 .* - {2}127\.0\.0\.1 {2}GET nobody\.localhost\/ {2}\(unknown-host\)\n$/)

  for (const wrong of [
    ['--status', '9xx'],
    ['--since', 'tomorrow'],
    ['--limit', '0'],
    ['--from', 'x'],
    ['--kind', 'x'],
  ]) {
    const { code, stderr } = await log(...wrong)
    assert.equal(code, 2, wrong.join(' '))
    assert.match(stderr, /^pbt-server: .*(status|time|number|address|kinds)/)
  }
  await client.end()
  await server.program.end()
  assert.deepEqual(await json(), all)
  const followed = await log('--follow')
  assert.equal(followed.code, 1)
  assert.match(followed.stderr, /no server runs on this data directory/)
})

test('log --follow shows what was and what comes, each once, until it is told to stop', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('hello'))
  const { server } = await startPbt(t, target)
  for (const path of ['/1', '/2']) await rawRequest(t, server, get(path))
  const args = ['log', '--follow', '--json', '--tunnel', 'app', '--data-dir', server.dataDir]
  const following = program(t, SERVER, args)
  const seen = () => following.events.map(({ summary }) => summary)
  await following.until(() => (seen().length >= 2 ? true : undefined), 'the records of before')
  for (const path of ['/3', '/4']) await rawRequest(t, server, get(path))
  await following.until(() => (seen().length >= 4 ? true : undefined), 'the records that come')
  assert.deepEqual(seen(), ['GET /1', 'GET /2', 'GET /3', 'GET /4'])
  assert.deepEqual(await following.end('SIGINT'), { code: 0, signal: null })
  const again = program(t, SERVER, args)
  await again.until(() => (again.events.length >= 4 ? true : undefined), 'the records of before')
  await server.program.end()
  assert.equal((await again.exited).code, 1)
  assert.equal(again.events.at(-1)?.code, 'not-running')
})

test('log --since exports everything in order, however many there are', async t => {
  const server = await startServer(t)
  const database = new LogDatabase(server.dataDir, { days: 14, bytes: 500_000_000 })
  t.after(() => database.close())
  const at = Date.now() - 3_600_000
  const nothing = { startedAt: 0, firstByteAt: 0, bytesIn: 0, bytesOut: 0, countedIn: 0, countedOut: 0, reason: '' }
  for (let first = 0; first < MANY; first += 500) {
    const lines = new Lines(500 * 1_000)
    for (let index = 0; index < 500; index++) {
      const summary = `GET /${first + index}`
      writeRecord(
        lines,
        { ...nothing, kind: 'http', tunnel: 'app', visitor: '::1', summary, status: 200 },
        'app',
        index,
        0,
      )
    }
    const records = { count: 500, since: at + first * 100, lines: lines.take(), tunnels: ['app'] }
    database.write({ records, tallies: [], minute: Math.floor(at / 60_000) })
  }
  const { code, stdout } = await run(t, SERVER, ['log', '--since', '2h', '--json', '--data-dir', server.dataDir])
  assert.equal(code, 0)
  const summaries = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line).summary)
  assert.deepEqual(
    summaries,
    Array.from({ length: MANY }, (_, index) => `GET /${index}`),
  )
})
