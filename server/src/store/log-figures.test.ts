// Figures by minute, hour and day: what is read from them is the same as from the minutes alone, whatever the times.
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { KEPT_FIELDS, TALLY_FIELDS } from '../observe/tally.ts'
import { LogDatabase } from './log-database.ts'
import { partsOf } from './log-figures.ts'
import { LogReader } from './log-reader.ts'
import { MIGRATIONS } from './log-schema.ts'
import { migrate } from './migrate.ts'

const [HOUR, DAY] = [60, 24 * 60]
const NOW = Math.floor(Date.now() / 60_000)

function open(t: { after(end: () => unknown): void }, dataDir = mkdtempSync(join(tmpdir(), 'pbt-log-'))) {
  const writers = [1, 2].map(() => new LogDatabase(dataDir, { days: 14, bytes: 500_000_000 }))
  const reader = new LogReader(dataDir)
  t.after(() => {
    for (const writer of writers) writer.close()
    reader.close()
    rmSync(dataDir, { recursive: true })
  })
  const write = (tunnel: string, minute: number, requests: number, writer = 0) => {
    const values = KEPT_FIELDS.map(field => (field === 'requests' || field === 'first3' ? requests : 0))
    writers[writer]?.write({ records: undefined, tallies: [{ tunnel, values }], minute })
  }
  return { reader, write, file: join(dataDir, 'access.db') }
}

test('parts have each minute once, the open hour from minutes and its day from hours, and whole units of each table', () => {
  const minutes = fc.integer({ min: 0, max: 5 * DAY })
  fc.assert(
    fc.property(minutes, minutes, fc.integer({ min: 0, max: 130 }), (from, length, openHour) => {
      const to = from + length
      const seen = new Map<number, string>()
      for (const part of partsOf({ from, to }, openHour)) {
        const unit = { minutes: 1, hours: HOUR, days: DAY }[part.table]
        assert.ok(part.from % unit === 0 && part.to % unit === 0 && part.from < part.to)
        for (let minute = part.from; minute < part.to; minute++) {
          assert.ok(!seen.has(minute))
          seen.set(minute, part.table)
        }
      }
      assert.equal(seen.size, length)
      for (const [minute, table] of seen) {
        assert.ok(minute >= from && minute < to)
        if (Math.floor(minute / HOUR) === openHour) assert.equal(table, 'minutes')
        if (Math.floor(minute / DAY) === Math.floor(openHour / 24)) assert.notEqual(table, 'days')
      }
    }),
    { numRuns: 50 },
  )
})

test('sums and series are those of what was written, by two servers in any order, with clocks that go back', () => {
  const minutes = fc.integer({ min: NOW - 3 * DAY, max: NOW })
  const writes = fc.array(
    fc.record({ tunnel: fc.constantFrom('a', 'b', ''), minute: minutes, requests: fc.nat(9), writer: fc.nat(1) }),
    { minLength: 1, maxLength: 25 },
  )
  fc.assert(
    fc.property(writes, minutes, fc.integer({ min: 1, max: 3 * DAY }), (writes, from, length) => {
      const ends: (() => unknown)[] = []
      const { reader, write } = open({ after: end => ends.push(end) })
      for (const { tunnel, minute, requests, writer } of writes) write(tunnel, minute, requests, writer)
      const span = { from, to: from + length }
      const sumOf = (tunnel: string | undefined, { from, to }: typeof span) =>
        writes
          .filter(each => (tunnel === undefined || each.tunnel === tunnel) && each.minute >= from && each.minute < to)
          .reduce((sum, { requests }) => sum + requests, 0)
      for (const tunnel of [undefined, 'a', '']) {
        const sum = reader.figures.sum(tunnel, span)
        assert.deepEqual([sum.requests, sum.firstBytes[3]], [sumOf(tunnel, span), sumOf(tunnel, span)])
        for (const step of [1, 15, HOUR, 6 * HOUR, DAY, 2 * DAY]) {
          const aligned = { from: Math.floor(from / step) * step, to: (Math.floor((span.to - 1) / step) + 1) * step }
          const points = [...reader.figures.series(tunnel, aligned, step)]
          for (const [at, { requests }] of points) {
            assert.equal(at % step, 0)
            assert.equal(requests, sumOf(tunnel, { from: at, to: at + step }))
          }
          assert.equal(
            points.reduce((sum, [, { requests }]) => sum + requests, 0),
            sumOf(tunnel, aligned),
          )
          assert.deepEqual(
            points.map(([at]) => at),
            points.map(([at]) => at).sort((left, right) => left - right),
          )
        }
      }
      for (const [tunnel, { requests }] of reader.figures.byTunnel(span)) assert.equal(requests, sumOf(tunnel, span))
      for (const end of ends) end()
    }),
    { numRuns: 15 },
  )
})

test('figures of before are there by hour and day, and all together, after the migration', t => {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-log-'))
  const [file, migrations] = [join(dataDir, 'access.db'), join(dataDir, 'migrations')]
  for (const name of readdirSync(MIGRATIONS).filter(name => /^2026112[4-7]/.test(name))) {
    cpSync(join(MIGRATIONS, name), join(migrations, name), { recursive: true })
  }
  migrate(file, migrations)
  const db = new Database(file)
  const known = TALLY_FIELDS.filter(field => field !== 'openMs')
  const marks = known.map(() => '1').join(', ')
  const insert = db.prepare(`INSERT INTO minutes (tunnel, minute, ${known.join(', ')}) VALUES (?, ?, ${marks})`)
  const first = NOW - 3 * DAY
  for (let minute = first; minute <= NOW; minute += 7) for (const tunnel of ['a', 'b']) insert.run(tunnel, minute)
  db.exec("INSERT INTO access_batches VALUES (1, 1700000000000, 1, 'a\t0\thttp\t::1\tGET /\t200\t1\t0\t0\t')")
  db.exec("INSERT INTO access_tunnels VALUES ('a', 1)")
  db.close()
  const { reader, write, file: same } = open(t, dataDir)
  const count = (span: { from: number; to: number }) => {
    let count = 0
    for (let minute = first; minute <= NOW; minute += 7) if (minute >= span.from && minute < span.to) count++
    return count
  }
  for (const span of [
    { from: first, to: NOW + 1 },
    { from: first + DAY, to: NOW - 100 },
    { from: NOW - 30, to: NOW + 1 },
  ]) {
    assert.equal(reader.figures.sum(undefined, span).bytesOut, 2 * count(span))
    assert.equal(reader.figures.sum('a', span).bytesOut, count(span))
    assert.equal(reader.figures.sum('a', span).openMs, 0)
  }
  assert.equal(reader.search({ filter: { tunnel: 'a' }, pageSize: 10 }, 60_000).records.length, 1)
  const rows = new Database(same)
  t.after(() => rows.close())
  const { hours, days } = rows
    .prepare<[], { hours: number; days: number }>(
      "SELECT (SELECT COUNT(*) FROM hours WHERE tunnel = '*') AS hours, (SELECT COUNT(*) FROM days WHERE tunnel = '*') AS days",
    )
    .get() ?? { hours: 0, days: 0 }
  assert.ok(hours >= 71 && days >= 2, `${hours} hours, ${days} days`)
  write('a', NOW + HOUR, 5)
  assert.equal(
    reader.figures.sum('a', { from: first, to: NOW + DAY }).requests,
    count({ from: first, to: NOW + 1 }) + 5,
  )
})

test('13 months of hours and days are kept, older ones go', t => {
  const { write, file } = open(t)
  for (const days of [420, 400, 390, 1, 0]) write('a', NOW - days * DAY, 1)
  const db = new Database(file)
  t.after(() => db.close())
  const kept = (table: string, column: string) =>
    db.prepare<[], { at: number }>(`SELECT ${column} AS at FROM ${table} WHERE tunnel = 'a' ORDER BY 1`).all()
  assert.deepEqual(
    kept('days', 'day').map(({ at }) => Math.floor(NOW / DAY) - at),
    [390, 1],
  )
  assert.deepEqual(
    kept('hours', 'hour').map(({ at }) => Math.floor(NOW / HOUR) - at),
    [390 * 24, 24],
  )
})
