// How much of something a peer may do for nothing: a bucket that fills with time.
import type { Clock } from './clock.ts'

export class Allowance {
  private readonly clock: Clock
  private readonly most: number
  private readonly perMs: number
  private left: number
  private at: number

  /** `most` at once, `perSecond` in the long run. */
  constructor(clock: Clock, most: number, perSecond: number) {
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

  private refill(): void {
    const now = this.clock.now()
    this.left = Math.min(this.most, this.left + (now - this.at) * this.perMs)
    this.at = now
  }
}
