// Why somebody was turned away, and what lets them in.
import { type Refusal, type Tunnel, TunnelState } from '@pbt/proto/admin/v1'
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
  const where = refusal.tunnel || summary || 'no tunnel'
  switch (rule) {
    case 'not-allowed': {
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
