// The database of the access log and the figures by minute, as it is written; log-reader.ts reads it.
//
// A file and a connection of their own, in a worker thread: nothing of what writing costs is paid by the thread that carries
// traffic, no lock is shared with what must be remembered, and a file that is full or damaged harms only itself. A power cut
// may cost the last moments (`synchronous = NORMAL`); what was acknowledged survives the process. Prepared statements instead
// of Prisma's client, which costs some ten times as much a row; and records in batches, a row for a thousand of them.
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { AccessBatch, AccessRecords } from '../observe/batches.ts'
import { KEPT_FIELDS, TALLY_FIELDS, type TallyGrowth } from '../observe/tally.ts'
import { RollUps } from './log-roll-ups.ts'
import { ALL_TUNNELS, LOG_FILE, MIGRATIONS } from './log-schema.ts'
import { BUSY_TIMEOUT_MS, migrate } from './migrate.ts'

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** 13 months. */
const KEEP_MINUTES = 396 * 24 * 60
/** A row of figures with its indexes, bytes; not counted against the records' limit. */
const FIGURE_ROW_BYTES = 170
/** Deleted at least with each batch while there is too much: more than a batch adds, little enough to be quick. */
const DELETE_RECORDS = 3_000
/** Rows of figures deleted with each batch: more than come with it in the long run. */
const DELETE_MINUTES = 100
/** More than a batch has: where every batch is gone, the last one's number is known and not how many records it had. */
const MORE_THAN_A_BATCH = 1_000_000
/** A clock further ahead than this, milliseconds, is not believed before it has been so for as long. */
const DOUBT_MS = 3_600_000

/** Records that are older are deleted, and the oldest ones while they take more bytes than this. */
export interface LogLimits {
  readonly days: number
  readonly bytes: number
}

const NEVER = Number.MAX_SAFE_INTEGER

interface OldBatch {
  readonly id: number
  readonly records: number
}

/** The only connection of the process that writes this file; synchronous, for its own thread. */
export class LogDatabase {
  private readonly db: Database.Database
  private readonly limits: LogLimits
  private readonly insertBatch: Database.Statement
  private readonly insertTunnel: Database.Statement
  private readonly growMinute: Database.Statement
  private readonly addMinute: Database.Statement
  private readonly addTotal: Database.Statement
  private readonly rollUps: RollUps
  private readonly newest: Database.Statement<[], { since: number; next: number }>
  private readonly lastNumber: Database.Statement<[], { seq: number }>
  private readonly before: Database.Statement<[number], OldBatch>
  private readonly oldest: Database.Statement<[], OldBatch>
  private readonly deleteBatch: Database.Statement<[number]>
  private readonly deleteMinutes: Database.Statement<[number]>
  private readonly writeAll: (batch: AccessBatch) => number
  /** Rows of figures. To count them takes a tenth of a second for a million; a few that another server adds do not matter. */
  private figureRows: number
  /** The time less what `performance.now` says, as it is believed, and since when the clock has been ahead of that. */
  private clock: number
  private doubtedSince: number | undefined

  /** Makes or opens it. Throws what SQLite says, and Failure. */
  constructor(dataDir: string, limits: LogLimits) {
    const file = join(dataDir, LOG_FILE)
    // Made private first: SQLite gives its journal files the same permissions.
    closeSync(openSync(file, 'a', 0o600))
    migrate(file, MIGRATIONS, { isLog: true })
    this.limits = limits
    this.db = new Database(file, { timeout: BUSY_TIMEOUT_MS })
    this.db.pragma('journal_mode = WAL')
    this.db.pragma('synchronous = NORMAL')
    this.insertBatch = this.db.prepare('INSERT INTO access_batches VALUES (?, ?, ?, CAST(? AS TEXT))')
    this.insertTunnel = this.db.prepare('INSERT INTO access_tunnels (tunnel, since, batchId) VALUES (?, ?, ?)')
    const [names, totals] = [KEPT_FIELDS.join(', '), TALLY_FIELDS.join(', ')]
    const marks = (fields: readonly string[]) => fields.map(() => '?').join(', ')
    const sums = TALLY_FIELDS.map(name => `${name} = ${name} + excluded.${name}`).join(', ')
    const growths = KEPT_FIELDS.map(name => `${name} = ${name} + ?`).join(', ')
    // Not in one, which would take an id each time and not tell whether there is a row more.
    this.growMinute = this.db.prepare(`UPDATE minutes SET ${growths} WHERE tunnel = ? AND minute = ?`)
    this.addMinute = this.db.prepare(
      `INSERT INTO minutes (${names}, tunnel, minute) VALUES (${marks(KEPT_FIELDS)}, ?, ?)`,
    )
    this.addTotal = this.db.prepare(
      `INSERT INTO totals (tunnel, ${totals}) VALUES (?, ${marks(TALLY_FIELDS)}) ON CONFLICT (tunnel) DO UPDATE SET ${sums}`,
    )
    this.rollUps = new RollUps(this.db)
    this.newest = this.db.prepare('SELECT since, id + records AS next FROM access_batches ORDER BY id DESC LIMIT 1')
    this.lastNumber = this.db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'access_batches'")
    this.before = this.db.prepare('SELECT id, records FROM access_batches WHERE since < ? ORDER BY since')
    this.oldest = this.db.prepare('SELECT id, records FROM access_batches ORDER BY id')
    this.deleteBatch = this.db.prepare('DELETE FROM access_batches WHERE id = ?')
    this.deleteMinutes = this.db.prepare(
      `DELETE FROM minutes WHERE id IN (SELECT id FROM minutes WHERE minute < ? LIMIT ${DELETE_MINUTES})`,
    )
    // The next server may write before this one has stopped: each waits for the other.
    this.writeAll = this.db.transaction((batch: AccessBatch) => this.writeRows(batch)).immediate
    const counts = ['minutes', 'hours', 'days'].map(table => `(SELECT COUNT(*) FROM ${table})`).join(' + ')
    this.figureRows = this.db.prepare<[], { count: number }>(`SELECT ${counts} AS count`).get()?.count ?? 0
    // A machine may start with a clock that is ahead: so much is certain that it was as late as this when it last wrote.
    this.clock = Math.min(Date.now(), this.newest.get()?.since ?? NEVER) - performance.now()
  }

  /** All or nothing. Throws what SQLite says. */
  write(batch: AccessBatch): void {
    this.figureRows += this.writeAll(batch)
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

  /** Returns how many rows of figures there are more. */
  private writeRows({ records, tallies, minute }: AccessBatch): number {
    let added = 0
    const now = this.believedTime()
    if (records !== undefined) this.writeRecords(records)
    for (const { tunnel, values } of tallies) {
      added += this.grow(tunnel, minute, values)
      this.addTotal.run(tunnel, ...values.slice(0, TALLY_FIELDS.length))
    }
    if (tallies.length > 0) {
      added += this.grow(ALL_TUNNELS, minute, sumOf(tallies))
      added += this.rollUps.wrote(minute, Math.floor(now / MINUTE_MS))
    }
    return added - this.forget(now)
  }

  private grow(tunnel: string, minute: number, values: readonly number[]): number {
    if (this.growMinute.run(...values, tunnel, minute).changes > 0) return 0
    this.addMinute.run(...values, tunnel, minute)
    return 1
  }

  private writeRecords({ count, since, lines, tunnels }: AccessRecords): void {
    const id = this.newest.get()?.next ?? (this.lastNumber.get()?.seq ?? 0) + MORE_THAN_A_BATCH
    this.insertBatch.run(id, since, count, Buffer.from(lines.buffer, lines.byteOffset, lines.length))
    for (const tunnel of tunnels) this.insertTunnel.run(tunnel, since, id)
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
    return pages * this.pragma('page_size') - this.figureRows * FIGURE_ROW_BYTES
  }

  private pragma(name: string): number {
    return Number(this.db.pragma(name, { simple: true }))
  }
}

function sumOf(tallies: readonly TallyGrowth[]): number[] {
  return KEPT_FIELDS.map((_, index) => tallies.reduce((sum, { values }) => sum + (values[index] ?? 0), 0))
}
