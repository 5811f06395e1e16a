// What tunnels have carried over all sessions of a process: those that are over, and those that are not.
import type { Session } from '../session/session.ts'
import type { OpenChannel, TunnelTraffic } from './events.ts'

/** Payload bytes by tunnel; each session is counted once, also after its end. */
export class TrafficSums {
  /** Of the sessions that are over, by the number of the tunnel. */
  private readonly past = new Map<number, { bytesIn: number; bytesOut: number }>()

  /** The session is over. Once for each. */
  ended(session: Session): void {
    for (const [number, { bytesReceived, bytesSent }] of session.byTunnel()) {
      const past = this.past.get(number) ?? { bytesIn: 0, bytesOut: 0 }
      past.bytesIn += bytesReceived
      past.bytesOut += bytesSent
      this.past.set(number, past)
    }
  }

  /** With the sessions that are not over. */
  byTunnel(sessions: Iterable<Session>): ReadonlyMap<number, TunnelTraffic> {
    const all = new Map<number, TunnelTraffic>()
    for (const [number, past] of this.past) all.set(number, { open: 0, ...past })
    for (const session of sessions) {
      for (const [number, { channels, bytesSent, bytesReceived }] of session.byTunnel()) {
        const { open = 0, bytesIn = 0, bytesOut = 0 } = all.get(number) ?? {}
        all.set(number, { open: open + channels, bytesIn: bytesIn + bytesReceived, bytesOut: bytesOut + bytesSent })
      }
    }
    return all
  }
}

/** The newest of what is open of a tunnel in these sessions, the newest first. `now`: of the sessions' clock. */
export function openOf(sessions: Iterable<Session>, tunnel: number, most: number, now: number): OpenChannel[] {
  const channels = [...sessions].flatMap(session => session.openOf(tunnel).slice(-most))
  channels.sort((left, right) => right.openedAt - left.openedAt)
  return channels.slice(0, most).map(({ visitor, openedAt, bytesReceived, bytesSent }) => ({
    visitor,
    ageMs: now - openedAt,
    bytesIn: bytesReceived,
    bytesOut: bytesSent,
  }))
}
