// Whether the body of a request comes as fast as it has to where room is short: one that trickles holds a channel and its target
// for ever.

/** A body may fall behind its least rate by this at first, and by the second when it came faster before. */
const SLOW_BODY_GRACE_SECONDS = 10
const SLOW_BODY_MOST_SECONDS = 60

/** How fast one request's body comes, in bytes a second. Time in which it could not come is left out. */
export class BodyPace {
  /** The channel has told to wait: a body that does not come is not the visitor's fault. */
  isPaused = false
  /** The visitor holds the body back until an interim answer asks for it (RFC 9110 section 10.1.1). */
  private isHeld: boolean
  /** Bytes by which the body came faster than it has to; the seconds of grace count as some. */
  private lead = Number.NaN

  constructor(isHeld: boolean) {
    this.isHeld = isHeld
  }

  came(bytes: number): void {
    this.isHeld = false
    this.lead += bytes
  }

  /** An interim answer has asked for it. */
  asked(): void {
    this.isHeld = false
  }

  /**
   * Called once a second while the body is waited for: whether it comes at less than `leastRate` bytes a second, 0 for any. One that
   * was slow and comes fast enough again is so no longer.
   */
  isTooSlow(leastRate: number): boolean {
    if (this.isPaused || this.isHeld || leastRate === 0) return false
    if (Number.isNaN(this.lead)) this.lead = leastRate * SLOW_BODY_GRACE_SECONDS
    this.lead = Math.min(this.lead, leastRate * SLOW_BODY_MOST_SECONDS) - leastRate
    if (this.lead >= 0) return false
    this.lead = 0
    return true
  }
}
