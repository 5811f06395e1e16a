// How a process stands with its server, followed from its events.
import type { Clock } from '@pbt/proto'
import type { ClientEvent, LinkState, TunnelOnline } from '../events.ts'

export class Standing {
  private readonly clock: Clock
  state: LinkState = 'connecting'
  /** Why it is not online, '' when it is. */
  reason = ''
  readonly tunnels = new Map<string, TunnelOnline>()
  private retryAt: number | undefined

  constructor(clock: Clock) {
    this.clock = clock
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
        const { tunnel: name, kind, urls, target } = event
        this.tunnels.set(name, { name, kind, urls, target })
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
        this.tunnels.delete(event.tunnel)
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
