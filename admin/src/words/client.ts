// How a client stands, in words.
import { type Client, Client_State, type Token, type Tunnel } from '@pbt/proto/admin/v1'
import type { MarkName, Tone } from '../components/icon'
import { howLong, lengthOf, millis, moment } from './time.ts'
import { tokenOf, tokenStanding } from './token.ts'

export interface ClientStanding {
  readonly mark: MarkName
  readonly tone: Tone
  readonly word: 'Connected' | 'Away' | 'Reconnecting'
  /** Since when, or for how long. */
  readonly since: string
}

export function clientStanding({ state, stateTime, lastSeenTime }: Client, now = Date.now()): ClientStanding {
  const since = millis(stateTime)
  if (state === Client_State.CONNECTED) {
    const words = since === undefined ? 'Connected' : `Connected for ${howLong(Math.max(1_000, now - since))}`
    return { mark: 'ok', tone: 'ok', word: 'Connected', since: words }
  }
  if (state === Client_State.AWAITED) {
    const words =
      since === undefined ? 'Reconnecting' : `Reconnecting, lost ${howLong(Math.max(1_000, now - since))} ago`
    return { mark: 'wait', tone: 'warn', word: 'Reconnecting', since: words }
  }
  const left = since ?? millis(lastSeenTime)
  return { mark: 'off', tone: '', word: 'Away', since: left === undefined ? 'Away' : `Away since ${moment(left, now)}` }
}

/** It is let in no more, whether it is switched on or not; where no token is known nothing is. */
export function isOut(client: Client, tokens: readonly Token[], now: number): boolean {
  return tokens.length > 0 && tokenStanding(tokenOf(client, tokens), now) === 'ended'
}

/** Without those that have gone and serve nothing, while another client of the same machine is there: a command that was replaced. */
export function withoutReplaced(
  clients: ReadonlyMap<string, Client>,
  tunnels: ReadonlyMap<string, Tunnel>,
): readonly Client[] {
  const all = [...clients.values()]
  const serving = new Set([...tunnels.values()].map(({ clientId }) => clientId))
  return all.filter(({ id, state, machineId }) => {
    if (state !== Client_State.GONE || serving.has(id)) return true
    return !all.some(other => other.machineId === machineId && other.state !== Client_State.GONE)
  })
}

/** 23 ms; '' where there is none. */
export function roundTrip({ state, roundTrip: time }: Client): string {
  if (state !== Client_State.CONNECTED || time === undefined) return ''
  const ms = lengthOf(time)
  return ms < 1 ? '< 1 ms' : `${Math.round(ms)} ms`
}
