// Is the link alive both ways? Decided by acknowledgements and pongs, which only a working round trip brings.
import type { Clock, Timer } from '../clock.ts'
import { LINK_SILENCE_MS, PING_INTERVAL_MS } from '../limits.ts'

/** How often it is looked at: a dead link is found at most this much after LINK_SILENCE_MS. */
const CHECK_MS = 500

/** Calls `ping` on a quiet link, and `silent` when LINK_SILENCE_MS have passed without proof of a round trip. */
export class Liveness {
  private readonly clock: Clock
  private readonly ping: () => void
  private readonly silent: () => void
  private timer: Timer | undefined
  private provenAt = 0
  private pingedAt = 0

  constructor(clock: Clock, ping: () => void, silent: () => void) {
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
  }

  /** An acknowledgement of something new or a pong came. */
  proven(now: number): void {
    this.provenAt = now
  }

  private plan(): void {
    this.timer = this.clock.after(CHECK_MS, () => this.check())
  }

  private check(): void {
    const now = this.clock.now()
    if (now - this.provenAt >= LINK_SILENCE_MS - CHECK_MS) {
      this.stop()
      this.silent()
      return
    }
    if (now - Math.max(this.provenAt, this.pingedAt) >= PING_INTERVAL_MS - CHECK_MS) {
      this.pingedAt = now
      this.ping()
    }
    this.plan()
  }
}
