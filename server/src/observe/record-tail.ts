// Records of the access log as they come, for its readers: a ring of the latest ones. There is one only while one
// watches, so that it costs the way of a request nothing otherwise.
import { type AccessRecord, copyRecord, type VisitEnd } from './access-record.ts'

/** Records that wait for their readers; about 2 MiB. A reader that is further behind misses the oldest. */
const MAX_WAITING = 4_096
/** Records told at once: with GATHER_MS 2,000 a second, which nobody can read, and which cost 2 % of the traffic's thread. */
const MAX_PAGE = 200
/** What comes within this time, milliseconds, is told together. */
const GATHER_MS = 100

/** Some records, the oldest first. */
export interface TailPage {
  readonly records: readonly AccessRecord[]
  /** Came too fast to be told, since the page before. */
  readonly dropped: number
}

/** Passes new records to any number of readers; a slow one misses some, and is told how many. */
export class RecordTail {
  private readonly ring: AccessRecord[] = []
  /** Records since it was made. */
  private count = 0
  private isOver = false
  private readonly waiting = new Set<() => void>()
  private timer: NodeJS.Timeout | undefined

  /** `durationUs`: how long the visit took; it ends now. */
  add(visit: VisitEnd, tunnel: string, durationUs: number): void {
    this.ring[this.count % MAX_WAITING] = copyRecord(visit, tunnel, Date.now(), durationUs)
    this.count++
    this.arm()
  }

  /**
   * First an empty page, which tells that it has begun; then what comes from now on, as far as `matches` takes it, until
   * `signal` or `end`.
   */
  async *read(
    matches: (record: AccessRecord) => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<TailPage, void, undefined> {
    let next = this.count
    let dropped = 0
    yield { records: [], dropped }
    while (!signal.aborted && !this.isOver) {
      if (next < this.count) this.arm()
      await this.more(signal)
      const missed = Math.max(0, this.count - MAX_WAITING - next)
      dropped += missed
      next += missed
      const records: AccessRecord[] = []
      for (; next < this.count && records.length < MAX_PAGE; next++) {
        const record = this.ring[next % MAX_WAITING]
        if (record !== undefined && matches(record)) records.push(record)
      }
      if (records.length === 0 && dropped === 0) continue
      yield { records, dropped }
      dropped = 0
    }
  }

  /** No reader is told anything more. */
  end(): void {
    this.isOver = true
    this.wake()
  }

  private arm(): void {
    this.timer ??= setTimeout(() => this.wake(), GATHER_MS).unref()
  }

  private wake(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    for (const call of [...this.waiting]) call()
  }

  private async more(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.isOver) return
    await new Promise<void>(resolve => {
      const done = () => {
        this.waiting.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.waiting.add(done)
      signal.addEventListener('abort', done)
    })
  }
}
