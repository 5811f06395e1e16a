// Searches of the log: what is found, in pages that are held to their time; and how rows are found.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { type AccessKind, type AccessRecord, writeRecord } from '../observe/access-record.ts'
import { Lines } from '../observe/lines.ts'
import type { RecordFilter } from '../owner/record-filter.ts'
import type { RecordPosition } from '../owner/record-search.ts'
import { LogDatabase } from './log-database.ts'
import { LogReader, NEXT_BATCH, NEXT_OF_TUNNEL } from './log-reader.ts'

const NEVER_MS = 60_000

interface Visited {
  readonly tunnel: string
  readonly kind?: AccessKind
  readonly visitor?: string
  readonly summary?: string
  readonly status?: number
  readonly reason?: string
}

function open(t: { after(end: () => unknown): void }) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-log-'))
  const writer = new LogDatabase(dataDir, { days: 14, bytes: 500_000_000 })
  const reader = new LogReader(dataDir)
  t.after(() => {
    writer.close()
    reader.close()
    rmSync(dataDir, { recursive: true })
  })
  const nothing = { startedAt: 0, firstByteAt: 0, bytesIn: 0, bytesOut: 0, countedIn: 0, countedOut: 0 }
  /** Each a millisecond after the one before. */
  const write = (since: number, visits: readonly Visited[]) => {
    const lines = new Lines(visits.length * 1_000)
    for (const [index, visit] of visits.entries()) {
      const { tunnel } = visit
      const usual = { kind: 'http', visitor: '127.0.0.1', summary: 'GET /', status: 200, reason: '' } as const
      writeRecord(lines, { ...nothing, ...usual, ...visit }, tunnel, index, 1_000)
    }
    const tunnels = [...new Set(visits.map(({ tunnel }) => tunnel))]
    const records = { count: visits.length, since, lines: lines.take(), tunnels }
    writer.write({ records, tallies: [], minute: Math.floor(since / 60_000) })
  }
  return { reader, write, file: join(dataDir, 'access.db') }
}

/** All pages of a search, and how many records each had. */
function all(reader: LogReader, filter: RecordFilter, pageSize: number, budgetMs = NEVER_MS) {
  const records: AccessRecord[] = []
  const pages: number[] = []
  let position: RecordPosition | undefined
  do {
    const page = reader.search({ filter, pageSize, ...(position && { position }) }, budgetMs)
    records.push(...page.records)
    pages.push(page.records.length)
    position = page.next
  } while (position !== undefined)
  return { records, pages }
}

test('a search finds what each part of its filter says, and all parts together', t => {
  const { reader, write } = open(t)
  write(Date.now() - 5_000, [
    { tunnel: 'app', summary: 'GET /Index.html', status: 200, visitor: '203.0.113.7' },
    { tunnel: 'app', summary: 'POST /login', status: 404, visitor: '203.0.113.200' },
    { tunnel: 'app', kind: 'websocket', summary: 'GET /ws', status: 101, visitor: '2001:db8::1' },
    { tunnel: 'b', summary: 'GET /x', status: 502, reason: 'target-unreachable', visitor: '198.51.100.1' },
    { tunnel: 'tcp-1', kind: 'tcp', summary: '', status: 0, visitor: '2001:db8:0:1::1', reason: 'connection-reset' },
    { tunnel: '', summary: 'GET nobody.example/wp-login.php', status: 404, reason: 'unknown-host' },
  ])
  const found = (filter: RecordFilter) => all(reader, filter, 100).records.map(({ tunnel, status }) => [tunnel, status])
  assert.deepEqual(found({ tunnel: 'app' }).length, 3)
  assert.deepEqual(found({ tunnel: '' }), [['', 404]])
  assert.deepEqual(found({ kinds: ['tcp', 'websocket'] }), [
    ['tcp-1', 0],
    ['app', 101],
  ])
  assert.deepEqual(found({ statuses: [4] }), [
    ['', 404],
    ['app', 404],
  ])
  assert.deepEqual(found({ statuses: [502, 2] }), [
    ['b', 502],
    ['app', 200],
  ])
  assert.deepEqual(found({ peer: '203.0.113.0/24' }), [
    ['app', 404],
    ['app', 200],
  ])
  assert.deepEqual(found({ peer: '203.0.113.7' }), [['app', 200]])
  assert.deepEqual(found({ peer: '2001:db8::/64' }), [['app', 101]])
  assert.deepEqual(found({ text: 'LOGIN' }), [
    ['', 404],
    ['app', 404],
  ])
  assert.deepEqual(found({ text: 'nobody.example' }), [['', 404]])
  assert.deepEqual(found({ text: 'get /i' }), [['app', 200]])
  assert.deepEqual(found({ hasReason: true }), [
    ['', 404],
    ['tcp-1', 0],
    ['b', 502],
  ])
  assert.deepEqual(found({ statuses: [4], hasReason: true, text: 'wp' }), [['', 404]])
  assert.deepEqual(found({ tunnel: 'app', statuses: [5] }), [])
})

test('pages of any size have every record that fits once, in order, whatever the batches', () => {
  const visited = fc.record({ tunnel: fc.constantFrom('app', 'b', ''), status: fc.constantFrom(200, 404, 500) })
  const batches = fc.array(fc.array(visited, { minLength: 1, maxLength: 6 }), { maxLength: 6 })
  const filters = fc.constantFrom<RecordFilter>(
    {},
    { tunnel: 'app' },
    { statuses: [4] },
    { tunnel: 'b', statuses: [2, 500] },
  )
  fc.assert(
    fc.property(batches, filters, fc.integer({ min: 1, max: 5 }), (batches, filter, size) => {
      const ends: (() => unknown)[] = []
      const at = Date.now() - 10_000
      const { reader, write } = open({ after: end => ends.push(end) })
      // Some in the same millisecond.
      for (const [index, visits] of batches.entries()) write(at + Math.floor(index / 2), visits)
      const fits = ({ tunnel, status = 0 }: Visited) =>
        (filter.tunnel === undefined || filter.tunnel === tunnel) &&
        (filter.statuses === undefined ||
          filter.statuses.some(each => each === status || each === Math.floor(status / 100)))
      const textOf = ({ tunnel, status }: Visited) => `${tunnel} ${status}`
      const { records, pages } = all(reader, filter, size, 0)
      assert.deepEqual(records.map(textOf), batches.flat().filter(fits).reverse().map(textOf))
      assert.ok(pages.every(count => count <= size))
      for (const end of ends) end()
    }),
    { numRuns: 60 },
  )
})

test('a page whose time is over tells where it goes on and how far back it looked, also when it found nothing', t => {
  const { reader, write } = open(t)
  const at = Date.now() - 100_000
  for (let second = 0; second < 50; second++) write(at + second * 1_000, [{ tunnel: 'app', summary: `GET /${second}` }])
  const first = reader.search({ filter: { text: 'nowhere' }, pageSize: 10 }, 0)
  assert.deepEqual([first.records.length, first.searchedBackTo], [0, at + 49_000])
  const { pages, records } = all(reader, { text: 'nowhere' }, 10, 0)
  assert.deepEqual([pages.length, records.length], [51, 0])
  const span = { from: at + 10_000, to: at + 20_000 }
  const some = reader.search({ filter: {}, ...span, pageSize: 100 }, NEVER_MS)
  assert.deepEqual([some.records.length, some.next, some.searchedBackTo], [10, undefined, at + 10_000])
  assert.equal(reader.search({ filter: { tunnel: 'none' }, pageSize: 1 }, NEVER_MS).searchedBackTo, undefined)
})

test('a search goes on where it was although records have come and gone', t => {
  const { reader, write, file } = open(t)
  const at = Date.now() - 100_000
  for (let second = 0; second < 4; second++)
    write(at + second * 1_000, [{ tunnel: 'a' }, { tunnel: 'a' }, { tunnel: 'a' }])
  const first = reader.search({ filter: {}, pageSize: 4 }, NEVER_MS)
  assert.ok(first.next)
  write(at + 50_000, [{ tunnel: 'a' }])
  const db = new Database(file)
  t.after(() => db.close())
  db.prepare('DELETE FROM access_batches WHERE since = ?').run(at + 2_000)
  const rest = reader.search({ filter: {}, pageSize: 100, position: first.next }, NEVER_MS)
  assert.equal(rest.records.length, 6, 'those of the two batches before')
})

test('rows are found by time, by tunnel and time, and nothing is sorted', t => {
  const { file } = open(t)
  const db = new Database(file)
  t.after(() => db.close())
  const plan = (sql: string, values: object) =>
    db
      .prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
      .all(values)
      .map(({ detail }) => detail)
  const place = { since: 1, id: 1, tunnel: 'app' }
  const ofAll = plan(NEXT_BATCH, place)
  assert.equal(ofAll.length, 1, ofAll.join(', '))
  assert.match(ofAll[0] ?? '', /USING INDEX access_batches_since_idx \(since<\?\)/)
  const ofTunnel = plan(NEXT_OF_TUNNEL, place)
  assert.equal(ofTunnel.length, 2, ofTunnel.join(', '))
  assert.match(ofTunnel[0] ?? '', /USING COVERING INDEX \S+ \(tunnel=\? AND since<\?\)/)
  assert.match(ofTunnel[1] ?? '', /SEARCH access_batches USING INTEGER PRIMARY KEY/)
})

test('the reader cannot write, and what is searched all the time does not make the journal grow', t => {
  const { reader, write, file } = open(t)
  assert.throws(() => new Database(file, { readonly: true }).exec('DELETE FROM totals'), { code: 'SQLITE_READONLY' })
  const visits = Array.from({ length: 1_000 }, () => ({ tunnel: 'app', summary: `GET /${'x'.repeat(100)}` }))
  let position: RecordPosition | undefined
  for (let round = 0; round < 200; round++) {
    write(Date.now(), visits)
    position = reader.search({ filter: { text: 'nowhere' }, pageSize: 1, ...(position && { position }) }, 1).next
  }
  const { size } = statSync(`${file}-wal`)
  assert.ok(size < 10_000_000, `${size} bytes`)
})
