// What tunnels carry, and have carried over all sessions of a process: those that are over, and those that are not.
import type { Clock } from '@pbt/proto'
import type { Session } from '../session/session.ts'
import type { OpenChannel, Traffic, TunnelTraffic } from './events.ts'

/** The clock, and the sessions that are not over. */
export interface CarriedOptions {
  readonly clock: Clock
  /** That of the link, or the one to be resumed. */
  readonly session: () => Session | undefined
  /** With those that only finish what is in flight. */
  readonly sessions: () => readonly Session[]
}

/** Each session is counted once, also after its end. */
export class Carried {
  private readonly options: CarriedOptions
  /** Payload bytes of the sessions that are over, by the number of the tunnel. */
  private readonly past = new Map<number, { bytesIn: number; bytesOut: number }>()

  constructor(options: CarriedOptions) {
    this.options = options
  }

  /** The session is over. Once for each. */
  ended(session: Session): void {
    for (const [number, { bytesReceived, bytesSent }] of session.byTunnel()) {
      const past = this.past.get(number) ?? { bytesIn: 0, bytesOut: 0 }
      past.bytesIn += bytesReceived
      past.bytesOut += bytesSent
      this.past.set(number, past)
    }
  }

  get traffic(): Traffic {
    let open = 0
    for (const { stats } of this.options.sessions()) open += stats.channels
    return { open, roundTripMs: this.options.session()?.stats.roundTripMs ?? 0 }
  }

  /** By the number of the tunnel, of those that have had visitors. */
  byTunnel(): ReadonlyMap<number, TunnelTraffic> {
    const all = new Map<number, TunnelTraffic>()
    for (const [number, past] of this.past) all.set(number, { open: 0, ...past })
    for (const session of this.options.sessions()) {
      for (const [number, { channels, bytesSent, bytesReceived }] of session.byTunnel()) {
        const { open = 0, bytesIn = 0, bytesOut = 0 } = all.get(number) ?? {}
        all.set(number, { open: open + channels, bytesIn: bytesIn + bytesReceived, bytesOut: bytesOut + bytesSent })
      }
    }
    return all
  }

  /** The newest of what is open of a tunnel, the newest first, `most` at most. */
  openOf(tunnel: number, most: number): OpenChannel[] {
    const now = this.options.clock.now()
    const channels = this.options.sessions().flatMap(session => session.openOf(tunnel).slice(-most))
    channels.sort((left, right) => right.openedAt - left.openedAt)
    return channels.slice(0, most).map(({ visitor, openedAt, bytesReceived, bytesSent }) => ({
      visitor,
      ageMs: now - openedAt,
      bytesIn: bytesReceived,
      bytesOut: bytesSent,
    }))
  }

  /** What can end by itself and has not: flows of datagrams never do. */
  get underWay(): number {
    let sum = 0
    for (const { underWay } of this.options.sessions()) sum += underWay
    return sum
  }

  /** The same of one tunnel, also once it was taken away. */
  underWayOf(tunnel: number): number {
    let sum = 0
    for (const session of this.options.sessions()) {
      sum += session.openOf(tunnel).filter(({ kind }) => kind !== 'udp').length
    }
    return sum
  }
}
