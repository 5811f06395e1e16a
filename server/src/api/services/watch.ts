// All events on one stream: how everything is now, then what happens, each event once and in its order.
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect'
import type { ServerService, WatchRequest, WatchResponseSchema } from '@pbt/proto/admin/v1'
import type { EventReader } from '../../owner/event-reader.ts'
import type { Events } from '../../owner/events.ts'
import { callerOf, cutOf } from '../caller.ts'
import { eventMessage } from '../events.ts'
import { RATES_MS, Rates, type TunnelRate } from '../rates.ts'
import { type Sights, View } from '../snapshot.ts'
import { cutWhenStuck } from '../stuck.ts'
import { figuresOf } from './tunnel.ts'

/** A reader hears something at least this often, milliseconds: after 5 s of silence the panel says that the server is lost. */
const HEARTBEAT_MS = RATES_MS
/** Events that are read at once. */
const PAGE = 200

type Message = MessageInitShape<typeof WatchResponseSchema>

/** What is shown, where events come from, and when streams have to end. */
export interface WatchOptions {
  readonly owner: Sights
  readonly events: Events
  /** Aborted when the server stops taking visitors. */
  readonly draining: AbortSignal
}

/** All streams share one snapshot and one reading of figures; one that takes nothing is cut. */
export function watchService(options: WatchOptions): Pick<ServiceImpl<typeof ServerService>, 'watch'> {
  const { owner, events, draining } = options
  const { clock } = events
  const view = new View({ owner, last: () => events.last, after: (number, most) => events.after(number, most), clock })
  const rates = new Rates(() => owner.tunnels.figures().map(rateOf), clock)
  const shared = { view, events, rates, draining }
  return {
    watch: (request, context) => cutWhenStuck(new Watch(shared, request, context).messages(), cutOf(context), clock),
  }
}

interface Shared {
  readonly view: View
  readonly events: Events
  readonly rates: Rates
  readonly draining: AbortSignal
}

class Watch {
  private readonly shared: Shared
  private readonly signal: AbortSignal
  private readonly you: string
  private readonly reader: EventReader
  private readonly isNew: boolean
  /** What is told of events up to here stands in the snapshot already. */
  private seen = 0
  private saidAt = 0
  private ratesAt = 0
  private ratesKnown = 0

  constructor(shared: Shared, { after }: WatchRequest, context: HandlerContext) {
    this.shared = shared
    this.signal = context.signal
    this.you = callerOf(context).address
    this.isNew = after === 0n
    this.reader = shared.events.reader(this.isNew ? undefined : Number(after))
  }

  async *messages(): AsyncGenerator<Message> {
    const { reader, signal } = this
    const { draining } = this.shared
    const end = () => reader.end()
    const wake = () => reader.wake()
    // A stream that is cut in the middle of a message is never asked for the next one.
    signal.addEventListener('abort', end, { once: true })
    draining.addEventListener('abort', wake, { once: true })
    try {
      if (signal.aborted) return
      yield* this.all()
    } finally {
      signal.removeEventListener('abort', end)
      draining.removeEventListener('abort', wake)
      reader.end()
    }
  }

  private async *all(): AsyncGenerator<Message> {
    const { reader } = this
    const { draining } = this.shared
    // The snapshot first, whatever there is to read.
    let taken = await reader.take(this.isNew ? 0 : PAGE)
    yield await this.snapshot(this.isNew || taken.isMissing ? undefined : reader.at - taken.events.length)
    while (!reader.isOver) {
      for (const event of taken.events) {
        yield this.said(await this.notice(event))
        if (reader.isOver) return
      }
      if (draining.aborted && taken.events.length === 0) {
        yield { message: { case: 'restarting', value: { reason: 'the server stops or restarts' } } }
        return
      }
      if (taken.events.length === 0) {
        yield* this.meanwhile()
        await reader.wait(this.pauseMs())
      }
      taken = await reader.take(PAGE)
      if (taken.isMissing) yield await this.snapshot(undefined)
    }
  }

  /** `number`: the event after which the next ones follow; undefined: the one that it goes with. */
  private async snapshot(number: number | undefined): Promise<Message> {
    const snapshot = await this.shared.view.snapshot(this.you)
    this.seen = Number(snapshot.number)
    if (number === undefined) this.reader.at = this.seen
    const value = number === undefined ? snapshot : { ...snapshot, number: BigInt(number) }
    return this.said({ message: { case: 'snapshot', value } })
  }

  private async notice(event: Parameters<View['notice']>[0]): Promise<Message> {
    const value = event.number <= this.seen ? { event: eventMessage(event) } : await this.shared.view.notice(event)
    return { message: { case: 'event', value } }
  }

  /** What is to be said when nothing happens. */
  private async *meanwhile(): AsyncGenerator<Message> {
    const { clock } = this.shared.events
    if (clock.now() - this.ratesAt >= RATES_MS) {
      this.ratesAt = clock.now()
      const { number, tunnels } = this.shared.rates.since(this.ratesKnown)
      this.ratesKnown = number
      if (tunnels.length > 0) yield this.said({ message: { case: 'rates', value: { tunnels: [...tunnels] } } })
    }
    if (clock.now() - this.saidAt < HEARTBEAT_MS) return
    yield this.said({ message: { case: 'heartbeat', value: { time: timestampFromDate(new Date()) } } })
  }

  private said(message: Message): Message {
    this.saidAt = this.shared.events.clock.now()
    return message
  }

  private pauseMs(): number {
    const now = this.shared.events.clock.now()
    return Math.max(1, Math.min(this.ratesAt + RATES_MS, this.saidAt + HEARTBEAT_MS) - now)
  }
}

function rateOf({ name, open, ...figures }: ReturnType<Sights['tunnels']['figures']>[number]): TunnelRate {
  return { name, openConnections: open, ...figuresOf(figures) }
}
