// How a tunnel stands, in words: one function for rows, cards, the palette and titles.
import {
  Allowlist_Access,
  type Client,
  Client_State,
  TargetHealth_State,
  type Tunnel,
  TunnelKind,
  TunnelState,
} from '@pbt/proto/admin/v1'
import type { MarkName, Tone } from '../components/icon'
import { counted, howLong, millis, moment } from './time.ts'

/** What the owner can do about it, besides what is always there. */
export type Next = 'resume' | 'start' | 'explain' | 'client' | 'domain' | undefined

/** A shape, a word, and what happens next. */
export interface Standing {
  readonly kind: 'online' | 'paused' | 'offline' | 'certificate' | 'target' | 'awaited' | 'killed'
  readonly mark: MarkName
  readonly tone: Tone
  readonly word: string
  readonly detail: string
  readonly next: Next
}

const KINDS: Readonly<Record<TunnelKind, string>> = {
  [TunnelKind.UNSPECIFIED]: '',
  [TunnelKind.HTTP]: 'https',
  [TunnelKind.TCP]: 'tcp',
  [TunnelKind.UDP]: 'udp',
}

/** https, tcp or udp. */
export function kindOf({ kind }: Pick<Tunnel, 'kind'>): string {
  return KINDS[kind] ?? ''
}

/** Visitors reach it: online, with an address that does not wait, and a target that answers. */
export function isReachable(tunnel: Tunnel): boolean {
  return standingOf(tunnel).kind === 'online'
}

/** `client`: the one that serves it, if it is known; `now`: milliseconds. */
export function standingOf(tunnel: Tunnel, client?: Client, now = Date.now()): Standing {
  const since = millis(tunnel.stateTime)
  const label = tunnel.clientLabel || client?.label || 'its client'
  switch (tunnel.state) {
    case TunnelState.PAUSED:
      return {
        kind: 'paused',
        mark: 'paused',
        tone: '',
        word: 'Paused by you',
        detail: sinceWhen(since, now),
        next: 'resume',
      }
    case TunnelState.KILLED:
      return {
        kind: 'killed',
        mark: 'killed',
        tone: '',
        word: 'Killed by you',
        detail: since ? moment(since, now) : '',
        next: 'start',
      }
    case TunnelState.AWAITED: {
      const lost = since === undefined ? 'was lost' : `lost ${howLong(now - since)} ago`
      return {
        kind: 'awaited',
        mark: 'wait',
        tone: 'warn',
        word: 'Reconnecting',
        detail: `${label} ${lost}, visitors wait`,
        next: undefined,
      }
    }
    case TunnelState.ONLINE:
      return onlineOf(tunnel, label)
    default: {
      const isThere = client?.state === Client_State.CONNECTED
      const away = isThere ? 'does not serve it' : since === undefined ? 'is away' : `is away, ${howLong(now - since)}`
      return { kind: 'offline', mark: 'off', tone: '', word: 'Offline', detail: `${label} ${away}`, next: 'client' }
    }
  }
}

/** The command that opens it again, on its machine. */
export function commandOf({ kind, name, target, addresses }: Tunnel): string {
  // As it is typed: the machine itself is understood.
  const where = target.replace(/^127\.0\.0\.1:/, '')
  if (kind !== TunnelKind.HTTP) return `pbt ${kindOf({ kind })} ${where} --name ${name}`
  const names = addresses.length === 0 ? [name] : addresses.map(({ address }) => address)
  return `pbt http ${where} ${names.map(each => `--domain ${each}`).join(' ')}`
}

function onlineOf(tunnel: Tunnel, label: string): Standing {
  const { addresses, health } = tunnel
  if (health?.state === TargetHealth_State.REFUSES) {
    const why = health.message.replace(/^could not connect to [^ ]+: /, '') || 'it refuses'
    const detail = `${label} cannot reach ${tunnel.target}: ${why}`
    return { kind: 'target', mark: 'bad', tone: 'bad', word: 'Target refuses', detail, next: 'explain' }
  }
  if (addresses.length > 0 && addresses.every(each => each.waiting !== '')) {
    const detail = addresses[0]?.waiting ?? ''
    return { kind: 'certificate', mark: 'bad', tone: 'bad', word: 'No certificate', detail, next: 'domain' }
  }
  return { kind: 'online', mark: 'ok', tone: 'ok', word: 'Online', detail: audienceOf(tunnel), next: undefined }
}

/** "3 visitors", "1 connection", "2 flows" */
export function openWords({ openConnections, kind }: Pick<Tunnel, 'openConnections' | 'kind'>): string {
  const what = kind === TunnelKind.UDP ? 'flow' : kind === TunnelKind.TCP ? 'connection' : 'visitor'
  return counted(openConnections, what)
}

/** Who is there, or who may come. */
function audienceOf(tunnel: Tunnel): string {
  const { openConnections } = tunnel
  if (openConnections > 0) return openWords(tunnel)
  const allowed = allowedOn(tunnel)
  if (allowed !== undefined)
    return allowed === 0 ? 'open to nobody' : `open to ${counted(allowed, 'address', 'addresses')}`
  return 'nobody there now'
}

/** How many blocks may visit; undefined: everybody. */
export function allowedOn({ addresses, clientBlocks }: Tunnel): number | undefined {
  const list = addresses[0]?.allowlist
  if (list?.access === Allowlist_Access.EVERYBODY) return undefined
  if (list?.access === Allowlist_Access.LISTED) return list.entries.length
  const blocks = list?.clientBlocks.length ?? clientBlocks.length
  return blocks === 0 ? undefined : blocks
}

function sinceWhen(since: number | undefined, now: number): string {
  return since === undefined ? '' : `since ${moment(since, now)}`
}
