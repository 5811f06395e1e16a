// The only place that writes to stdout: JSON lines for programs, or words that say what to do next.
import type { Outlet } from '../../../launch/outlet.ts'
import { type ConfigProblem, sentenceOf } from '../config/config.ts'
import type { FailureCode } from '../failure.ts'
import { recordText } from './record-text.ts'
import { table, timeText } from './table.ts'

/** What pbt-server tells programs; the fields are a promise. */
export type ServerEvent =
  | {
      readonly event: 'initialised'
      readonly token: string
      readonly dataDir: string
      readonly ca?: string
      readonly next: string
    }
  | Ready
  | { readonly event: 'rotated'; readonly token: string }
  | { readonly event: 'revoked'; readonly id: number }
  | ({ readonly event: 'reserved' | 'released' | 'mapped' | 'noted' } & AddressItem)
  | { readonly event: 'login'; readonly url: string; readonly endsAt: Date }
  /** So many records came too fast to be told. */
  | { readonly event: 'skipped'; readonly records: number }
  | { readonly event: 'stopping' }
  | { readonly event: 'stopped' }
  | {
      readonly event: 'error'
      readonly code: FailureCode
      readonly message: string
      readonly cure: string
      /** One for each setting that is not right. */
      readonly problems?: readonly ConfigProblem[]
    }

/** An address with who may visit it. */
export interface AddressItem {
  readonly address: string
  /** The tunnel that has it or had it last. */
  readonly tunnel?: string
  /** The owner gave it to that tunnel. */
  readonly isMapped?: boolean
  readonly target?: string
  /** Its client is there, or expected back. */
  readonly isExpected: boolean
  /** `client`: those it names with --allow; `listed`: those of the address's own list. */
  readonly access: 'client' | 'everybody' | 'listed'
  /** The addresses and CIDR blocks of `client` (none: everybody) or `listed` (none: nobody). */
  readonly allow: readonly string[]
  readonly note?: string
  readonly createdAt: Date
  readonly lastUsedAt?: Date | undefined
}

/** A token, without itself. */
export interface TokenItem {
  readonly id: number
  readonly label: string
  readonly state: 'valid' | 'ending' | 'ended'
  readonly createdAt: Date
  readonly lastUsedAt?: Date | undefined
  readonly endsAt?: Date | undefined
}

/** What a visitor did. */
export interface RecordItem {
  /** Missing while it is not written yet. */
  readonly id?: number
  /** Empty: for none. */
  readonly tunnel: string
  /** http, websocket, upgrade, tcp or udp. */
  readonly kind: string
  readonly peer: string
  /** Method and path without the query. */
  readonly summary: string
  /** 0: there was no answer. */
  readonly status: number
  readonly startedAt: Date
  readonly endedAt: Date
  readonly durationMs: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Why it ended; empty: it was complete. */
  readonly reason: string
}

/** What there is of a kind: for programs an object a line, whose event is the kind. */
export type ServerList =
  | { readonly list: 'address' | 'allowlist'; readonly items: readonly AddressItem[] }
  | { readonly list: 'token'; readonly items: readonly TokenItem[] }
  | { readonly list: 'record'; readonly items: readonly RecordItem[] }

export interface Ready {
  readonly event: 'ready'
  readonly baseDomain: string
  /** The ports that are bound; 0: none. */
  readonly https: number
  readonly http: number
  /** The ports that visitors use, where these are passed on to the ones that are bound. */
  readonly publicHttps?: number
  readonly publicHttp?: number
  readonly dns: number
  readonly portRange: string
  /** The file of the development authority, when there is one. */
  readonly ca?: string
  readonly publicAddress?: readonly string[]
}

export type Output = (told: ServerEvent | ServerList) => void

export interface OutputStreams {
  readonly stdout: Outlet
  readonly stderr: Outlet
}

/** One JSON object a line on stdout. */
export function jsonOutput({ stdout }: OutputStreams): Output {
  const write = (event: string, fields: object) => {
    stdout.write(`${JSON.stringify({ event, time: new Date().toISOString(), ...fields })}\n`)
  }
  return told => {
    if ('list' in told) for (const item of told.items) write(told.list === 'allowlist' ? 'address' : told.list, item)
    else {
      const { event, ...fields } = told
      write(event, fields)
    }
  }
}

/** For people: errors go to stderr. */
export function plainOutput({ stdout, stderr }: OutputStreams): Output {
  return told => {
    const isError = 'event' in told && told.event === 'error'
    const text = 'list' in told ? listText(told) : textOf(told)
    ;(isError ? stderr : stdout).write(`${text}\n`)
  }
}

function textOf(event: ServerEvent): string {
  switch (event.event) {
    case 'initialised':
      return `pbt-server is set up in ${event.dataDir}

Your token, shown only this once:

  ${event.token}

Next: ${event.next}`
    case 'ready':
      return readyText(event)
    case 'rotated':
      return `The new token, shown only this once:

  ${event.token}

The one before it has ended. On each machine with tunnels: pbt init <token>`
    case 'revoked':
      return `token ${event.id} has ended`
    case 'reserved':
      return `${event.address} is kept for a tunnel that asks for it by name`
    case 'released':
      return `${event.address} is released${event.isExpected && event.tunnel !== undefined ? `, the tunnel "${event.tunnel}" loses it` : ''}`
    case 'mapped':
      return event.tunnel === undefined || event.isMapped !== true
        ? `${event.address} is reserved, and given to no tunnel`
        : `${event.address} leads to the tunnel "${event.tunnel}" from now on`
    case 'noted':
      return event.note === undefined ? `${event.address} has no note` : `${event.address}: ${event.note}`
    case 'login':
      return `Open this within a minute, in a browser; it works once:\n  ${event.url}`
    case 'skipped':
      return `… ${event.records} came too fast to be shown`
    case 'stopping':
      return 'pbt-server: stopping, requests in flight may end (again to stop at once)'
    case 'stopped':
      return 'pbt-server: stopped'
    case 'error': {
      const message = event.problems === undefined ? [event.message] : event.problems.map(sentenceOf)
      return [`pbt-server: ${message.join('\n  ')}`, event.cure].filter(line => line !== '').join('\n  ')
    }
  }
}

function readyText({ baseDomain, ca, publicAddress, ...ports }: Ready): string {
  const [https, http] = [ports.publicHttps ?? ports.https, ports.publicHttp ?? ports.http]
  const authority = ca === undefined ? '' : ` --ca ${ca}`
  const lines = [
    `pbt-server is ready: tunnels appear as https://<name>.${baseDomain}${https === 443 ? '' : `:${https}`}`,
    '',
    'On the machine with your service:',
    `  pbt init <token> --server ${baseDomain}:${https}${authority}`,
    '  pbt tunnel http 3000 --domain myapp',
  ]
  if (ca !== undefined) {
    lines.push('', `Without certificates: http://<name>.${baseDomain}:${http}`, `For browsers and curl: ${ca}`)
  } else if (publicAddress !== undefined && publicAddress.length > 0) {
    lines.push('', 'DNS records for it:')
    for (const address of publicAddress) {
      const type = address.includes(':') ? 'AAAA' : 'A'
      lines.push(`  ${baseDomain}. ${type} ${address}`, `  *.${baseDomain}. ${type} ${address}`)
    }
  }
  return lines.join('\n')
}

function listText(list: ServerList): string {
  if (list.list === 'token') return tokensText(list.items)
  if (list.list === 'record') return list.items.map(recordText).join('\n')
  if (list.list === 'address') return addressesText(list.items)
  if (list.items.length === 0) return 'no allowlist is set here: what clients say with --allow holds'
  return list.items.map(item => `${item.address}: ${visitorsText(item)}`).join('\n')
}

function tokensText(tokens: readonly TokenItem[]): string {
  const rows = tokens.map(({ id, label, state, createdAt, lastUsedAt, endsAt }) => {
    const stateText = endsAt === undefined ? state : `${state === 'ended' ? 'ended' : 'ends'} ${timeText(endsAt)}`
    return [
      String(id),
      label,
      timeText(createdAt),
      lastUsedAt === undefined ? 'never' : timeText(lastUsedAt),
      stateText,
    ]
  })
  return table([['ID', 'LABEL', 'MADE', 'LAST USED', 'STATE'], ...rows])
}

function addressesText(addresses: readonly AddressItem[]): string {
  if (addresses.length === 0) return 'no address is kept yet: the first tunnel gets one'
  const rows = addresses.map(item => {
    const { address, tunnel = '-', target = '-', isExpected, lastUsedAt } = item
    const used = isExpected ? 'in use' : lastUsedAt === undefined ? 'never' : timeText(lastUsedAt)
    return [address, tunnel, target, used, visitorsText(item)]
  })
  return table([['ADDRESS', 'TUNNEL', 'TARGET', 'LAST USED', 'WHO MAY VISIT'], ...rows])
}

function visitorsText({ access, allow, tunnel }: AddressItem): string {
  if (access === 'everybody') return 'everybody'
  if (access === 'listed') return allow.length === 0 ? 'nobody' : allow.join(' ')
  if (tunnel === undefined) return 'as its client says'
  return `${allow.length === 0 ? 'everybody' : allow.join(' ')} (as its client says)`
}
