// Writes to the database what need not be waited for: gathered for a moment, in batches, with a bound; what the database refuses is tried again.
import type { Clock, Timer } from '@pbt/proto'

/** How long something may wait for company, milliseconds: what a killed process loses. */
const GATHER_MS = 100
/** In one transaction: a few milliseconds. */
const BATCH = 500
/** Waiting at most; then the oldest go. About 10 MB. */
const MAX_WAITING = 10_000
/** After a failure the database is given this long, milliseconds. */
const RETRY_MS = 1_000
/** A closing process waits this long for its last batches, milliseconds. */
const END_MS = 2_000

/** How a batch is written, and what hears of failures. */
export interface WriteBehindOptions<T> {
  /** Writes all or none. */
  readonly write: (batch: readonly T[]) => Promise<void>
  /** Writing failed, and before that it did not. */
  readonly onFailure: (error: unknown) => void
  /** It works again; so many had to go since this was called last. */
  readonly onRecovery: (lost: number) => void
  readonly clock: Clock
}

/** One batch at a time, in the order in which things were added; the oldest go when too many wait. */
export class WriteBehind<T> {
  /** That had to go since the start. */
  lost = 0
  private readonly options: WriteBehindOptions<T>
  private waiting: T[] = []
  private timer: Timer | undefined
  private writing: Promise<void> | undefined
  private isFailing = false
  private lostTold = 0
  private isOver = false

  constructor(options: WriteBehindOptions<T>) {
    this.options = options
  }

  /** Never throws, and does no I/O. */
  add(item: T): void {
    if (this.isOver) return
    this.waiting.push(item)
    if (this.waiting.length > MAX_WAITING) {
      // A tenth at once: taking one from the front of a long list each time would cost too much.
      this.lost += this.waiting.splice(0, MAX_WAITING / 10).length
    }
    this.plan(GATHER_MS)
  }

  /** Resolves when everything that was added before is written, or has failed once. */
  async flush(): Promise<void> {
    this.timer?.clear()
    this.timer = undefined
    while (this.waiting.length > 0 || this.writing !== undefined) {
      await (this.writing ?? this.writeSome())
      if (this.isFailing) return
    }
  }

  /** Takes nothing more; resolves when everything is written, at the latest after `END_MS`. */
  async end(): Promise<void> {
    const late = Promise.withResolvers<void>()
    const timer = this.options.clock.after(END_MS, late.resolve)
    await Promise.race([this.flush(), late.promise])
    timer.clear()
    this.isOver = true
    this.timer?.clear()
    this.lost += this.waiting.length
    this.waiting = []
  }

  private plan(ms: number): void {
    if (this.timer !== undefined || this.writing !== undefined || this.isOver) return
    this.timer = this.options.clock.after(ms, () => {
      this.timer = undefined
      void this.writeSome()
    })
  }

  /** Never rejects. */
  private writeSome(): Promise<void> {
    this.timer?.clear()
    this.timer = undefined
    const batch = this.waiting.splice(0, BATCH)
    const written = this.options.write(batch).then(
      () => this.wrote(),
      (error: unknown) => this.failed(error, batch),
    )
    this.writing = written
    return written
  }

  private wrote(): void {
    this.writing = undefined
    const lost = this.lost - this.lostTold
    if (this.isFailing || lost > 0) {
      this.isFailing = false
      this.lostTold = this.lost
      this.options.onRecovery(lost)
    }
    if (this.waiting.length > 0) this.plan(0)
  }

  private failed(error: unknown, batch: readonly T[]): void {
    this.writing = undefined
    this.waiting = [...batch, ...this.waiting]
    if (!this.isFailing) this.options.onFailure(error)
    this.isFailing = true
    this.plan(RETRY_MS)
  }
}
