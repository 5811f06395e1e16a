// In which state a tunnel is, since when, and why, in words.
import type { LiveTunnelView } from '../relay/live.ts'

import type { KeptTunnel } from './tunnel-records.ts'

/** awaited: its client lost the link, or the server was restarted, and it is expected back. */
export type TunnelState = 'online' | 'awaited' | 'offline' | 'paused' | 'killed'

/** All facts from which the state of one tunnel follows. */
export interface AboutTunnel {
  readonly kept: KeptTunnel
  readonly live: LiveTunnelView | undefined
  /** Its client has a link, whatever it serves. */
  readonly isClientThere: boolean
  /** Its client was there when the server stopped, and is expected back. */
  readonly isAwaited: boolean
  /** Why it went offline, where that is known. */
  readonly end: { readonly reason: string; readonly at: Date } | undefined
  readonly isServerRunning: boolean
}

/** `reason` is for people; `since`: when the state began. */
export interface StateInWords {
  readonly state: TunnelState
  readonly reason: string
  readonly since: Date
}

/** What the owner has said goes before what its client does. */
export function stateOf(about: AboutTunnel): StateInWords {
  const { kept } = about
  const steeredAt = kept.steeredAt ?? kept.lastOnlineAt
  if (kept.isKilled) {
    return {
      state: 'killed',
      reason: 'ended by the owner; it stays down until its command is run again',
      since: steeredAt,
    }
  }
  const found = stateOfClient(about)
  if (!kept.isPaused) return found
  const also = found.reason === '' ? '' : `; ${found.reason}`
  return { state: 'paused', reason: `paused by the owner: visitors are turned away${also}`, since: steeredAt }
}

function stateOfClient({ kept, live, isClientThere, isAwaited, end, isServerRunning }: AboutTunnel): StateInWords {
  const client = live?.clientLabel || kept.clientLabel || 'its client'
  if (live !== undefined) {
    const { since, health, target } = live
    if (!live.isConnected) return { state: 'awaited', reason: `${client} lost its link and is expected back`, since }
    const refusal = health?.isAnswering === false ? `${client} cannot reach ${target}: ${health.message}` : ''
    return { state: 'online', reason: refusal, since }
  }
  const since = end?.at ?? kept.lastOnlineAt
  if (!isServerRunning) return { state: 'offline', reason: 'no server runs', since }
  if (isAwaited) return { state: 'awaited', reason: `${client} is expected back after a restart of the server`, since }
  if (isClientThere) return { state: 'offline', reason: `${client} is connected and does not open it`, since }
  return { state: 'offline', reason: `${client} is away${end === undefined ? '' : `: ${end.reason}`}`, since }
}
