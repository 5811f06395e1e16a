// The log's database by itself: its limits of age and size, a full disk, and the order of rows.
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { type AccessRecord, writeRecord } from '../observe/access-record.ts'
import { Lines } from '../observe/lines.ts'
import { TALLY_FIELDS } from '../observe/tally.ts'
import { BATCHES_OF_TUNNEL, LogDatabase, MIGRATIONS } from './log-database.ts'
import { migrate } from './migrate.ts'

const DAY_MS = 86_400_000

function open(t: TestContext, limits: { days?: number; bytes?: number } = {}) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-log-'))
  const log = new LogDatabase(dataDir, { days: 14, bytes: 500_000_000, ...limits })
  t.after(() => {
    log.close()
    rmSync(dataDir, { recursive: true })
  })
  return { log, file: join(dataDir, 'access.db') }
}

interface Made {
  readonly since?: number
  readonly summary?: string
  /** Of the records one after the other, from the first again after the last. */
  readonly tunnels?: readonly string[]
  readonly tallies?: readonly { tunnel: string; values: number[] }[]
}

/** Each record a millisecond after the one before. */
function batch(count: number, { since = Date.now(), summary = 'GET /', tunnels = ['app'], tallies = [] }: Made = {}) {
  const lines = new Lines(count * 1_000)
  for (let index = 0; index < count; index++) {
    const tunnel = tunnels[index % tunnels.length] ?? ''
    writeRecord(lines, tunnel, index, 'http', '127.0.0.1', summary, 200, 1_500, 1, 2, '')
  }
  const minute = Math.floor(Date.now() / 60_000)
  return { records: { count, since, lines: lines.take(), tunnels }, tallies, minute }
}

function figures(minute: number, values: number[]) {
  return { records: undefined, tallies: [{ tunnel: 'app', values }], minute }
}

test('pages of records come newest first, each once, by tunnel and time', t => {
  const { log } = open(t)
  const at = Date.now() - 10_000
  for (let second = 0; second < 10; second++)
    log.write(batch(4, { since: at + second * 1_000, summary: `GET /${second}`, tunnels: ['app', 'b'] }))
  const pages: AccessRecord[] = []
  for (;;) {
    const page = log.records({ limit: 7, before: pages.at(-1)?.id ?? Number.MAX_SAFE_INTEGER })
    pages.push(...page)
    if (page.length < 7) break
  }
  assert.equal(new Set(pages.map(({ id }) => id)).size, 40)
  assert.deepEqual(
    pages.map(({ startedAt }) => startedAt),
    Array.from({ length: 40 }, (_, index) => at - 2 + 9_000 - Math.floor(index / 4) * 1_000 + 3 - (index % 4)),
  )
  assert.equal(pages[0]?.summary, 'GET /9')
  const span = log.records({ tunnel: 'app', from: at + 2_000, to: at + 4_000, limit: 100 })
  assert.deepEqual(
    span.map(({ tunnel, summary }) => `${tunnel} ${summary}`),
    ['app GET /3', 'app GET /3', 'app GET /2', 'app GET /2'],
  )
  assert.equal(log.records({ from: at + 2_001, to: at + 4_001, limit: 100 }).length, 8)
  assert.equal(log.records({ tunnel: 'other', limit: 100 }).length, 0)
})

test('numbers of records grow when the clock is set back, also behind a batch that has more records than milliseconds', t => {
  const { log } = open(t)
  const since = Date.now()
  log.write(batch(2_000, { since }))
  log.write(batch(1, { since, summary: 'GET /same' }))
  log.write(batch(1, { since: since - 3_600_000, summary: 'GET /back' }))
  const found = log.records({ limit: 3 })
  assert.deepEqual(
    found.map(({ summary }) => summary),
    ['GET /back', 'GET /same', 'GET /'],
  )
  assert.ok(found.every(({ id }, index) => index === 0 || id < (found[index - 1]?.id ?? 0)))
})

test('a page of one tunnel is found in its index, in the order of time', t => {
  const { log, file } = open(t)
  log.write(batch(1))
  const db = new Database(file)
  t.after(() => db.close())
  const plan = db
    .prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${BATCHES_OF_TUNNEL}`)
    .all('app', 1)
    .map(({ detail }) => detail)
  assert.equal(plan.length, 2, plan.join(', '))
  assert.match(plan[0] ?? '', /USING COVERING INDEX \S+ \(tunnel=\? AND batchId<\?\)/)
  assert.match(plan[1] ?? '', /SEARCH access_batches USING INTEGER PRIMARY KEY/)
})

test('E9: records that are too old go while others are written', t => {
  const { log, file } = open(t, { days: 14 })
  log.write(batch(1_000, { since: Date.now() - 15 * DAY_MS, tunnels: ['old'] }))
  log.write(batch(10))
  assert.equal(log.records({ limit: 1_000 }).length, 10)
  const db = new Database(file)
  t.after(() => db.close())
  assert.deepEqual(db.prepare('SELECT tunnel FROM access_tunnels').all(), [{ tunnel: 'app' }])
})

test('E9: the file stops growing at its limit, and the newest records are there', t => {
  const { log, file } = open(t, { bytes: 2_000_000 })
  const start = Date.now()
  for (let round = 0; round < 100; round++)
    log.write(batch(1_000, { since: start + round, summary: `GET /${'x'.repeat(100)}/${round}` }))
  assert.match(log.records({ limit: 1 })[0]?.summary ?? '', /\/99$/)
  const { size } = statSync(file)
  assert.ok(size < 3_000_000, `${size} bytes`)
})

test('E9: batches of few records give way to batches of many', t => {
  const { log, file } = open(t, { bytes: 1_000_000 })
  for (let round = 0; round < 8_000; round++) log.write(batch(1))
  for (let round = 0; round < 30; round++) log.write(batch(1_000, { summary: `GET /${'x'.repeat(100)}` }))
  const { size } = statSync(file)
  assert.ok(size < 1_500_000, `${size} bytes`)
})

test('records of the first version, a row each, are kept', t => {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-log-'))
  t.after(() => rmSync(dataDir, { recursive: true }))
  const [file, migrations] = [join(dataDir, 'access.db'), join(dataDir, 'migrations')]
  for (const name of ['20261124124852_access_log', '20261124223134_access_index'])
    cpSync(join(MIGRATIONS, name), join(migrations, name), { recursive: true })
  migrate(file, migrations)
  const db = new Database(file)
  const at = Date.now() - 60_000
  const insert = db.prepare("INSERT INTO access VALUES (?, ?, 'http', '::1', 'GET /', 200, ?, 1500, 3, 4, 'gone')")
  for (let row = 0; row < 10; row++) insert.run(at * 1_024 + row, row % 2 === 0 ? 'app' : '', at)
  db.close()
  const log = new LogDatabase(dataDir, { days: 14, bytes: 500_000_000 })
  t.after(() => log.close())
  log.write(batch(1))
  assert.equal(log.records({ limit: 100 }).length, 11)
  assert.equal(log.records({ tunnel: '', limit: 100 }).length, 5)
  assert.deepEqual(log.records({ limit: 1, from: at, to: at + 10 })[0], {
    ...{ id: at * 1_024 + 9, tunnel: '', kind: 'http', visitor: '::1', summary: 'GET /', status: 200 },
    ...{ startedAt: at, durationUs: 1_500, bytesIn: 3, bytesOut: 4, reason: 'gone' },
  })
})

test('figures of a minute add up, and are whole or not at all', t => {
  const { log } = open(t)
  const values = TALLY_FIELDS.map((_, index) => index)
  const minute = Math.floor(Date.now() / 60_000)
  log.write(figures(minute, values))
  log.write(figures(minute, values))
  const rows = log.minutes({ tunnel: 'app', from: minute - 2, to: minute + 1 })
  assert.equal(
    rows.reduce((sum, row) => sum + row.datagramsDropped, 0),
    2 * (TALLY_FIELDS.length - 1),
  )
  assert.equal(log.totals()[0]?.datagramsDropped, 2 * (TALLY_FIELDS.length - 1))
  assert.throws(() => log.write(batch(1, { tallies: [{ tunnel: 'app', values: [] }] })))
  assert.equal(log.records({ limit: 10 }).length, 0)
})

test('a full disk takes nothing of a batch, and the log goes on when there is room', t => {
  const { log } = open(t)
  log.write(batch(1))
  const pages = log.limitPages(40)
  assert.throws(() => log.write(batch(5_000)), { code: 'SQLITE_FULL' })
  assert.equal(log.records({ limit: 1_000 }).length, 1)
  log.limitPages(pages)
  log.write(batch(999))
  assert.equal(log.records({ limit: 1_000 }).length, 1_000)
})

test('13 months of figures are kept, older ones go', t => {
  const { log, file } = open(t)
  const values = TALLY_FIELDS.map(() => 1)
  const minute = Math.floor(Date.now() / 60_000)
  for (const days of [400, 390, 1]) log.write(figures(minute - days * 1_440, values))
  log.write(batch(1))
  const db = new Database(file)
  t.after(() => db.close())
  assert.deepEqual(db.prepare('SELECT minute FROM minutes ORDER BY minute').all(), [
    { minute: minute - 390 * 1_440 },
    { minute: minute - 1_440 },
  ])
})
