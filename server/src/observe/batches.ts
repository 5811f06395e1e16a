// Records on their way to the disk: gathered in memory, written in batches one after the other; never in the way of a visitor.
import { type VisitEnd, writeRecord } from './access-record.ts'
import { Lines, MAX_FIELD_CHARS } from './lines.ts'
import type { Log } from './log.ts'
import type { Tally, TallyGrowth } from './tally.ts'

/** What is over, in the order in which it ended. */
export interface AccessRecords {
  readonly count: number
  /** When the first one ended, milliseconds since 1970. */
  readonly since: number
  /** As `writeRecord` makes them, with line breaks between, in UTF-8. */
  readonly lines: Uint8Array
  /** Whose they are, each name once. */
  readonly tunnels: readonly string[]
}

/** What is written together: records, and how much the figures have grown. */
export interface AccessBatch {
  /** Undefined: only figures have grown. */
  readonly records: AccessRecords | undefined
  readonly tallies: readonly TallyGrowth[]
  /** Minutes since 1970. */
  readonly minute: number
}

/** Writes a batch, all or nothing; rejects when it could not. */
export type WriteBatch = (batch: AccessBatch) => Promise<void>

/** What an operator asks about the log itself. */
export interface AccessFigures {
  written: number
  /** Lost: the disk was slow, full or broken. */
  dropped: number
  /** Refusals that were counted and not recorded. */
  unrecorded: number
  failures: number
}

/** Where records go, and what goes with them. */
export interface BatchesOptions {
  /** Undefined: nothing is written. */
  readonly write: WriteBatch | undefined
  /** The figures that have grown since they were last written. */
  readonly grown: () => readonly Tally[]
  /** Counts what becomes of records. */
  readonly figures: AccessFigures
  readonly log: Log
}

/** How long a record may wait for company, milliseconds: what a killed server loses. */
const FLUSH_MS = 250
/** How often it is looked for figures that have grown without a record. */
const FIGURES_MS = 1_000
/** A batch of these is worth its transaction. Putting it together takes well under a millisecond. */
const BATCH_RECORDS = 1_000
/** Such a batch with the longest of usual paths; longer ones make it smaller. */
const BATCH_BYTES = 512 * 1_024
/** Four texts of any length, and what is short. */
const MAX_LINE_CHARS = 4 * MAX_FIELD_CHARS + 300
/** Waiting for the disk at most, about 10 MB; what comes on top is dropped. */
const MAX_WAITING = 50_000
/** After a failure the disk is given this long, milliseconds. */
const RETRY_MS = 1_000
/** A closing server waits this long for its last batch, milliseconds. */
const CLOSE_MS = 2_000
/** A reader waits no longer for the records of now, milliseconds. */
const SETTLE_MS = 1_000
const MINUTE_MS = 60_000

/** Writes four times a second while there are records, and whenever a batch is full. Drops records rather than delay traffic. */
export class Batches {
  private readonly options: BatchesOptions
  private readonly timer: NodeJS.Timeout
  /** While records wait. */
  private soon: NodeJS.Timeout | undefined
  private readonly gathered = new Lines(BATCH_BYTES)
  private readonly gatheredTunnels = new Set<string>()
  /** When the first of these ended: since 1970, and on the clock of `startedAt`. */
  private gatheredSince = 0
  private gatheredFrom = 0
  /** What waits for the disk, the oldest first. */
  private readonly sealed: AccessRecords[] = []
  private sealedRecords = 0
  /** Records since the start, and those of them that are on disk or lost. */
  private accepted = 0
  private done = 0
  private writing: Promise<void> | undefined
  private isFailing = false
  private retryAt = 0

  constructor(options: BatchesOptions) {
    this.options = options
    this.timer = setInterval(() => this.flush(), FIGURES_MS).unref()
  }

  /** Records that wait for the disk. */
  get waiting(): number {
    return this.sealedRecords + this.gathered.count
  }

  /** The visit ends now, after `durationMs`. */
  add(visit: VisitEnd, tunnel: string, durationMs: number): void {
    if (this.waiting >= MAX_WAITING) {
      this.options.figures.dropped++
      return
    }
    const endedAt = visit.startedAt + durationMs
    if (this.gathered.count === 0) {
      this.gatheredSince = Date.now()
      this.gatheredFrom = endedAt
      this.flushSoon()
    }
    writeRecord(this.gathered, visit, tunnel, Math.round(endedAt - this.gatheredFrom), Math.round(durationMs * 1_000))
    this.gatheredTunnels.add(tunnel)
    this.accepted++
    if (this.gathered.count < BATCH_RECORDS && this.gathered.hasRoom(MAX_LINE_CHARS)) return
    this.seal()
    this.flush()
  }

  /** Resolves when each record of now is on disk or lost, or when the disk does not take them in time. */
  async settled(): Promise<void> {
    const deadline = performance.now() + SETTLE_MS
    const target = this.accepted
    this.seal()
    while (this.done < target && performance.now() < deadline) {
      this.flush()
      if (this.writing === undefined) return
      await atMost(deadline - performance.now(), this.writing)
    }
  }

  /** Writes what waits, as far as the disk takes it in time. */
  async close(): Promise<void> {
    clearInterval(this.timer)
    clearTimeout(this.soon)
    const deadline = performance.now() + CLOSE_MS
    this.retryAt = 0
    for (;;) {
      this.flush()
      const { writing } = this
      if (writing === undefined || performance.now() >= deadline) return
      await atMost(deadline - performance.now(), writing)
    }
  }

  private flushSoon(): void {
    this.soon ??= setTimeout(() => {
      this.soon = undefined
      this.flush()
      // The disk may not have taken all of them.
      if (this.waiting > 0) this.flushSoon()
    }, FLUSH_MS).unref()
  }

  private seal(): void {
    const { count } = this.gathered
    if (count === 0) return
    const tunnels = [...this.gatheredTunnels]
    this.sealed.push({ count, since: this.gatheredSince, lines: this.gathered.take(), tunnels })
    this.sealedRecords += count
    this.gatheredTunnels.clear()
  }

  private flush(): void {
    const { write } = this.options
    if (this.writing !== undefined || write === undefined || performance.now() < this.retryAt) return
    const grown = this.options.grown()
    if (this.waiting === 0 && grown.length === 0) return
    if (this.sealed.length === 0) this.seal()
    const records = this.sealed.shift()
    const count = records?.count ?? 0
    this.sealedRecords -= count
    const minute = Math.floor(Date.now() / MINUTE_MS)
    this.writing = write({ records, tallies: grown.map(tally => tally.growth()), minute }).then(
      () => this.wrote(count, grown),
      (error: unknown) => this.failed(error, count, grown),
    )
  }

  private wrote(records: number, grown: readonly Tally[]): void {
    const { figures, log } = this.options
    this.writing = undefined
    figures.written += records
    this.done += records
    for (const tally of grown) tally.keep(true)
    if (this.isFailing) log.info('access log is written again', { dropped: figures.dropped })
    this.isFailing = false
    if (this.sealed.length > 0) this.flush()
  }

  /** The records are lost, so that memory is not; the figures go with the next batch. */
  private failed(error: unknown, records: number, grown: readonly Tally[]): void {
    const { figures, log } = this.options
    this.writing = undefined
    this.retryAt = performance.now() + RETRY_MS
    figures.failures++
    figures.dropped += records
    this.done += records
    for (const tally of grown) tally.keep(false)
    if (!this.isFailing) log.error('access log cannot be written, records are lost', { error })
    this.isFailing = true
  }
}

/** Waits for the end of what never fails, but no longer than this, milliseconds. */
async function atMost(ms: number, what: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, Math.max(0, ms))
  })
  await Promise.race([what, late])
  clearTimeout(timer)
}
