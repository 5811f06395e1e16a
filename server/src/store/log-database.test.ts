// The log's database by itself: its limits of age and size, a full disk, and the order of rows.
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { type AccessRecord, writeRecord } from '../observe/access-record.ts'
import { Lines } from '../observe/lines.ts'
import { KEPT_FIELDS, TALLY_FIELDS } from '../observe/tally.ts'
import type { RecordPosition } from '../owner/record-search.ts'
import { LogDatabase, type LogLimits } from './log-database.ts'
import { LogReader } from './log-reader.ts'
import { MIGRATIONS } from './log-schema.ts'
import { migrate } from './migrate.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

function open(t: TestContext, limits: { days?: number; bytes?: number } = {}) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-log-'))
  t.after(() => rmSync(dataDir, { recursive: true }))
  return openIn(t, dataDir, limits)
}

/** Both ends of the log in this directory. */
function openIn(t: TestContext, dataDir: string, limits: Partial<LogLimits> = {}) {
  const writer = new LogDatabase(dataDir, { days: 14, bytes: 500_000_000, ...limits })
  const reader = new LogReader(dataDir)
  t.after(() => {
    writer.close()
    reader.close()
  })
  const records = ({ tunnel, from, to, limit }: Asked): readonly AccessRecord[] => {
    const filter = tunnel === undefined ? {} : { tunnel }
    return reader.search({ filter, ...(from && { from }), ...(to && { to }), pageSize: limit }, 60_000).records
  }
  const log = {
    write: (batch: Parameters<LogDatabase['write']>[0]) => writer.write(batch),
    limitPages: (pages: number) => writer.limitPages(pages),
    totals: () => reader.totals(),
    records,
  }
  return { log, reader, file: join(dataDir, 'access.db') }
}

interface Asked {
  readonly tunnel?: string | undefined
  readonly from?: number
  readonly to?: number
  readonly limit: number
}

interface Made {
  readonly since?: number
  readonly summary?: string
  /** Of the records one after the other, from the first again after the last. */
  readonly tunnels?: readonly string[]
  readonly tallies?: readonly { tunnel: string; values: number[] }[]
}

const VISIT = {
  kind: 'http',
  tunnel: '',
  visitor: '127.0.0.1',
  status: 200,
  startedAt: 0,
  firstByteAt: 0,
  bytesIn: 1,
  bytesOut: 2,
  countedIn: 0,
  countedOut: 0,
  reason: '',
} as const

/** Each record a millisecond after the one before. */
function batch(count: number, { since = Date.now(), summary = 'GET /', tunnels = ['app'], tallies = [] }: Made = {}) {
  const lines = new Lines(count * 1_000)
  for (let index = 0; index < count; index++) {
    const tunnel = tunnels[index % tunnels.length] ?? ''
    writeRecord(lines, { ...VISIT, summary }, tunnel, index, 1_500)
  }
  const minute = Math.floor(Date.now() / 60_000)
  return { records: { count, since, lines: lines.take(), tunnels }, tallies, minute }
}

function figures(minute: number, values: number[]) {
  return { records: undefined, tallies: [{ tunnel: 'app', values }], minute }
}

test('pages of records come newest first, each once, by tunnel and time', t => {
  const { log, reader } = open(t)
  const at = Date.now() - 10_000
  for (let second = 0; second < 10; second++)
    log.write(batch(4, { since: at + second * 1_000, summary: `GET /${second}`, tunnels: ['app', 'b'] }))
  const pages: AccessRecord[] = []
  let next: RecordPosition | undefined
  do {
    const page = reader.search({ filter: {}, pageSize: 7, ...(next && { position: next }) }, 60_000)
    pages.push(...page.records)
    next = page.next
  } while (next !== undefined)
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
  const found = log.records({ limit: 5_000 })
  const summaries = found.toSorted((left, right) => right.id - left.id).map(({ summary }) => summary)
  assert.deepEqual(summaries.slice(0, 3), ['GET /back', 'GET /same', 'GET /'])
  assert.equal(new Set(found.map(({ id }) => id)).size, 2_002)
})

test('numbers go on above the last ones when every batch is gone', t => {
  const { log, file } = open(t)
  log.write(batch(2_000))
  const last = log.records({ limit: 1 })[0]?.id ?? 0
  const db = new Database(file)
  t.after(() => db.close())
  db.exec('DELETE FROM access_batches')
  log.write(batch(1))
  assert.ok((log.records({ limit: 1 })[0]?.id ?? 0) > last)
})

test('a clock that is wrong for a moment costs no records, and those beside are found by their time', t => {
  const { log } = open(t)
  const at = Date.now()
  t.mock.timers.enable({ apis: ['Date'], now: at })
  const write = (summary: string, aheadMs: number) => {
    t.mock.timers.setTime(at + aheadMs)
    log.write(batch(1, { summary }))
  }
  write('GET /before', 0)
  for (let index = 0; index < 10; index++) write('GET /ahead', 365 * DAY_MS)
  write('GET /after', 1_000)
  write('GET /back', -HOUR_MS)
  write('GET /last', 2_000)
  const found = (tunnel: string | undefined, from: number, to: number) =>
    log.records({ from: at + from, to: at + to, limit: 100, tunnel })
  const summaries = (records: readonly AccessRecord[]) => records.map(({ summary }) => summary)
  for (const tunnel of [undefined, 'app']) {
    assert.deepEqual(summaries(found(tunnel, -60_000, 60_000)), ['GET /last', 'GET /after', 'GET /before'])
    assert.deepEqual(summaries(found(tunnel, 500, 2_000)), ['GET /after'])
    assert.deepEqual(summaries(found(tunnel, -2 * HOUR_MS, -1_000)), ['GET /back'])
    assert.equal(found(tunnel, 60_000, 400 * DAY_MS).length, 10)
    assert.equal(found(tunnel, 3_000, 60_000).length, 0)
  }
  const all = log.records({ limit: 100 })
  assert.equal(all.length, 14)
  assert.deepEqual(summaries(all.slice(-4)), ['GET /last', 'GET /after', 'GET /before', 'GET /back'])
})

test('records are found by their own time in a batch that was gathered for long', t => {
  const { log } = open(t)
  const since = Date.now() - 60_000
  log.write(batch(30_000, { since }))
  log.write(batch(1, { since: since + 30_000, summary: 'GET /next' }))
  assert.equal(log.records({ from: since + 29_990, limit: 100 }).length, 11)
  assert.equal(log.records({ from: since + 20_000, to: since + 20_010, limit: 100 }).length, 10)
})

test('a clock that stays ahead is believed after an hour, also when the server began with it', t => {
  const { log, file } = open(t)
  const at = Date.now()
  let passed = performance.now()
  t.mock.method(performance, 'now', () => passed)
  t.mock.timers.enable({ apis: ['Date'], now: at })
  log.write(batch(1, { summary: 'GET /old' }))
  t.mock.timers.setTime(at + 20 * DAY_MS)
  const { log: again } = openIn(t, dirname(file))
  again.write(batch(1))
  assert.equal(again.records({ limit: 100 }).length, 2)
  passed += HOUR_MS
  t.mock.timers.setTime(at + 20 * DAY_MS + HOUR_MS)
  again.write(batch(1))
  assert.deepEqual(
    again.records({ limit: 100 }).map(({ summary }) => summary),
    ['GET /', 'GET /'],
  )
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

test('E9: the limit holds when many tunnels are used a little, also with figures whose ids have gaps', t => {
  const { log, file } = open(t, { bytes: 1_000_000 })
  const values = KEPT_FIELDS.map(() => 1)
  const tunnels = Array.from({ length: 10 }, (_, index) => `tunnel-${index}`)
  const tallies = tunnels.map(tunnel => ({ tunnel, values }))
  const db = new Database(file)
  t.after(() => db.close())
  log.write(figures(Math.floor(Date.now() / 60_000) - 1, values))
  // Until figures were kept without it, each flush took an id for each tunnel.
  db.exec("UPDATE sqlite_sequence SET seq = 20000 WHERE name = 'minutes'")
  for (let flush = 0; flush < 4_000; flush++) log.write(batch(10, { tunnels, tallies }))
  const { size } = statSync(file)
  assert.ok(size < 1_500_000, `${size} bytes`)
  assert.equal(log.totals().find(({ tunnel }) => tunnel === 'tunnel-9')?.requests, 4_000)
  const rows = db.prepare<[], { id: number }>('SELECT id FROM minutes ORDER BY id').all()
  assert.ok(rows.length <= 34, `${rows.length} rows`)
  assert.equal((rows.at(-1)?.id ?? 0) - (rows[2]?.id ?? 0), rows.length - 3)
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
  const { log } = openIn(t, dataDir)
  log.write(batch(1))
  assert.equal(log.records({ limit: 100 }).length, 11)
  assert.equal(log.records({ tunnel: '', limit: 100 }).length, 5)
  assert.deepEqual(log.records({ limit: 1, from: at, to: at + 10 })[0], {
    ...{ id: at * 1_024 + 9, tunnel: '', kind: 'http', visitor: '::1', summary: 'GET /', status: 200 },
    ...{ startedAt: at, durationUs: 1_500, bytesIn: 3, bytesOut: 4, reason: 'gone' },
  })
})

test('batches of the second version, numbered by time, are kept and found by their time', t => {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-log-'))
  t.after(() => rmSync(dataDir, { recursive: true }))
  const [file, migrations] = [join(dataDir, 'access.db'), join(dataDir, 'migrations')]
  for (const name of ['20261124124852_access_log', '20261124223134_access_index', '20261126195839_access_batches'])
    cpSync(join(MIGRATIONS, name), join(migrations, name), { recursive: true })
  migrate(file, migrations)
  const db = new Database(file)
  const at = Date.now() - 60_000
  // The second one while the clock was a year ahead, and the third one when it was right again.
  const ahead = (at + 365 * DAY_MS) * 1_024
  const line = ['app', 0, 'http', '::1', 'GET /', 200, 1_500, 3, 4, ''].join('\t')
  const insert = db.prepare('INSERT INTO access_batches VALUES (?, ?, 1, ?)')
  insert.run(at * 1_024, at, line)
  insert.run(ahead, at + 365 * DAY_MS, line)
  insert.run(ahead + 1, at + 1_000, line)
  db.exec("INSERT INTO access_tunnels SELECT 'app', id FROM access_batches")
  db.close()
  const { log } = openIn(t, dataDir)
  log.write(batch(1))
  const ids = (records: readonly AccessRecord[]) => records.map(({ id }) => id)
  assert.deepEqual(ids(log.records({ limit: 100 })), [ahead, ahead + 2, ahead + 1, at * 1_024])
  for (const tunnel of [{}, { tunnel: 'app' }]) {
    const found = log.records({ ...tunnel, from: at, to: Date.now() + 60_000, limit: 100 })
    assert.deepEqual(ids(found), [ahead + 2, ahead + 1, at * 1_024])
  }
})

test('figures of a minute add up, and are whole or not at all', t => {
  const { log, reader } = open(t)
  const values = KEPT_FIELDS.map((_, index) => index)
  const minute = Math.floor(Date.now() / 60_000)
  log.write(figures(minute, values))
  log.write(figures(minute, values))
  const sum = reader.figures.sum('app', { from: minute, to: minute + 1 })
  assert.equal(sum.openMs, 2 * (TALLY_FIELDS.length - 1))
  assert.equal(sum.firstBytes.at(-1), 2 * (KEPT_FIELDS.length - 1))
  assert.equal(log.totals()[0]?.openMs, 2 * (TALLY_FIELDS.length - 1))
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
  const values = KEPT_FIELDS.map(() => 1)
  const minute = Math.floor(Date.now() / 60_000)
  for (const days of [400, 390, 1]) log.write(figures(minute - days * 1_440, values))
  log.write(batch(1))
  const db = new Database(file)
  t.after(() => db.close())
  assert.deepEqual(db.prepare("SELECT minute FROM minutes WHERE tunnel = 'app' ORDER BY minute").all(), [
    { minute: minute - 390 * 1_440 },
    { minute: minute - 1_440 },
  ])
})
