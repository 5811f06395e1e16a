// The access log: counts everything that visitors do, and has one record of each for the disk and for those who watch.
import type { AccessRecord, VisitEnd } from './access-record.ts'
import { type AccessFigures, Batches, type WriteBatch } from './batches.ts'
import { countFirstByte } from './first-bytes.ts'
import { MAX_FIELD_CHARS, printable } from './lines.ts'
import type { Log } from './log.ts'
import { RecordTail, type TailPage } from './record-tail.ts'
import type { Refusals } from './refusals.ts'
import { Tally } from './tally.ts'

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

/** Refusals recorded in a second: a flood of them says nothing new. */
const MAX_REFUSALS_PER_SECOND = 50
/** Names counted apart; more come only from a client that makes them up. */
const MAX_TALLIES = 10_000

/** Upper bounds of the classes of durations, milliseconds; one more class has the rest. */
export const DURATION_BOUNDS_MS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000] as const

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
  private readonly batches: Batches
  /** There is one while it is being watched. */
  private tail: RecordTail | undefined
  /** Its readers. */
  watchers = 0
  private refusalsLeft = MAX_REFUSALS_PER_SECOND
  private refusalsSince = 0

  constructor(options: AccessLogOptions) {
    this.options = options
    this.batches = new Batches({ ...options, figures: this.figures, grown: () => this.grown() })
  }

  /** Records that wait for the disk. */
  get waitingRecords(): number {
    return this.batches.waiting
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
    // One that was told so, as by 502, is among those answers: what failed is the sum of both.
    if (visit.reason !== '' && visit.status < 500) tally.broken++
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

  /** What is open has been so for this long, all together, milliseconds. */
  wereOpen(tunnel: string, openMs: number): void {
    const tally = this.tallyOf(tunnel)
    tally.openMs += Math.round(openMs)
    tally.hasGrown = true
  }

  /**
   * Records as they come, until `signal` or the end of the log: see RecordTail. Also where none are kept. When its first page comes, those
   * from before are on disk, or lost: a reader that asks for them then misses none.
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
      await this.batches.settled()
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
    this.tail?.end()
    await this.batches.close()
  }

  private record(visit: VisitEnd, tunnel: string, durationMs: number): void {
    if (this.tail !== undefined) this.tail.add(visit, tunnel, Math.round(durationMs * 1_000))
    if (this.options.hasRecords) this.batches.add(visit, tunnel, durationMs)
  }

  private grown(): Tally[] {
    const grown: Tally[] = []
    for (const tally of this.tallies.values()) if (tally.hasGrown) grown.push(tally)
    return grown
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

/** Method and path: a query may hold secrets. */
export function summaryOf(method: string, target: string): string {
  const query = target.indexOf('?')
  return `${method} ${query < 0 ? target : target.slice(0, query)}`
}
