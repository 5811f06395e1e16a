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

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** 13 months. */
const KEEP_MINUTES = 396 * 24 * 60
/** A row of figures with its index, bytes; not counted against the records' limit. */
const MINUTE_ROW_BYTES = 150
/** Deleted at least with each batch while there is too much: more than a batch adds, little enough to be quick. */
const DELETE_RECORDS = 3_000
/** More than a batch has: where every batch is gone, the last one's number is known and not how many records it had. */
const MORE_THAN_A_BATCH = 1_000_000
/** A batch is gathered in less than this, milliseconds, as long as the disk keeps up. */
const GATHER_MS = 1_000
/** A clock further ahead than this, milliseconds, is not believed before it has been so for as long. */
const DOUBT_MS = 3_600_000

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

interface OldBatch {
  readonly id: number
  readonly records: number
}

/** What is asked for, by number and by time; both without the end. */
interface Span {
  readonly first: number
  readonly end: number
  readonly since: number
  readonly to: number
}

// `+`: not by the index of times, whose rows would have to be sorted. The three below are exported for their test.
const OF_SPAN = '+since >= $since AND +since < $to'
export const BATCHES = `SELECT id, since, lines FROM access_batches WHERE id >= $first AND id < $end AND ${OF_SPAN} ORDER BY id DESC`
export const BATCHES_OF_TUNNEL = `SELECT id, since, lines FROM access_tunnels JOIN access_batches ON id = batchId
  WHERE tunnel = $tunnel AND batchId >= $first AND batchId < $end AND ${OF_SPAN} ORDER BY batchId DESC`
export const NUMBERS = 'SELECT MIN(id) AS first, MAX(id) AS last FROM access_batches WHERE since >= ? AND since < ?'

export class LogDatabase {
  private readonly db: Database.Database
  private readonly limits: LogLimits
  private readonly insertBatch: Database.Statement
  private readonly insertTunnel: Database.Statement
  private readonly growMinute: Database.Statement
  private readonly addMinute: Database.Statement
  private readonly addTotal: Database.Statement
  private readonly newest: Database.Statement<[], { since: number; next: number }>
  private readonly lastNumber: Database.Statement<[], { seq: number }>
  private readonly before: Database.Statement<[number], OldBatch>
  private readonly oldest: Database.Statement<[], OldBatch>
  private readonly deleteBatch: Database.Statement<[number]>
  private readonly deleteMinutes: Database.Statement<[number]>
  private readonly writeAll: (batch: AccessBatch) => number
  /** Rows of `minutes`. To count them takes a tenth of a second for a million; a few that another server adds do not matter. */
  private minuteRows: number
  /** The time less what `performance.now` says, as it is believed, and since when the clock has been ahead of that. */
  private clock: number
  private doubtedSince: number | undefined

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
    const growths = TALLY_FIELDS.map(name => `${name} = ${name} + ?`).join(', ')
    // Not in one, which would take an id each time and not tell whether there is a row more.
    this.growMinute = this.db.prepare(`UPDATE minutes SET ${growths} WHERE tunnel = ? AND minute = ?`)
    this.addMinute = this.db.prepare(`INSERT INTO minutes (${names}, tunnel, minute) VALUES (${marks}, ?, ?)`)
    this.addTotal = this.db.prepare(
      `INSERT INTO totals (tunnel, ${names}) VALUES (?, ${marks}) ON CONFLICT (tunnel) DO UPDATE SET ${sums}`,
    )
    this.newest = this.db.prepare('SELECT since, id + records AS next FROM access_batches ORDER BY id DESC LIMIT 1')
    this.lastNumber = this.db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'access_batches'")
    this.before = this.db.prepare('SELECT id, records FROM access_batches WHERE since < ? ORDER BY since')
    this.oldest = this.db.prepare('SELECT id, records FROM access_batches ORDER BY id')
    this.deleteBatch = this.db.prepare('DELETE FROM access_batches WHERE id = ?')
    // The oldest rows have the lowest ids, so that a look at the first ones is enough.
    this.deleteMinutes = this.db.prepare(
      'DELETE FROM minutes WHERE id IN (SELECT id FROM (SELECT id, minute FROM minutes ORDER BY id LIMIT 100) WHERE minute < ?)',
    )
    // The next server may write before this one has stopped: each waits for the other.
    this.writeAll = this.db.transaction((batch: AccessBatch) => this.writeRows(batch)).immediate
    this.minuteRows = this.db.prepare<[], { count: number }>('SELECT COUNT(*) AS count FROM minutes').get()?.count ?? 0
    // A machine may start with a clock that is ahead: so much is certain that it was as late as this when it last wrote.
    this.clock = Math.min(Date.now(), this.newest.get()?.since ?? NEVER) - performance.now()
  }

  /** All or nothing. Throws what SQLite says. */
  write(batch: AccessBatch): void {
    this.minuteRows += this.writeAll(batch)
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
    for (const { id, since, lines } of this.batches(this.spanOf(from, to, before), tunnel)) {
      const all = lines.split('\n')
      for (let index = all.length - 1; index >= 0; index--) {
        const line = all[index] ?? ''
        if (id + index >= before || (tunnel !== undefined && !isOfTunnel(line, tunnel))) continue
        const record = accessRecord(line, id + index, since)
        const ended = endedAt(record)
        if (ended >= from && ended < to) found.push(record)
        if (found.length >= Math.min(limit, MAX_RECORDS)) return found
      }
    }
    return found
  }

  /** Where there are records of this time. Numbers alone do not tell: the clock may have been wrong for a while, or set back. */
  private spanOf(from: number, to: number, before: number): Span {
    if (from <= 0 && to >= NEVER) return { first: 0, end: before, since: 0, to }
    // A batch that began before `from` may have records that ended after it: those of a moment, and the last one before that,
    // however long it was gathered.
    const since =
      this.db
        .prepare<[number], { since: number | null }>('SELECT MAX(since) AS since FROM access_batches WHERE since < ?')
        .get(from - GATHER_MS)?.since ?? 0
    const numbers = this.db.prepare<[number, number], { first: number | null; last: number | null }>(NUMBERS)
    const { first, last } = numbers.get(since, to) ?? {}
    return { first: first ?? 0, end: Math.min(before, (last ?? -1) + 1), since, to }
  }

  /** The newest first, all that may have records of this span, of the tunnel if one is named. */
  private batches(span: Span, tunnel: string | undefined): Iterable<BatchRow> {
    if (tunnel === undefined) return this.db.prepare<[Span], BatchRow>(BATCHES).iterate(span)
    return this.db.prepare<[Span & { tunnel: string }], BatchRow>(BATCHES_OF_TUNNEL).iterate({ ...span, tunnel })
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

  /** Returns how many rows of figures there are more. */
  private writeRows({ records, tallies, minute }: AccessBatch): number {
    let added = 0
    if (records !== undefined) this.writeRecords(records)
    for (const { tunnel, values } of tallies) {
      if (this.growMinute.run(...values, tunnel, minute).changes === 0) {
        this.addMinute.run(...values, tunnel, minute)
        added++
      }
      this.addTotal.run(tunnel, ...values)
    }
    return added - this.forget(this.believedTime())
  }

  private writeRecords({ count, since, lines, tunnels }: AccessRecords): void {
    const id = this.newest.get()?.next ?? (this.lastNumber.get()?.seq ?? 0) + MORE_THAN_A_BATCH
    this.insertBatch.run(id, since, count, Buffer.from(lines.buffer, lines.byteOffset, lines.length))
    for (const tunnel of tunnels) this.insertTunnel.run(tunnel, id)
  }

  /** By which the age of what may go is told: a clock that is far ahead for a moment must not take everything along. */
  private believedTime(): number {
    const passed = performance.now()
    const clock = Date.now() - passed
    if (clock - this.clock <= DOUBT_MS) this.doubtedSince = undefined
    else this.doubtedSince ??= passed
    if (this.doubtedSince === undefined || passed - this.doubtedSince >= DOUBT_MS) this.clock = clock
    return this.clock + passed
  }

  /**
   * What is too old or too much goes, the oldest first. Its pages are used again, so that the file stops growing. Returns how
   * many rows of figures went.
   */
  private forget(now: number): number {
    this.forgetSome(this.before.iterate(now - this.limits.days * DAY_MS))
    if (this.recordBytes() > this.limits.bytes) this.forgetSome(this.oldest.iterate())
    return this.deleteMinutes.run(Math.floor(now / MINUTE_MS) - KEEP_MINUTES).changes
  }

  private forgetSome(batches: Iterable<OldBatch>): void {
    const ids: number[] = []
    let count = 0
    for (const { id, records } of batches) {
      ids.push(id)
      count += records
      if (count >= DELETE_RECORDS) break
    }
    for (const id of ids) this.deleteBatch.run(id)
  }

  private recordBytes(): number {
    const pages = this.pragma('page_count') - this.pragma('freelist_count')
    return pages * this.pragma('page_size') - this.minuteRows * MINUTE_ROW_BYTES
  }

  private pragma(name: string): number {
    return Number(this.db.pragma(name, { simple: true }))
  }
}
