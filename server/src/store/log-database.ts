// The database of the access log and the figures by minute.
//
// A file and a connection of their own, in a worker thread: nothing of what writing costs is paid by the thread that carries
// traffic, no lock is shared with what must be remembered, and a file that is full or damaged harms only itself. A power cut
// may cost the last moments (`synchronous = NORMAL`); what was acknowledged survives the process. Prepared statements instead
// of Prisma's client, which costs some ten times as much a row; and records in batches, a row for a thousand of them.
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { AccessBatch, AccessRecords } from '../observe/access-log.ts'
import { type AccessRecord, accessRecord, endedAt, isOfTunnel } from '../observe/access-record.ts'
import { TALLY_FIELDS } from '../observe/tally.ts'
import { BUSY_TIMEOUT_MS, migrate } from './migrate.ts'

const FILE = 'access.db'
/** For its test. */
export const MIGRATIONS = join(import.meta.dirname, '..', '..', '..', 'prisma', 'log', 'migrations')

/** Ids of one millisecond. */
const IDS_PER_MS = 1_024
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** 13 months. */
const KEEP_MINUTES = 396 * 24 * 60
/** A row of figures with its index, bytes; not counted against the records' limit. */
const MINUTE_ROW_BYTES = 150
/** Deleted at least with each batch while there is too much: more than a batch adds, little enough to be quick. */
const DELETE_RECORDS = 3_000

export interface LogLimits {
  readonly days: number
  readonly bytes: number
}

export interface AccessQuery {
  readonly tunnel?: string
  /** When it ended, milliseconds since 1970; `to` is not included. */
  readonly from?: number
  readonly to?: number
  /** Only records before this one: the last of the page before. */
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
const MAX_RECORDS = 1_000
const MAX_MINUTES = 50_000
const NEVER = Number.MAX_SAFE_INTEGER

interface BatchRow {
  readonly id: number
  readonly since: number
  readonly lines: string
}

const BATCHES = 'SELECT id, since, lines FROM access_batches WHERE id < ? ORDER BY id DESC'
/** For its test. */
export const BATCHES_OF_TUNNEL =
  'SELECT id, since, lines FROM access_tunnels JOIN access_batches ON id = batchId WHERE tunnel = ? AND batchId < ? ORDER BY batchId DESC'

export class LogDatabase {
  private readonly db: Database.Database
  private readonly limits: LogLimits
  private readonly insertBatch: Database.Statement
  private readonly insertTunnel: Database.Statement
  private readonly addMinute: Database.Statement
  private readonly addTotal: Database.Statement
  private readonly newest: Database.Statement<[], { id: number; records: number }>
  private readonly oldest: Database.Statement<[number], { id: number; records: number }>
  private readonly deleteUpTo: Database.Statement<[number]>
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
    this.insertBatch = this.db.prepare('INSERT INTO access_batches VALUES (?, ?, ?, CAST(? AS TEXT))')
    this.insertTunnel = this.db.prepare('INSERT INTO access_tunnels VALUES (?, ?)')
    const names = TALLY_FIELDS.join(', ')
    const marks = TALLY_FIELDS.map(() => '?').join(', ')
    const sums = TALLY_FIELDS.map(name => `${name} = ${name} + excluded.${name}`).join(', ')
    this.addMinute = this.db.prepare(
      `INSERT INTO minutes (tunnel, minute, ${names}) VALUES (?, ?, ${marks}) ON CONFLICT (tunnel, minute) DO UPDATE SET ${sums}`,
    )
    this.addTotal = this.db.prepare(
      `INSERT INTO totals (tunnel, ${names}) VALUES (?, ${marks}) ON CONFLICT (tunnel) DO UPDATE SET ${sums}`,
    )
    this.newest = this.db.prepare('SELECT id, records FROM access_batches ORDER BY id DESC LIMIT 1')
    this.oldest = this.db.prepare('SELECT id, records FROM access_batches WHERE id < ? ORDER BY id')
    this.deleteUpTo = this.db.prepare('DELETE FROM access_batches WHERE id <= ?')
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
  records({ tunnel, from = 0, to = NEVER, before = NEVER, limit }: AccessQuery): AccessRecord[] {
    const found: AccessRecord[] = []
    const end = Math.min(to * IDS_PER_MS, before)
    for (const { id, since, lines } of this.batches(end, tunnel)) {
      const all = lines.split('\n')
      for (let index = all.length - 1; index >= 0; index--) {
        const line = all[index] ?? ''
        if (id + index >= before || (tunnel !== undefined && !isOfTunnel(line, tunnel))) continue
        const record = accessRecord(line, id + index, since)
        const ended = endedAt(record)
        if (ended >= from && ended < to) found.push(record)
        if (found.length >= Math.min(limit, MAX_RECORDS)) return found
      }
      // Those of the batches before this one ended before its first.
      if (id < from * IDS_PER_MS) break
    }
    return found
  }

  /** The newest first, all that have records before `end`, of the tunnel if one is named. */
  private batches(end: number, tunnel: string | undefined): Iterable<BatchRow> {
    if (tunnel === undefined) return this.db.prepare<[number], BatchRow>(BATCHES).iterate(end)
    return this.db.prepare<[string, number], BatchRow>(BATCHES_OF_TUNNEL).iterate(tunnel, end)
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
    if (records !== undefined) this.writeRecords(records)
    for (const { tunnel, values } of tallies) {
      this.addMinute.run(tunnel, minute, ...values)
      this.addTotal.run(tunnel, ...values)
    }
    this.forget(now)
  }

  private writeRecords({ count, since, lines, tunnels }: AccessRecords): void {
    const newest = this.newest.get()
    // Ids only grow, also when the clock was set back.
    const id = Math.max(newest === undefined ? 0 : newest.id + newest.records, since * IDS_PER_MS)
    this.insertBatch.run(id, since, count, Buffer.from(lines.buffer, lines.byteOffset, lines.length))
    for (const tunnel of tunnels) this.insertTunnel.run(tunnel, id)
  }

  /** What is too old or too much goes, the oldest first. Its pages are used again, so that the file stops growing. */
  private forget(now: number): void {
    this.forgetSome((now - this.limits.days * DAY_MS) * IDS_PER_MS)
    if (this.recordBytes() > this.limits.bytes) this.forgetSome(NEVER)
    const oldestMinute = Math.floor(now / MINUTE_MS) - KEEP_MINUTES
    // The oldest rows have the lowest ids, so that a look at the first ones is enough.
    this.db
      .prepare(
        'DELETE FROM minutes WHERE id IN (SELECT id FROM (SELECT id, minute FROM minutes ORDER BY id LIMIT 100) WHERE minute < ?)',
      )
      .run(oldestMinute)
  }

  /** Batches before this one. */
  private forgetSome(before: number): void {
    let [last, records] = [0, 0]
    for (const batch of this.oldest.iterate(before)) {
      last = batch.id
      records += batch.records
      if (records >= DELETE_RECORDS) break
    }
    if (records > 0) this.deleteUpTo.run(last)
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
