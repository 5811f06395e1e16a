// How a process stands with its server, followed from its events.
import type { Clock } from '@pbt/proto'
import type { ClientEvent, LinkState, Stopping, TunnelAsked, TunnelStanding, WaitingAddress } from './events.ts'

const NO_FAULT = { fault: '', cure: '', isKilled: false } as const

const DOWN = { urls: [], waiting: [] } as const

/** Has to be told of every event, in order, from the beginning. */
export class Standing {
  private readonly clock: Clock
  state: LinkState = 'connecting'
  /** Why it is not online; '' when it is, and when it is told to stop. */
  reason = ''
  /** What to do about that, '' for nothing. */
  cure = ''
  stopping: Stopping | undefined
  private readonly byNumber = new Map<number, TunnelStanding>()
  private retryAt: number | undefined

  constructor(clock: Clock, asked: readonly TunnelAsked[]) {
    this.clock = clock
    for (const tunnel of asked) this.add(tunnel)
  }

  /** In the order in which they were asked for. */
  get tunnels(): TunnelStanding[] {
    return [...this.byNumber.values()]
  }

  /** The one with this number. */
  of(number: number): TunnelStanding | undefined {
    return this.byNumber.get(number)
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
      case 'online':
        this.change(event.number, {
          ...{ name: event.tunnel, urls: event.urls, waiting: [], ...NO_FAULT },
          ...(event.allowlists === undefined ? {} : { allowlists: event.allowlists }),
        })
        break
      case 'added':
        this.add(event)
        break
      case 'removed':
        this.byNumber.delete(event.number)
        break
      case 'waiting':
        this.waits(event.number, event.tunnel, event)
        break
      case 'reconnecting':
        this.enter(this.state === 'offline' ? 'offline' : 'reconnecting', event.reason, event.cure)
        this.retryAt = this.clock.now() + event.retryInMs
        break
      case 'offline':
        this.enter('offline', event.reason)
        break
      case 'stopping':
        this.stopping = { open: event.open, limitMs: event.limitMs }
        this.enter('stopping', '')
        break
      case 'target':
        this.change(event.number, { targetFault: event.reason })
        break
      case 'closed':
        this.change(event.number, { ...DOWN, fault: event.reason, cure: '', isKilled: event.code === 'killed' })
        break
      case 'error':
        if (event.number !== undefined) {
          const { message: fault, cure, code } = event
          this.change(event.number, { ...DOWN, fault, cure, isKilled: code === 'killed' })
        }
        break
      case 'stored':
      case 'allowed':
        break
    }
  }

  private add({ number, kind, target, allow }: TunnelAsked): void {
    const allowlists = allow.length === 0 ? [] : [{ blocks: allow, more: 0 }]
    const asked = { number, kind, target, allow, allowlists }
    this.byNumber.set(number, { ...asked, name: '', ...DOWN, ...NO_FAULT, targetFault: '' })
  }

  private waits(number: number, name: string, { url, reason, cure }: WaitingAddress): void {
    const before = this.byNumber.get(number)
    if (before === undefined) return
    const others = before.waiting.filter(other => other.url !== url)
    const urls = before.urls.filter(other => other !== url)
    this.change(number, { name, urls, waiting: [...others, { url, reason, cure }], ...NO_FAULT })
  }

  private change(number: number, news: Partial<TunnelStanding>): void {
    const before = this.byNumber.get(number)
    if (before !== undefined) this.byNumber.set(number, { ...before, ...news })
  }

  private enter(state: LinkState, reason: string, cure = ''): void {
    this.state = state
    this.reason = reason
    this.cure = cure
    if (state === 'online') this.retryAt = undefined
  }
}
