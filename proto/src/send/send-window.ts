// Send credit of one channel, and its part in what all channels of the session have sent that has not been read: arithmetic
// only, as in window.ts.
import { INITIAL_CREDIT_BYTES, LEAST_WINDOW_BYTES, MAX_CREDIT_BYTES, SESSION_UNREAD_BYTES } from '../limits.ts'

/** What all channels of a session have sent beyond what the peer has granted anew, by far most of it unread. */
export interface UnreadPool {
  unreadBytes: number
}

/** What a channel leaves of its credit while the session has too much unread. */
const KEPT_BACK_BYTES = INITIAL_CREDIT_BYTES - LEAST_WINDOW_BYTES

/** Flow control of one channel at its sender, in bytes. */
export class SendWindow {
  private readonly pool: UnreadPool
  private credit = INITIAL_CREDIT_BYTES

  constructor(pool: UnreadPool) {
    this.pool = pool
  }

  /**
   * What may be sent now; below 0 when less is allowed than was. It needs no event to rise again: a channel that is held back
   * has LEAST_WINDOW_BYTES under way, for which a grant comes when they are read. What the peer let the window grow stays.
   */
  get spendable(): number {
    return this.pool.unreadBytes < SESSION_UNREAD_BYTES ? this.credit : this.credit - KEPT_BACK_BYTES
  }

  spent(bytes: number): void {
    this.move(-bytes)
  }

  /** Adds credit; false when the peer grants more than any window can be. */
  granted(bytes: number): boolean {
    this.move(bytes)
    return this.credit <= 2 * MAX_CREDIT_BYTES
  }

  /** The channel is over, and with it what the peer holds of it. */
  release(): void {
    this.move(INITIAL_CREDIT_BYTES - this.credit)
  }

  private move(bytes: number): void {
    const before = Math.max(0, INITIAL_CREDIT_BYTES - this.credit)
    this.credit += bytes
    this.pool.unreadBytes += Math.max(0, INITIAL_CREDIT_BYTES - this.credit) - before
  }
}
