// The log's database by itself: its limits of age and size, a full disk, and the order of rows.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { TALLY_FIELDS } from '../observe/tally.ts'
import { LogDatabase, RECORDS_OF_TUNNEL } from './log-database.ts'

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

function records(count: number, startedAt = Date.now(), summary = 'GET /'): string {
  const line = `app\thttp\t127.0.0.1\t${summary}\t200\t${startedAt}\t1500\t1\t2\t`
  return Array(count).fill(line).join('\n')
}

function batch(text: string, tallies: readonly { tunnel: string; values: number[] }[] = []) {
  return { records: Buffer.from(text), tallies, minute: Math.floor(Date.now() / 60_000) }
}

test('pages of records come newest first, each once, by tunnel and time', t => {
  const { log } = open(t)
  const at = Date.now() - 10_000
  for (let second = 0; second < 10; second++) log.write(batch(records(3, at + second * 1_000, `GET /${second}`)))
  const first = log.records({ limit: 20 })
  const rest = log.records({ limit: 20, before: first.at(-1)?.id ?? 0 })
  assert.equal(new Set([...first, ...rest].map(({ id }) => id)).size, 30)
  assert.equal(first[0]?.summary, 'GET /9')
  const span = log.records({ tunnel: 'app', from: at + 2_000, to: at + 4_000, limit: 100 })
  assert.deepEqual([...new Set(span.map(({ summary }) => summary))], ['GET /3', 'GET /2'])
  assert.equal(log.records({ tunnel: 'other', limit: 100 }).length, 0)
})

test('a page of one tunnel is found in its index, in the order of time', t => {
  const { log, file } = open(t)
  log.write(batch(records(1)))
  const db = new Database(file)
  t.after(() => db.close())
  const plan = db
    .prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${RECORDS_OF_TUNNEL}`)
    .all(0, 1, 'app', 10)
    .map(({ detail }) => detail)
  assert.equal(plan.length, 1, plan.join(', '))
  assert.match(plan[0] ?? '', /USING INDEX access_tunnel_idx \(tunnel=\? AND rowid>\? AND rowid<\?\)/)
})

test('E9: records that are too old go while others are written', t => {
  const { log } = open(t, { days: 14 })
  log.write(batch(records(1_000, Date.now() - 15 * DAY_MS)))
  log.write(batch(records(10)))
  assert.equal(log.records({ limit: 1_000 }).length, 10)
})

test('E9: the file stops growing at its limit, and the newest records are there', t => {
  const { log, file } = open(t, { bytes: 2_000_000 })
  const start = Date.now()
  for (let round = 0; round < 100; round++)
    log.write(batch(records(1_000, start + round, `GET /${'x'.repeat(100)}/${round}`)))
  assert.match(log.records({ limit: 1 })[0]?.summary ?? '', /\/99$/)
  const { size } = statSync(file)
  assert.ok(size < 3_000_000, `${size} bytes`)
})

test('figures of a minute add up, and are whole or not at all', t => {
  const { log } = open(t)
  const values = TALLY_FIELDS.map((_, index) => index)
  log.write(batch('', [{ tunnel: 'app', values }]))
  log.write(batch('', [{ tunnel: 'app', values }]))
  const minute = Math.floor(Date.now() / 60_000)
  const rows = log.minutes({ tunnel: 'app', from: minute - 2, to: minute + 1 })
  assert.equal(
    rows.reduce((sum, row) => sum + row.datagramsDropped, 0),
    2 * (TALLY_FIELDS.length - 1),
  )
  assert.equal(log.totals()[0]?.datagramsDropped, 2 * (TALLY_FIELDS.length - 1))
  assert.throws(() => log.write(batch(records(1), [{ tunnel: 'app', values: [] }])))
  assert.equal(log.records({ limit: 10 }).length, 0)
})

test('a full disk takes nothing of a batch, and the log goes on when there is room', t => {
  const { log } = open(t)
  log.write(batch(records(1)))
  const pages = log.limitPages(40)
  assert.throws(() => log.write(batch(records(5_000))), { code: 'SQLITE_FULL' })
  assert.equal(log.records({ limit: 1_000 }).length, 1)
  log.limitPages(pages)
  log.write(batch(records(999)))
  assert.equal(log.records({ limit: 1_000 }).length, 1_000)
})

test('13 months of figures are kept, older ones go', t => {
  const { log, file } = open(t)
  const values = TALLY_FIELDS.map(() => 1)
  const minute = Math.floor(Date.now() / 60_000)
  for (const days of [400, 390, 1])
    log.write({ records: new Uint8Array(), tallies: [{ tunnel: 'app', values }], minute: minute - days * 1_440 })
  log.write(batch(records(1)))
  const db = new Database(file)
  t.after(() => db.close())
  assert.deepEqual(db.prepare('SELECT minute FROM minutes ORDER BY minute').all(), [
    { minute: minute - 390 * 1_440 },
    { minute: minute - 1_440 },
  ])
})
