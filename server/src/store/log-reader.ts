// The access log's database as it is read: by a connection of its own that cannot write, in steps of a batch each, so that no
// search holds up the writer, whose journal starts anew only when nothing reads.
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { type AccessRecord, accessRecord, endedAt, isOfTunnel, RecordLine } from '../observe/access-record.ts'
import type { TALLY_FIELDS } from '../observe/tally.ts'
import { type Matcher, matcherOf } from '../owner/record-filter.ts'
import type { FoundRecords, RecordPosition, RecordQuery } from '../owner/record-search.ts'
import { LogFigures } from './log-figures.ts'
import { GATHER_MS, LOG_FILE } from './log-schema.ts'
import { BUSY_TIMEOUT_MS } from './migrate.ts'

const NEVER = Number.MAX_SAFE_INTEGER

/** A tunnel's figures since it was first seen. */
export type TotalRow = Readonly<Record<(typeof TALLY_FIELDS)[number], number>> & { readonly tunnel: string }

interface BatchRow {
  readonly id: number
  readonly since: number
  readonly lines: string
}

/** The batch to read next: the newest one not after this. */
interface Place {
  readonly since: number
  readonly id: number
}

// For their test.
export const NEXT_BATCH = `SELECT id, since, lines FROM access_batches
  WHERE since <= $since AND (since < $since OR id <= $id) ORDER BY since DESC, id DESC LIMIT 1`
/** The same among the batches with records of one tunnel. */
export const NEXT_OF_TUNNEL = `SELECT id, t.since AS since, lines FROM access_tunnels t JOIN access_batches ON id = batchId
  WHERE tunnel = $tunnel AND t.since <= $since AND (t.since < $since OR batchId <= $id)
  ORDER BY t.since DESC, batchId DESC LIMIT 1`

/** Owns its connection, which can only read; synchronous, for its own thread. */
export class LogReader {
  readonly figures: LogFigures
  private readonly db: Database.Database
  private readonly nextBatch: Database.Statement<[Place], BatchRow>
  private readonly nextOfTunnel: Database.Statement<[Place & { tunnel: string }], BatchRow>

  /** The database has to be there and of this version. Throws what SQLite says. */
  constructor(dataDir: string) {
    this.db = new Database(join(dataDir, LOG_FILE), { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS })
    try {
      this.nextBatch = this.db.prepare(NEXT_BATCH)
      this.nextOfTunnel = this.db.prepare(NEXT_OF_TUNNEL)
      this.figures = new LogFigures(this.db)
    } catch (error) {
      this.db.close()
      throw error
    }
  }

  close(): void {
    this.db.close()
  }

  /**
   * Ends when the page is full, when all was looked at, or after the batch in which `budgetMs` is over. `rest`: called between
   * batches with the milliseconds that are left, which it may use. Throws Failure `usage`.
   */
  search(
    { filter, from = 0, to = NEVER, pageSize, position }: RecordQuery,
    budgetMs: number,
    rest: (leftMs: number) => void = () => {},
  ): FoundRecords {
    const deadline = performance.now() + budgetMs
    const page = new Page(matcherOf(filter), filter.tunnel, { from, to, pageSize })
    let at: RecordPosition = position ?? { since: to - 1, batch: NEVER, index: NEVER }
    let isLast = false
    for (;;) {
      const row = this.next(at, filter.tunnel)
      // The first batch that began before the time, by more than one is gathered in, may have been gathered longer.
      if (row === undefined || isLast) return page.found(undefined, from > 0 ? from : page.oldest)
      isLast = row.since < from - GATHER_MS
      const index = page.take(row, row.id === at.batch ? at.index : NEVER)
      at = { since: row.since, batch: row.id, index }
      if (!page.isFull) rest(deadline - performance.now())
      if (page.isFull || performance.now() >= deadline) return page.found(at, page.oldest)
    }
  }

  /** Since each tunnel was first seen. */
  totals(): TotalRow[] {
    return this.db.prepare<[], TotalRow>('SELECT * FROM totals ORDER BY tunnel').all()
  }

  private next({ since, batch, index }: RecordPosition, tunnel: string | undefined): BatchRow | undefined {
    const place = { since, id: index > 0 ? batch : batch - 1 }
    return tunnel === undefined ? this.nextBatch.get(place) : this.nextOfTunnel.get({ ...place, tunnel })
  }
}

interface Limits {
  readonly from: number
  readonly to: number
  readonly pageSize: number
}

class Page {
  private readonly matcher: Matcher
  private readonly tunnel: string | undefined
  private readonly limits: Limits
  private readonly records: AccessRecord[] = []
  /** How far back it has looked. */
  oldest: number | undefined

  constructor(matcher: Matcher, tunnel: string | undefined, limits: Limits) {
    this.matcher = matcher
    this.tunnel = tunnel
    this.limits = limits
  }

  get isFull(): boolean {
    return this.records.length >= this.limits.pageSize
  }

  /** Takes what fits of the batch's records before `end`, the last one first, and returns before which it stopped. */
  take({ id, since, lines }: BatchRow, end: number): number {
    const { matcher, tunnel, limits } = this
    this.oldest = Math.min(since, this.oldest ?? NEVER)
    if (!matcher.mayBeIn(lines)) return 0
    const all = lines.split('\n')
    let index = Math.min(end, all.length)
    while (index > 0 && !this.isFull) {
      const line = all[--index] ?? ''
      if (tunnel !== undefined && !isOfTunnel(line, tunnel)) continue
      if (!matcher.fits(new RecordLine(line))) continue
      const record = accessRecord(line, id + index, since)
      const ended = endedAt(record)
      if (ended >= limits.from && ended < limits.to) this.records.push(record)
    }
    if (index > 0) {
      const last = this.records.at(-1)
      this.oldest = last === undefined ? since : endedAt(last)
    }
    return index
  }

  found(next: RecordPosition | undefined, searchedBackTo: number | undefined): FoundRecords {
    return { records: this.records, next, searchedBackTo }
  }
}
