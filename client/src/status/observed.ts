// What a process that holds tunnels can tell of itself at any moment.
import type { Clock } from '@pbt/proto'
import type { ClientEvent, ProcessSnapshot, Traffic, TunnelAsked } from '../events.ts'
import { Standing } from '../output/standing.ts'
import type { RequestRecord } from '../output.ts'

interface Sum {
  requests: number
  bytesIn: number
  bytesOut: number
}

export class Observed {
  private readonly server: string
  private readonly traffic: () => Traffic
  private readonly standing: Standing
  /** By the number of the tunnel. */
  private readonly sums = new Map<number, Sum>()

  constructor(clock: Clock, server: string, asked: readonly TunnelAsked[], traffic: () => Traffic) {
    this.server = server
    this.traffic = traffic
    this.standing = new Standing(clock, asked)
  }

  event(event: ClientEvent): void {
    this.standing.event(event)
  }

  /** A request, connection or flow of the tunnel with this number is over. */
  request(tunnel: number, { bytesIn, bytesOut }: RequestRecord): void {
    const sum = this.sums.get(tunnel) ?? { requests: 0, bytesIn: 0, bytesOut: 0 }
    sum.requests++
    sum.bytesIn += bytesIn
    sum.bytesOut += bytesOut
    this.sums.set(tunnel, sum)
  }

  snapshot(): ProcessSnapshot {
    const { state, reason, tunnels } = this.standing
    return {
      pid: process.pid,
      server: this.server,
      state,
      reason,
      tunnels: tunnels.map(tunnel => ({
        ...tunnel,
        ...(this.sums.get(tunnel.number) ?? { requests: 0, bytesIn: 0, bytesOut: 0 }),
      })),
      traffic: this.traffic(),
    }
  }
}
