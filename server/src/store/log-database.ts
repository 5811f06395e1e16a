// The database of the access log and the figures by minute.
//
// A file and a connection of their own, in a worker thread: a record costs microseconds there and nothing of the thread that
// carries traffic, no lock is shared with what must be remembered, and a file that is full or damaged harms only itself. A
// power cut may cost the last moments (`synchronous = NORMAL`); what was acknowledged survives the process. Prepared
// statements instead of Prisma's client, which costs some ten times as much a row.
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { AccessBatch } from '../observe/access-log.ts'
import { TALLY_FIELDS } from '../observe/tally.ts'
import { BUSY_TIMEOUT_MS, migrate } from './migrate.ts'

const FILE = 'access.db'
const MIGRATIONS = join(import.meta.dirname, '..', '..', '..', 'prisma', 'log', 'migrations')

const FIELDS = 10
const COLUMNS = FIELDS + 1
/** Rows of one statement: half the time for each than one by one; more bring no more. */
const ROWS_AT_ONCE = 50
/**
 * Pages of the write-ahead log, 16 MiB, after which they go into the file: four times SQLite's own measure, since the pages of
 * the index are written again by every batch and into the file only once.
 */
const WAL_PAGES = 4_000
/** Ids of one millisecond. */
const IDS_PER_MS = 1_024
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** 13 months. */
const KEEP_MINUTES = 396 * 24 * 60
/** A row of figures with its index, bytes; not counted against the records' limit. */
const MINUTE_ROW_BYTES = 150
/** Deleted at least with each batch while there is too much: more than a batch adds, little enough to be quick. */
const DELETE_ROWS = 3_000

export interface LogLimits {
  readonly days: number
  readonly bytes: number
}

export interface AccessRow {
  readonly id: number
  readonly tunnel: string
  readonly kind: string
  readonly visitor: string
  readonly summary: string
  readonly status: number
  readonly startedAt: number
  readonly durationUs: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly reason: string
}

export interface AccessQuery {
  readonly tunnel?: string
  /** When it ended, milliseconds since 1970; `to` is not included. */
  readonly from?: number
  readonly to?: number
  /** Only rows before this one: the last of the page before. */
  readonly before?: number
  readonly limit: number
}

export interface MinuteQuery {
  readonly tunnel?: string
  /** Minutes since 1970; `to` is not included. */
  readonly from: number
  readonly to: number
}

export type FigureRow = Readonly<Record<(typeof TALLY_FIELDS)[number], number>> & {
  readonly tunnel: string
  readonly minute?: number
}

/** A page has no more. */
const MAX_ROWS = 1_000
const MAX_MINUTES = 50_000

const RECORDS = 'SELECT * FROM access WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?'
/** For its test. */
export const RECORDS_OF_TUNNEL = 'SELECT * FROM access WHERE id >= ? AND id < ? AND tunnel = ? ORDER BY id DESC LIMIT ?'

export class LogDatabase {
  private readonly db: Database.Database
  private readonly limits: LogLimits
  private readonly decoder = new TextDecoder()
  private readonly insertRow: Database.Statement
  private readonly insertRows: Database.Statement
  private readonly addMinute: Database.Statement
  private readonly addTotal: Database.Statement
  private readonly last: Database.Statement<[], { id: number | null }>
  private readonly writeAll: (batch: AccessBatch) => void

  /** Makes or opens it. Throws what SQLite says, and Failure. */
  constructor(dataDir: string, limits: LogLimits) {
    const file = join(dataDir, FILE)
    // Made private first: SQLite gives its journal files the same permissions.
    closeSync(openSync(file, 'a', 0o600))
    migrate(file, MIGRATIONS, { isLog: true })
    this.limits = limits
    this.db = new Database(file, { timeout: BUSY_TIMEOUT_MS })
    this.db.pragma('journal_mode = WAL')
    this.db.pragma('synchronous = NORMAL')
    this.db.pragma(`wal_autocheckpoint = ${WAL_PAGES}`)
    const row = `(${Array(COLUMNS).fill('?')})`
    this.insertRow = this.db.prepare(`INSERT INTO access VALUES ${row}`)
    this.insertRows = this.db.prepare(`INSERT INTO access VALUES ${Array(ROWS_AT_ONCE).fill(row)}`)
    const names = TALLY_FIELDS.join(', ')
    const marks = TALLY_FIELDS.map(() => '?').join(', ')
    const sums = TALLY_FIELDS.map(name => `${name} = ${name} + excluded.${name}`).join(', ')
    this.addMinute = this.db.prepare(
      `INSERT INTO minutes (tunnel, minute, ${names}) VALUES (?, ?, ${marks}) ON CONFLICT (tunnel, minute) DO UPDATE SET ${sums}`,
    )
    this.addTotal = this.db.prepare(
      `INSERT INTO totals (tunnel, ${names}) VALUES (?, ${marks}) ON CONFLICT (tunnel) DO UPDATE SET ${sums}`,
    )
    this.last = this.db.prepare<[], { id: number | null }>('SELECT MAX(id) AS id FROM access')
    // The next server may write before this one has stopped: each waits for the other.
    this.writeAll = this.db.transaction((batch: AccessBatch) => this.writeRows(batch)).immediate
  }

  /** All or nothing. Throws what SQLite says. */
  write(batch: AccessBatch): void {
    this.writeAll(batch)
  }

  close(): void {
    this.db.close()
  }

  /** The file may have this many pages and no more; returns what the limit was. A full disk looks the same. */
  limitPages(pages: number): number {
    const before = this.pragma('max_page_count')
    this.db.pragma(`max_page_count = ${pages}`)
    return before
  }

  /** The newest first. */
  records({ tunnel, from = 0, to, before, limit }: AccessQuery): AccessRow[] {
    const end = Math.min(
      to === undefined ? Number.MAX_SAFE_INTEGER : to * IDS_PER_MS,
      before ?? Number.MAX_SAFE_INTEGER,
    )
    return this.db
      .prepare<unknown[], AccessRow>(tunnel === undefined ? RECORDS : RECORDS_OF_TUNNEL)
      .all(from * IDS_PER_MS, end, ...(tunnel === undefined ? [] : [tunnel]), Math.min(limit, MAX_ROWS))
  }

  /** In the order of time. */
  minutes({ tunnel, from, to }: MinuteQuery): FigureRow[] {
    const where = tunnel === undefined ? '' : 'AND tunnel = ?'
    return this.db
      .prepare<unknown[], FigureRow>(
        `SELECT * FROM minutes WHERE minute >= ? AND minute < ? ${where} ORDER BY minute, tunnel LIMIT ${MAX_MINUTES}`,
      )
      .all(from, to, ...(tunnel === undefined ? [] : [tunnel]))
  }

  /** Since each tunnel was first seen. */
  totals(): FigureRow[] {
    return this.db.prepare<[], FigureRow>('SELECT * FROM totals ORDER BY tunnel').all()
  }

  private writeRows({ records, tallies, minute }: AccessBatch): void {
    const now = Date.now()
    if (records.length > 0) this.writeRecords(this.decoder.decode(records).split('\n'))
    for (const { tunnel, values } of tallies) {
      this.addMinute.run(tunnel, minute, ...values)
      this.addTotal.run(tunnel, ...values)
    }
    this.forget(now)
  }

  private writeRecords(records: readonly string[]): void {
    let id = this.last.get()?.id ?? 0
    const values: unknown[] = []
    for (const record of records) {
      const [tunnel, kind, visitor, summary, status, startedAt, durationUs, bytesIn, bytesOut, reason] = record.split(
        '\t',
        FIELDS,
      )
      const endedAt = Math.floor(Number(startedAt) + Number(durationUs) / 1_000)
      // Ids only grow, also when the clock was set back.
      id = Math.max(id + 1, endedAt * IDS_PER_MS)
      values.push(id, tunnel, kind, visitor, summary, Number(status), Number(startedAt), Number(durationUs))
      values.push(Number(bytesIn), Number(bytesOut), reason)
      if (values.length < ROWS_AT_ONCE * COLUMNS) continue
      this.insertRows.run(values)
      values.length = 0
    }
    for (let at = 0; at < values.length; at += COLUMNS) this.insertRow.run(values.slice(at, at + COLUMNS))
  }

  /** What is too old or too much goes, the oldest first. Its pages are used again, so that the file stops growing. */
  private forget(now: number): void {
    const oldest = (now - this.limits.days * DAY_MS) * IDS_PER_MS
    const rows = 'SELECT id FROM access'
    this.db
      .prepare(`DELETE FROM access WHERE id IN (${rows} WHERE id < ? ORDER BY id LIMIT ?)`)
      .run(oldest, DELETE_ROWS)
    if (this.recordBytes() > this.limits.bytes) {
      this.db.prepare(`DELETE FROM access WHERE id IN (${rows} ORDER BY id LIMIT ?)`).run(DELETE_ROWS)
    }
    const oldestMinute = Math.floor(now / MINUTE_MS) - KEEP_MINUTES
    // The oldest rows have the lowest ids, so that a look at the first ones is enough.
    this.db
      .prepare(
        'DELETE FROM minutes WHERE id IN (SELECT id FROM (SELECT id, minute FROM minutes ORDER BY id LIMIT 100) WHERE minute < ?)',
      )
      .run(oldestMinute)
  }

  private recordBytes(): number {
    const pages = this.pragma('page_count') - this.pragma('freelist_count')
    const span = this.db.prepare<[], { span: number | null }>('SELECT MAX(id) - MIN(id) + 1 AS span FROM minutes').get()
    return pages * this.pragma('page_size') - (span?.span ?? 0) * MINUTE_ROW_BYTES
  }

  private pragma(name: string): number {
    return Number(this.db.pragma(name, { simple: true }))
  }
}
