// What is still open: looked at every few seconds, so that a download of an hour shows while it lasts and not at its end; how many
// there are is added up as their time, of which any span has its average.

/** Between two rounds, milliseconds. */
const ROUND_MS = 5_000
/** Looked at in one go, a quarter of a millisecond; the rest of the round follows after PAUSE_MS. */
const MAX_LOOKS = 2_000
const PAUSE_MS = 50
/** What a machine has slept through, nothing was open; milliseconds. */
const MAX_SPAN_MS = 30_000

/** Something under way, and what of its bytes is counted. */
export interface OpenTraffic {
  readonly tunnel: string
  readonly channel: {
    readonly bytesSent: number
    readonly bytesReceived: number
    countedSent: number
    countedReceived: number
  }
}

/** Which traffic is counted, and where its bytes are added. */
export interface OpenBytesOptions {
  /** All that is under way, one after the other; may be left for a while and gone on with. */
  readonly open: () => Iterator<OpenTraffic, unknown, undefined>
  /** So much has come from visitors, and gone to them, that was not counted. */
  readonly carried: (tunnel: string, bytesIn: number, bytesOut: number) => void
  /** What was under way since the last round, together: milliseconds of each. */
  readonly wereOpen: (tunnel: string, openMs: number) => void
  readonly clock: { now(): number; after(ms: number, call: () => void): { clear(): void } }
  /** Milliseconds until the next round of so many: on multiples of the clock, so that each minute has as many. */
  readonly untilRound: (everyMs: number) => number
}

/** Adds the bytes of open connections, and how long they were open, to the figures every few seconds, each once, until `end`. */
export class OpenBytes {
  private readonly options: OpenBytesOptions
  private timer: { clear(): void }
  private round: Iterator<OpenTraffic, unknown, undefined> | undefined
  /** Of this round: when it began, how long after the one before, and how many are open by tunnel. */
  private beganAt: number
  private spanMs = 0
  private readonly seen = new Map<string, number>()

  constructor(options: OpenBytesOptions) {
    this.options = options
    this.beganAt = options.clock.now()
    this.timer = this.after(ROUND_MS)
  }

  /** Counts no more. */
  end(): void {
    this.timer.clear()
    this.round = undefined
  }

  private after(ms: number): { clear(): void } {
    return this.options.clock.after(ms, () => {
      this.timer = this.after(this.look() ? this.options.untilRound(ROUND_MS) : PAUSE_MS)
    })
  }

  /** True: the round is over. */
  private look(): boolean {
    this.round ??= this.begin()
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const { value, done } = this.round.next()
      if (done) {
        this.round = undefined
        for (const [tunnel, count] of this.seen) this.options.wereOpen(tunnel, count * this.spanMs)
        return true
      }
      this.count(value)
    }
    return false
  }

  private begin(): Iterator<OpenTraffic, unknown, undefined> {
    const now = this.options.clock.now()
    this.spanMs = Math.min(now - this.beganAt, MAX_SPAN_MS)
    this.beganAt = now
    this.seen.clear()
    return this.options.open()
  }

  private count({ tunnel, channel }: OpenTraffic): void {
    this.seen.set(tunnel, (this.seen.get(tunnel) ?? 0) + 1)
    const { bytesSent, bytesReceived, countedSent, countedReceived } = channel
    if (bytesSent === countedSent && bytesReceived === countedReceived) return
    channel.countedSent = bytesSent
    channel.countedReceived = bytesReceived
    this.options.carried(tunnel, bytesSent - countedSent, bytesReceived - countedReceived)
  }
}
