// Is the link alive both ways? Decided by acknowledgements and pongs, which only a working round trip brings.
import type { Clock, Timer } from '../clock.ts'
import { LINK_SILENCE_MS, PING_INTERVAL_MS } from '../limits.ts'

/** So much sooner than promised, for timers that come late. */
const EARLY_MS = 500
const PING_AFTER_MS = PING_INTERVAL_MS - EARLY_MS
const SILENT_AFTER_MS = LINK_SILENCE_MS - EARLY_MS

/** Calls `ping` on a quiet link, and `silent` when nothing has proven a round trip for LINK_SILENCE_MS, or after a probe. */
export class Liveness {
  private readonly clock: Clock
  private readonly ping: () => void
  private readonly silent: (forMs: number) => void
  private timer: Timer | undefined
  private probing: Timer | undefined
  private provenAt = 0
  private pingedAt = 0

  constructor(clock: Clock, ping: () => void, silent: (forMs: number) => void) {
    this.clock = clock
    this.ping = ping
    this.silent = silent
  }

  start(): void {
    this.provenAt = this.clock.now()
    this.pingedAt = this.provenAt
    this.plan()
  }

  stop(): void {
    this.timer?.clear()
    this.timer = undefined
    this.answered()
  }

  /**
   * Pings at once, and calls `silent` when that has no answer within `withinMs`. What came before, and is only read now, proves nothing.
   * Nothing while another probe is under way.
   */
  probe(withinMs: number): void {
    if (this.timer === undefined || this.probing !== undefined) return
    const isUnanswered = () => this.probing !== undefined
    this.probing = this.clock.after(withinMs, () =>
      // In a process that was held up the answer may be there, unread.
      this.clock.afterIo(() => {
        if (!isUnanswered()) return
        this.stop()
        this.silent(withinMs)
      }),
    )
    this.pingedAt = this.clock.now()
    this.ping()
  }

  /** The answer to the newest ping came. */
  answered(): void {
    this.probing?.clear()
    this.probing = undefined
  }

  /** An acknowledgement of something new or a pong came. */
  proven(now: number): void {
    this.provenAt = now
  }

  /** Sleeps until there is something to do, as far as is known now: a machine at rest should rest. */
  private plan(): void {
    const dueAt = Math.min(this.pingDueAt, this.provenAt + SILENT_AFTER_MS)
    this.timer = this.clock.after(Math.max(1, dueAt - this.clock.now()), () => this.check())
  }

  private get pingDueAt(): number {
    return Math.max(this.provenAt, this.pingedAt) + PING_AFTER_MS
  }

  private check(): void {
    const now = this.clock.now()
    if (now - this.provenAt >= SILENT_AFTER_MS) {
      this.stop()
      this.silent(LINK_SILENCE_MS)
      return
    }
    if (now >= this.pingDueAt) {
      this.pingedAt = now
      this.ping()
    }
    this.plan()
  }
}
