// Gives tunnels their numbers, and their sockets one common count.

import { descriptorLimit } from '../../../launch/descriptors.ts'
import { Places, placesFor } from '../forward/places.ts'
import type { TunnelPlan } from '../session/session.ts'
import type { MakePlan } from './plans.ts'
import type { RequestRecord } from './requests.ts'

/** Told of each request, connection and flow at its end, with the number of its tunnel. Must not throw. */
export type OnTunnelRequest = (tunnel: number, record: RequestRecord) => void

/** All tunnels of a process, also those that are added later: no number is given twice. */
export class PlanMaker {
  private readonly places = new Places(placesFor(descriptorLimit()))
  private readonly onRequest: OnTunnelRequest
  private last = 0

  constructor(onRequest: OnTunnelRequest) {
    this.onRequest = onRequest
  }

  make(makePlan: MakePlan): TunnelPlan {
    const number = ++this.last
    return makePlan(number, this.places, record => this.onRequest(number, record))
  }
}
