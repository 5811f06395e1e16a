// The state of a process that holds tunnels, for a snapshot at any moment.
import type { Clock } from '@pbt/proto'
import type { ClientEvent, LinkState, ProcessSnapshot, Running, TunnelTraffic } from './events.ts'
import { Standing } from './standing.ts'

const NOTHING: TunnelTraffic = { open: 0, bytesIn: 0, bytesOut: 0 }

/** Has to be told of every event and request from the beginning. */
export class Observed {
  private readonly running: Running
  private readonly standing: Standing
  /** By the number of the tunnel. */
  private readonly requests = new Map<number, number>()

  constructor(clock: Clock, running: Running) {
    this.running = running
    this.standing = new Standing(clock, running.tunnels)
  }

  event(event: ClientEvent): void {
    this.standing.event(event)
    if (event.event === 'removed') this.requests.delete(event.number)
  }

  /** A request, connection or flow of the tunnel with this number is over. */
  request(tunnel: number): void {
    this.requests.set(tunnel, (this.requests.get(tunnel) ?? 0) + 1)
  }

  /** The server's name of the tunnel with this number, '' until it has told it. */
  nameOf(number: number): string {
    return this.standing.of(number)?.name ?? ''
  }

  /** Of the link. */
  get state(): LinkState {
    return this.standing.state
  }

  /** Without what only the process itself knows. */
  snapshot(): Omit<ProcessSnapshot, 'isDaemon' | 'faults'> {
    const { state, reason, stopping, tunnels } = this.standing
    const { server, traffic } = this.running
    const byTunnel = this.running.byTunnel()
    return {
      pid: process.pid,
      server,
      state,
      reason,
      stopping,
      tunnels: tunnels.map(tunnel => {
        const requests = this.requests.get(tunnel.number) ?? 0
        return { ...tunnel, isStopped: false, requests, ...(byTunnel.get(tunnel.number) ?? NOTHING) }
      }),
      traffic: traffic(),
    }
  }
}
