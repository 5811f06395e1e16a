// Gives tunnels their numbers, and their sockets one common count.
import type { ChannelKind } from '@pbt/proto'
import { descriptorLimit } from '../../../launch/descriptors.ts'
import { Places, placesFor } from '../forward/places.ts'
import type { Forwarder, TunnelPlan } from '../session/session.ts'
import type { MakePlan } from './plans.ts'
import type { RequestRecord } from './requests.ts'

/** Told of what visitors do, with the number of the tunnel. Must not throw. */
export interface VisitEvents {
  /** A connection or flow has begun; `visitor`: its address and port. Requests are only told of at their end. */
  opened(tunnel: number, kind: ChannelKind, visitor: string): void
  /** A request, connection or flow is over. */
  over(tunnel: number, record: RequestRecord): void
  /** A connection reached the target, or did not: `message` says why, '' when it did. */
  targetSeen(tunnel: number, message: string): void
}

/** All tunnels of a process, also those that are added later: no number is given twice. */
export class PlanMaker {
  private readonly places = new Places(placesFor(descriptorLimit()))
  private readonly events: VisitEvents
  private last = 0

  constructor(events: VisitEvents) {
    this.events = events
  }

  make(makePlan: MakePlan): TunnelPlan {
    const { events } = this
    const number = ++this.last
    const told = {
      onRequest: (record: RequestRecord) => events.over(number, record),
      onTarget: (message: string) => events.targetSeen(number, message),
    }
    const plan = makePlan(number, this.places, told)
    const { forwarder, kind } = plan
    if (kind === 'http') return plan
    const accept: Forwarder['accept'] = (channel, open, last) => {
      events.opened(number, kind, channel.visitor)
      forwarder.accept(channel, open, last)
    }
    return { ...plan, forwarder: { accept, close: () => forwarder.close() } }
  }
}
