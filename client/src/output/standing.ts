// How a process stands with its server, followed from its events.
import type { Clock } from '@pbt/proto'
import type { ClientEvent, LinkState, TunnelOnline } from '../events.ts'

export class Standing {
  private readonly clock: Clock
  state: LinkState = 'connecting'
  /** Why it is not online, '' when it is. */
  reason = ''
  private readonly byNumber = new Map<number, TunnelOnline>()
  private retryAt: number | undefined

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** In the order in which they were asked for. */
  get tunnels(): TunnelOnline[] {
    return [...this.byNumber.values()].sort((left, right) => left.number - right.number)
  }

  /** Until the next try, undefined when none is planned. */
  get retryInMs(): number | undefined {
    return this.retryAt === undefined ? undefined : Math.max(0, this.retryAt - this.clock.now())
  }

  event(event: ClientEvent): void {
    switch (event.event) {
      case 'connected':
      case 'resumed':
        this.enter('online', '')
        break
      case 'online': {
        const { number, tunnel: name, kind, urls, target } = event
        this.byNumber.set(number, { number, name, kind, urls, target })
        break
      }
      case 'reconnecting':
        this.enter(this.state === 'offline' ? 'offline' : 'reconnecting', event.reason)
        this.retryAt = this.clock.now() + event.retryInMs
        break
      case 'offline':
        this.enter('offline', event.reason)
        break
      case 'closed':
        this.byNumber.delete(event.number)
        break
      case 'error':
      case 'stored':
        break
    }
  }

  private enter(state: LinkState, reason: string): void {
    this.state = state
    this.reason = reason
    if (state === 'online') this.retryAt = undefined
  }
}
