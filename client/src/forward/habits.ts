// How long a target keeps a connection on which nothing happens, as far as it has shown. Pure counting, time is passed in.
//
// It decides what is lent to the next request: a request on a connection that the target is about to close is lost, since it
// may have arrived and is not sent again, while a new connection to a target nearby costs next to nothing.

/** Half of the five seconds after which common servers close theirs: no connection that idled for longer is lent. */
export const IDLE_MS = 2_500
/** Of what a target says or has shown: it and this program may both be held up for a while. */
const SHARE = 0.5
/** Until a connection has stayed open for so long after an answer, none is lent: what closes without a word does so at once. */
const PROBATION_MS = 100
/** The same once the target has closed one that early, also when it says that it keeps them. */
const PROBATION_AGAIN_MS = 1_000
/** No server's time for idle connections is shorter: one that closes sooner closes for another reason, which is not known. */
const SHORT_MS = 1_000
/** What a target did so long ago and not since is forgotten: it may have been a restart. */
const FORGET_MS = 60_000

/** All times are milliseconds; `now` is a monotonic time that the caller passes in. */
export class Habits {
  /** The longest that a connection has idled and was open still. */
  private keptMs = 0
  /** The shortest after which the target closed one. */
  private closedMs = Number.POSITIVE_INFINITY
  private closedAt = Number.NEGATIVE_INFINITY
  /** The target has closed one early, and nothing it says is believed until one has lasted. */
  private isDoubted = false
  private mostUses = Number.POSITIVE_INFINITY

  /** How long a connection has to stay open before any is lent; 0: one has. */
  get probationMs(): number {
    const neededMs = this.isDoubted ? PROBATION_AGAIN_MS : PROBATION_MS
    return this.keptMs >= neededMs ? 0 : neededMs
  }

  /** Requests that one connection takes. */
  usesAt(now: number): number {
    this.forget(now)
    return this.mostUses
  }

  /**
   * How long a connection may have idled to be lent, 0 for not at all. `announcedMs`: how long the target said it keeps it,
   * undefined when it did not say.
   */
  lendableMs(now: number, announcedMs: number | undefined): number {
    this.forget(now)
    const shownMs = this.probationMs === 0 ? this.keptMs : 0
    const keptMs = Math.max(shownMs, this.isDoubted ? 0 : (announcedMs ?? 0))
    // Less than it has shown, when it says so.
    return Math.min(IDLE_MS, SHARE * Math.min(keptMs, this.closedMs, announcedMs ?? keptMs))
  }

  /** The same for one that nobody else may have, and whose visitor begins anew with another: it is kept as long as it is of use. */
  lendableToOwnerMs(now: number, announcedMs: number | undefined): number {
    this.forget(now)
    return Math.min(IDLE_MS, SHARE * Math.min(this.closedMs, announcedMs ?? Number.POSITIVE_INFINITY))
  }

  /** A connection has idled for so long and is open. */
  kept(ms: number): void {
    this.keptMs = Math.max(this.keptMs, ms)
    if (ms >= PROBATION_AGAIN_MS) this.isDoubted = false
  }

  /** The target closed a connection that had idled for so long, after so many requests. */
  closed(ms: number, uses: number, now: number): void {
    this.forget(now)
    this.closedAt = now
    if (ms >= SHORT_MS) {
      this.closedMs = Math.min(this.closedMs, ms)
      return
    }
    this.isDoubted = true
    this.keptMs = 0
    this.mostUses = Math.max(0, Math.min(this.mostUses, uses - 1))
  }

  private forget(now: number): void {
    if (now - this.closedAt < FORGET_MS) return
    this.closedMs = Number.POSITIVE_INFINITY
    this.mostUses = Number.POSITIVE_INFINITY
  }
}
