// Why somebody was turned away, and what lets them in.
import {
  type AllowEntry,
  Allowlist_Access,
  type Record as LogRecord,
  type Refusal,
  type Tunnel,
  TunnelState,
} from '@pbt/proto/admin/v1'
import { readable } from './idn.ts'
import { counted, millis, moment } from './time.ts'
import { allowedOn } from './tunnel.ts'

/** What the owner can do about it. */
export type RefusalAct = 'allow' | 'resume' | 'security' | 'log'

export interface RefusalWords {
  readonly text: string
  readonly act: RefusalAct
}

/** `tunnel`: the one that they came to, if it is known. */
export function refusalWords(refusal: Refusal, tunnel: Tunnel | undefined, now = Date.now()): RefusalWords {
  const { rule, count, summary, nearestEntry, looksLikeGuessing } = refusal
  const last = millis(refusal.lastTime)
  const often = `${count === 1n ? 'once' : counted(count, 'time')}${last === undefined ? '' : `, last ${moment(last, now)}`}`
  const guess = looksLikeGuessing ? ' Looks like guessing.' : ''
  const where = readable(refusal.tunnel) || summary || 'no tunnel'
  switch (rule) {
    case 'not-allowed': {
      const since = letIn(refusal, tunnel, now)
      if (since !== undefined) return { text: `${where}, ${often}. ${since}`, act: 'log' }
      const listed = tunnel === undefined ? undefined : allowedOn(tunnel)
      const list = listed === undefined ? 'Not on its list.' : `Not on its list of ${listed}.`
      const near = nearestEntry === '' ? '' : ` The nearest entry is ${nearestEntry}.`
      return { text: `${where}, ${often}. ${list}${near}${guess}`, act: 'allow' }
    }
    case 'paused':
      return tunnel?.state === TunnelState.PAUSED
        ? { text: `${where}, ${often}. The tunnel is paused.`, act: 'resume' }
        : { text: `${where}, ${often}. The tunnel was paused then.`, act: 'log' }
    case 'token-refused':
      return { text: `Asked to connect as a client, ${often}. Wrong token.${guess}`, act: 'security' }
    case 'login-refused':
      return { text: `Tried to log in here, ${often}. Wrong token or link.${guess}`, act: 'security' }
    case 'unknown-host':
      return {
        text: `Asked for ${summary || 'an unknown name'}, ${often}. No tunnel has that name.${guess}`,
        act: 'log',
      }
    case 'offline':
      return { text: `${where}, ${often}. The tunnel was offline.`, act: 'log' }
    case 'limited':
      return { text: `${where}, ${often}. Over a limit.${guess}`, act: 'log' }
    default:
      return { text: `${where}, ${often}. ${rule}.`, act: 'log' }
  }
}

/** What is said of one visitor who was turned away, as it is now. */
export interface TurnedAwayWords {
  readonly title: string
  readonly text: string
  readonly act: 'allow' | 'resume' | 'none'
  /** The address that they came to, and would be let in at; '': not known. */
  readonly address: string
}

/** `tunnel`: the record's, if it is known; `refusal`: what the server remembers of the like, which knows the address. */
export function turnedAwayWords(
  { peer, tunnel: called, reason }: LogRecord,
  tunnel: Tunnel | undefined,
  refusal: Refusal | undefined,
  now = Date.now(),
): TurnedAwayWords {
  const name = readable(called)
  const address = refusal?.address || listedOf(tunnel) || tunnel?.addresses[0]?.address || ''
  const about = { act: 'none', address } as const
  switch (reason) {
    case 'not-allowed':
      return { ...allowWords(peer, name, tunnel, refusal, now), address }
    case 'paused':
      return tunnel?.state === TunnelState.PAUSED
        ? { title: `${name} is paused`, text: 'Visitors are turned away until you resume it.', act: 'resume', address }
        : { ...about, title: `${name} was paused then`, text: 'It lets visitors in again.' }
    case 'offline':
      return { ...about, title: `${name || 'The tunnel'} was offline`, text: 'Its machine was not connected.' }
    case 'limited':
      return {
        ...about,
        title: `${peer} was over a limit`,
        text: 'It came more often, or had more open, than one visitor may. It is let in again by itself.',
      }
    default:
      return { ...about, title: 'No tunnel has that name', text: 'Nothing answers there until a tunnel asks for it.' }
  }
}

function allowWords(
  peer: string,
  name: string,
  tunnel: Tunnel | undefined,
  refusal: Refusal | undefined,
  now: number,
): Omit<TurnedAwayWords, 'address'> {
  if (tunnel === undefined)
    return { title: `${peer} was not on the list of ${name}`, text: 'That tunnel is gone.', act: 'none' }
  const listed = allowedOn(tunnel)
  if (listed === undefined)
    return { title: `${peer} may come in now`, text: `${name} is open to everybody.`, act: 'none' }
  const entry = entryOf(peer, tunnel, now)
  if (entry !== undefined)
    return {
      title: `${peer} may come in now`,
      text: `It is on the list of ${name}${untilOf(entry, now)}.`,
      act: 'none',
    }
  const near =
    refusal === undefined || refusal.nearestEntry === '' ? '' : `, and the nearest is ${refusal.nearestEntry}`
  const text = listed === 0 ? 'It is open to nobody.' : `The list has ${counted(listed, 'entry', 'entries')}${near}.`
  return { title: `${peer} was not on the list of ${name}`, text, act: 'allow' }
}

/** That somebody who was turned away would not be any more; undefined: they would. */
function letIn({ peer, address }: Refusal, tunnel: Tunnel | undefined, now: number): string | undefined {
  if (tunnel === undefined) return undefined
  if (allowedOn(tunnel) === undefined) return 'It is open to everybody now.'
  const entry = entryOf(peer, tunnel, now, address)
  return entry === undefined ? undefined : `May come in now${untilOf(entry, now)}.`
}

/** A visitor's own entry that is in force, on the list of one address or, for '', of any. */
function entryOf(peer: string, tunnel: Tunnel, now: number, at = ''): AllowEntry | undefined {
  return tunnel.addresses
    .filter(({ address }) => at === '' || address === at)
    .flatMap(({ allowlist }) => allowlist?.entries ?? [])
    .find(({ block, endTime }) => block.replace(/\/(?:32|128)$/, '') === peer && (millis(endTime) ?? now + 1) > now)
}

function untilOf({ endTime }: AllowEntry, now: number): string {
  const end = millis(endTime)
  return end === undefined ? '' : ` until ${moment(end, now)}`
}

/** Its first address that not everybody may come to. */
function listedOf(tunnel: Tunnel | undefined): string | undefined {
  return tunnel?.addresses.find(({ allowlist }) => allowlist?.access === Allowlist_Access.LISTED)?.address
}
