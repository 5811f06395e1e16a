// The newest token, for clients that still show the one before: they are sent it over the link, as long as that one is good.
import type { Clock, Timer } from '@pbt/proto'
import type { LiveClient, Sessions } from './sessions.ts'

/** A timer takes no more (setTimeout's limit). */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Sends a new token to connected clients, and to those that connect before its time is over. */
export class TokenOffer {
  private readonly sessions: Sessions
  private readonly clock: Clock
  /** Never written anywhere. */
  private offered: { readonly id: number; readonly token: string; readonly timer: Timer } | undefined

  constructor(sessions: Sessions, clock: Clock) {
    this.sessions = sessions
    this.clock = clock
  }

  /** Every client that has another token is sent this one, also those that come within `ms`. Tells who was sent it now. */
  offer(id: number, token: string, ms: number): LiveClient[] {
    this.end()
    const timer = this.clock.after(Math.min(ms, MAX_TIMER_MS), () => this.end())
    this.offered = { id, token, timer }
    return this.sessions.clients().filter(({ clientId }) => this.send(clientId))
  }

  /** The client has begun a session. */
  connected(clientId: string): void {
    this.send(clientId)
  }

  /** No client is sent it any more. */
  end(): void {
    this.offered?.timer.clear()
    this.offered = undefined
  }

  private send(clientId: string): boolean {
    if (this.offered === undefined) return false
    const { id, token } = this.offered
    return this.sessions.ofClient(clientId)?.offerToken(id, token) === true
  }
}
