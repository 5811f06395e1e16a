// How much of something a peer may do for nothing: a bucket that fills with time.

/** A token bucket that starts full and is refilled at a constant rate; never waits. */
export class Allowance {
  private readonly clock: { now(): number }
  private most: number
  private perMs: number
  private left: number
  private at: number

  /** `most` at once, `perSecond` in the long run. `clock.now` in milliseconds, monotonic. */
  constructor(clock: { now(): number }, most: number, perSecond: number) {
    this.clock = clock
    this.most = most
    this.perMs = perSecond / 1000
    this.left = most
    this.at = clock.now()
  }

  /** Takes `amount`; false when there is not that much. */
  spend(amount: number): boolean {
    if (this.left < amount) this.refill()
    if (this.left < amount) return false
    this.left -= amount
    return true
  }

  /** Other terms, which hold since the bucket was looked at last; of what is left, no more than may be at once by these. */
  change(most: number, perSecond: number): void {
    this.most = most
    this.perMs = perSecond / 1000
    this.left = Math.min(this.left, most)
  }

  private refill(): void {
    const now = this.clock.now()
    this.left = Math.min(this.most, this.left + (now - this.at) * this.perMs)
    this.at = now
  }
}
