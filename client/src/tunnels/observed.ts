// What a process that holds tunnels can tell of itself at any moment.
import type { Clock } from '@pbt/proto'
import type { ClientEvent, ProcessSnapshot, Running } from './events.ts'
import type { RequestRecord } from './requests.ts'
import { Standing } from './standing.ts'

interface Sum {
  requests: number
  bytesIn: number
  bytesOut: number
}

export class Observed {
  private readonly running: Running
  private readonly standing: Standing
  /** By the number of the tunnel. */
  private readonly sums = new Map<number, Sum>()

  constructor(clock: Clock, running: Running) {
    this.running = running
    this.standing = new Standing(clock, running.tunnels)
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
    const { state, reason, stopping, tunnels } = this.standing
    const { server, traffic, openByTunnel } = this.running
    const open = openByTunnel()
    return {
      pid: process.pid,
      server,
      state,
      reason,
      stopping,
      tunnels: tunnels.map(tunnel => {
        const { requests = 0, bytesIn = 0, bytesOut = 0 } = this.sums.get(tunnel.number) ?? {}
        const now = open.get(tunnel.number) ?? { open: 0, bytesIn: 0, bytesOut: 0 }
        const sums = { requests, open: now.open, bytesIn: bytesIn + now.bytesIn, bytesOut: bytesOut + now.bytesOut }
        return { ...tunnel, ...sums }
      }),
      traffic: traffic(),
    }
  }
}
