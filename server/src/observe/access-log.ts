// The access log: one record for everything a visitor did, gathered in memory and handed on in batches; never in the way.
import { type AccessRecord, type VisitEnd, writeRecord } from './access-record.ts'
import { countFirstByte } from './first-bytes.ts'
import { Lines, MAX_FIELD_CHARS, printable } from './lines.ts'
import type { Log } from './log.ts'
import { RecordTail, type TailPage } from './record-tail.ts'
import type { Refusals } from './refusals.ts'
import { Tally, type TallyGrowth } from './tally.ts'

/** What is told about visitors. Called for each request: it must cost next to nothing and never throw. */
export interface AccessSink {
  /** Milliseconds since some moment, for `startedAt`. */
  now(): number
  /** It is over. */
  ended(visit: VisitEnd): void
  /** Turned away by the edge itself: counted always, recorded as long as there are not too many. */
  refused(visit: VisitEnd): void
  datagramDropped(tunnel: string): void
  /**
   * The allowlist does not have its sender. Counted with the refusals and never recorded: a sender is not told, may be forged
   * and goes on, and what is recorded of refusals in a second is for those who can be told.
   */
  datagramRefused(tunnel: string, sender: string): void
  /** A flow had to go for a newer one; `ended` tells of it too. */
  flowEvicted(tunnel: string): void
}

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

/** How long a record may wait for company, milliseconds: what a killed server loses. */
const FLUSH_MS = 250
/** A batch of these is worth its transaction. Putting it together takes well under a millisecond. */
const BATCH_RECORDS = 1_000
/** Such a batch with the longest of usual paths; longer ones make it smaller. */
const BATCH_BYTES = 512 * 1_024
/** Waiting for the disk at most, about 10 MB; what comes on top is dropped. */
const MAX_WAITING = 50_000
/** After a failure the disk is given this long, milliseconds. */
const RETRY_MS = 1_000
/** Refusals recorded in a second: a flood of them says nothing new. */
const MAX_REFUSALS_PER_SECOND = 50
/** Names counted apart; more come only from a client that makes them up. */
const MAX_TALLIES = 10_000
/** A closing server waits this long for its last batch, milliseconds. */
const CLOSE_MS = 2_000
/** Who begins to watch waits for the disk no longer than this. */
const SETTLE_MS = 1_000
/** Four texts of any length, and what is short. */
const MAX_LINE_CHARS = 4 * MAX_FIELD_CHARS + 300
const MINUTE_MS = 60_000

/** Upper bounds of the classes of durations, milliseconds; one more class has the rest. */
export const DURATION_BOUNDS_MS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000] as const

/** What an operator asks about the log itself. */
export interface AccessFigures {
  written: number
  /** Lost: the disk was slow, full or broken. */
  dropped: number
  /** Refusals that were counted and not recorded. */
  unrecorded: number
  failures: number
}

/** What is kept of visits, and where it is written. */
export interface AccessLogOptions {
  /** Undefined: nothing is kept, only counted. */
  readonly write: WriteBatch | undefined
  /** Only figures, no records. */
  readonly hasRecords: boolean
  /** Is told of those who are turned away by a rule. */
  readonly refusals: Refusals
  readonly log: Log
}

/** Counts every visit and writes records in batches. Drops records rather than delay traffic. */
export class AccessLog implements AccessSink {
  readonly tallies = new Map<string, Tally>()
  readonly figures: AccessFigures = { written: 0, dropped: 0, unrecorded: 0, failures: 0 }
  /** Answers by class of duration, and their sum. */
  readonly durations: number[] = Array.from({ length: DURATION_BOUNDS_MS.length + 1 }, () => 0)
  durationSumMs = 0
  /** Hears of each refusal; must cost next to nothing. The visit is not kept. */
  onRefused: (visit: VisitEnd) => void = () => {}
  private readonly options: AccessLogOptions
  private readonly timer: NodeJS.Timeout
  private readonly gathered = new Lines(BATCH_BYTES)
  private readonly gatheredTunnels = new Set<string>()
  /** When the first of these ended: since 1970, and by `now`. */
  private gatheredSince = 0
  private gatheredFrom = 0
  /** What waits for the disk, the oldest first. */
  private readonly sealed: AccessRecords[] = []
  private sealedRecords = 0
  /** Records for the disk since the start, and those of them that are on it or lost. */
  private accepted = 0
  private done = 0
  private writing: Promise<void> | undefined
  private isFailing = false
  private retryAt = 0
  /** There is one while it is being watched. */
  private tail: RecordTail | undefined
  /** Its readers. */
  watchers = 0
  private refusalsLeft = MAX_REFUSALS_PER_SECOND
  private refusalsSince = 0

  constructor(options: AccessLogOptions) {
    this.options = options
    this.timer = setInterval(() => this.flush(), FLUSH_MS).unref()
  }

  /** Records that wait for the disk. */
  get waitingRecords(): number {
    return this.sealedRecords + this.gathered.count
  }

  now(): number {
    return performance.now()
  }

  ended(visit: VisitEnd): void {
    const { kind } = visit
    const tally = this.tallyOf(visit.tunnel)
    const durationMs = performance.now() - visit.startedAt
    if (kind === 'http') {
      tally.requests++
      this.countDuration(durationMs)
      if (visit.firstByteAt > 0) countFirstByte(tally.firstBytes, visit.firstByteAt - visit.startedAt)
    } else if (kind === 'tcp') tally.connections++
    else if (kind === 'udp') tally.flows++
    else tally.upgrades++
    tally.countStatus(visit.status)
    if (visit.reason !== '') tally.broken++
    tally.bytesIn += visit.bytesIn - visit.countedIn
    tally.bytesOut += visit.bytesOut - visit.countedOut
    tally.hasGrown = true
    this.record(visit, tally.tunnel, durationMs)
  }

  refused(visit: VisitEnd): void {
    const tally = this.tallyOf(visit.tunnel)
    tally.refused++
    tally.countStatus(visit.status)
    tally.hasGrown = true
    this.onRefused(visit)
    this.options.refusals.visit(visit.visitor, tally.tunnel, visit.reason, visit)
    const now = performance.now()
    if (now - this.refusalsSince >= 1_000) {
      this.refusalsSince = now
      this.refusalsLeft = MAX_REFUSALS_PER_SECOND
    }
    if (this.refusalsLeft === 0) {
      this.figures.unrecorded++
      return
    }
    this.refusalsLeft--
    this.record(visit, tally.tunnel, now - visit.startedAt)
  }

  datagramDropped(tunnel: string): void {
    const tally = this.tallyOf(tunnel)
    tally.datagramsDropped++
    tally.hasGrown = true
  }

  datagramRefused(tunnel: string, sender: string): void {
    const tally = this.tallyOf(tunnel)
    tally.refused++
    tally.hasGrown = true
    this.options.refusals.note(sender, tally.tunnel, 'not-allowed')
  }

  /** Bytes that something open has carried since they were last counted; what it is does not count them again when it ends. */
  carried(tunnel: string, bytesIn: number, bytesOut: number): void {
    const tally = this.tallyOf(tunnel)
    tally.bytesIn += bytesIn
    tally.bytesOut += bytesOut
    tally.hasGrown = true
  }

  /**
   * Records as they come, until `signal` or the end of the log: see RecordTail. Also where none are kept. All from before it begun are on
   * disk, or lost, when its first page comes: one that asks for those then has all.
   */
  async *watch(
    matches: (record: AccessRecord) => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<TailPage, void, undefined> {
    this.tail ??= new RecordTail()
    this.watchers++
    try {
      const pages = this.tail.read(matches, signal)
      // It counts from here on.
      const first = await pages.next()
      await this.settled()
      if (first.done !== true) yield first.value
      yield* pages
    } finally {
      if (--this.watchers === 0) this.tail = undefined
    }
  }

  flowEvicted(tunnel: string): void {
    this.tallyOf(tunnel).flowsEvicted++
  }

  /** A cookie of an answer did not go on. */
  cookieStripped(tunnel: string): void {
    this.tallyOf(tunnel).cookiesStripped++
  }

  /** Writes what waits, as far as the disk takes it in time. */
  async close(): Promise<void> {
    clearInterval(this.timer)
    this.tail?.end()
    const deadline = performance.now() + CLOSE_MS
    this.retryAt = 0
    for (;;) {
      this.flush()
      const { writing } = this
      if (writing === undefined || performance.now() >= deadline) return
      await atMost(deadline - performance.now(), writing)
    }
  }

  /** When each record of now is on disk, or will not be soon. */
  private async settled(): Promise<void> {
    const deadline = performance.now() + SETTLE_MS
    const target = this.accepted
    this.seal()
    while (this.done < target && performance.now() < deadline) {
      this.flush()
      if (this.writing === undefined) return
      await atMost(deadline - performance.now(), this.writing)
    }
  }

  private record(visit: VisitEnd, tunnel: string, durationMs: number): void {
    if (this.tail !== undefined) this.tail.add(visit, tunnel, Math.round(durationMs * 1_000))
    if (!this.options.hasRecords) return
    if (this.waitingRecords >= MAX_WAITING) {
      this.figures.dropped++
      return
    }
    const endedAt = visit.startedAt + durationMs
    if (this.gathered.count === 0) {
      this.gatheredSince = Date.now()
      this.gatheredFrom = endedAt
    }
    writeRecord(this.gathered, visit, tunnel, Math.round(endedAt - this.gatheredFrom), Math.round(durationMs * 1_000))
    this.gatheredTunnels.add(tunnel)
    this.accepted++
    if (this.gathered.count < BATCH_RECORDS && this.gathered.hasRoom(MAX_LINE_CHARS)) return
    this.seal()
    this.flush()
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
    const grown: Tally[] = []
    for (const tally of this.tallies.values()) if (tally.hasGrown) grown.push(tally)
    if (this.waitingRecords === 0 && grown.length === 0) return
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
    this.writing = undefined
    this.figures.written += records
    this.done += records
    for (const tally of grown) tally.keep(true)
    if (this.isFailing) this.options.log.info('access log is written again', { dropped: this.figures.dropped })
    this.isFailing = false
    if (this.sealed.length > 0) this.flush()
  }

  /** The records are lost, so that memory is not; the figures go with the next batch. */
  private failed(error: unknown, records: number, grown: readonly Tally[]): void {
    this.writing = undefined
    this.retryAt = performance.now() + RETRY_MS
    this.figures.failures++
    this.figures.dropped += records
    this.done += records
    for (const tally of grown) tally.keep(false)
    if (!this.isFailing) this.options.log.error('access log cannot be written, records are lost', { error })
    this.isFailing = true
  }

  private tallyOf(tunnel: string): Tally {
    const known = this.tallies.get(tunnel)
    if (known !== undefined) return known
    if (this.tallies.size >= MAX_TALLIES && tunnel !== '') return this.tallyOf('')
    const tally = new Tally(printable(tunnel.slice(0, MAX_FIELD_CHARS)))
    this.tallies.set(tunnel, tally)
    return tally
  }

  private countDuration(ms: number): void {
    let at = 0
    while (at < DURATION_BOUNDS_MS.length && ms > (DURATION_BOUNDS_MS[at] ?? 0)) at++
    this.durations[at] = (this.durations[at] ?? 0) + 1
    this.durationSumMs += ms
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

/** Method and path: a query may hold secrets. */
export function summaryOf(method: string, target: string): string {
  const query = target.indexOf('?')
  return `${method} ${query < 0 ? target : target.slice(0, query)}`
}
