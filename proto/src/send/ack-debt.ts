// When to acknowledge what was received: with whatever goes out anyway, otherwise not too often and not too late.
import type { Clock } from '../clock.ts'
import { ACK_AT_MOST_BYTES, ACK_DELAY_MS, ACK_EVERY_BYTES, ACK_INTERVAL_MS } from '../limits.ts'

/** Counts bytes received since the last acknowledgement, and decides when the next one is sent. */
export class AckDebt {
  private readonly clock: Clock
  private readonly late: () => void
  private bytes = 0
  private paidAt = 0
  private isTimerSet = false

  /** `late`: called when something has been owed for ACK_DELAY_MS. */
  constructor(clock: Clock, late: () => void) {
    this.clock = clock
    this.late = late
  }

  /** Something received is not acknowledged. */
  get isOwed(): boolean {
    return this.bytes > 0
  }

  /** Notes what was received; true when it is to be acknowledged now. */
  owe(bytes: number): boolean {
    this.bytes += bytes
    if (this.isDue(this.clock.now())) return true
    if (!this.isTimerSet) {
      this.isTimerSet = true
      this.clock.after(ACK_DELAY_MS, () => {
        this.isTimerSet = false
        if (this.bytes > 0) this.late()
      })
    }
    return false
  }

  /** On a quick line an acknowledgement for each piece would cost the peer more than the piece. */
  isDue(now: number): boolean {
    if (this.bytes < ACK_EVERY_BYTES) return false
    return this.bytes >= ACK_AT_MOST_BYTES || now - this.paidAt >= ACK_INTERVAL_MS
  }

  /** A batch went out, and with it the acknowledgement. */
  paid(now: number): void {
    this.bytes = 0
    this.paidAt = now
  }
}
