// The only place that writes to stdout: JSON lines for programs, or words that say what to do next.
import type { Outlet } from '../../../launch/outlet.ts'
import { type ConfigProblem, sentenceOf } from '../config/config.ts'
import type { FailureCode } from '../failure.ts'
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
  | ({ readonly event: 'killed' /** Connections that were cut. */; readonly cut: number } & TunnelItem)
  | ({ readonly event: 'started' /** A client opens it now, or has it. */; readonly isOpening: boolean } & TunnelItem)
  | ({ readonly event: 'paused' | 'unpaused' } & TunnelItem)
  | { readonly event: 'login'; readonly url: string; readonly endsAt: Date }
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

/** A tunnel as it is now. */
export interface TunnelItem {
  readonly tunnel: string
  readonly kind: 'http' | 'tcp' | 'udp' | ''
  readonly state: 'online' | 'offline' | 'paused' | 'killed' | 'awaited'
  /** Why, for people; '' when there is nothing to say. */
  readonly reason: string
  readonly since?: Date | undefined
  /** Its addresses that serve. */
  readonly urls: readonly string[]
  /** Those that do not yet. */
  readonly waiting: readonly { readonly url: string; readonly reason: string; readonly cure: string }[]
  readonly target: string
  /** The name of its client. */
  readonly client: string
  /** Requests, connections and flows. */
  readonly open: number
  /** Since it was first seen. */
  readonly bytesIn: number
  readonly bytesOut: number
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

/** What there is of a kind: for programs an object a line, whose event is the kind. */
export type ServerList =
  | { readonly list: 'address' | 'allowlist'; readonly items: readonly AddressItem[] }
  | { readonly list: 'token'; readonly items: readonly TokenItem[] }
  | { readonly list: 'tunnel'; readonly items: readonly TunnelItem[] }

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
    case 'killed':
      return `${event.tunnel} is ended${event.cut === 0 ? '' : `, ${event.cut} connections were cut`}; it stays down until its command is run again or "pbt-server tunnel start ${event.tunnel}"`
    case 'started':
      return event.isOpening
        ? `${event.tunnel} is opened by ${event.client}`
        : `${event.tunnel} may come back: run its command on the machine that serves it`
    case 'paused':
      return `${event.tunnel} is paused: visitors are turned away until "pbt-server tunnel resume ${event.tunnel}"`
    case 'unpaused':
      return `${event.tunnel} lets visitors in again`
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
  if (list.list === 'tunnel') return tunnelsText(list.items)
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

function tunnelsText(tunnels: readonly TunnelItem[]): string {
  if (tunnels.length === 0) return 'there is no tunnel yet: "pbt http 3000" on a machine with a service opens one'
  const rows = tunnels.map(({ tunnel, state, since, urls, waiting, target, client, open, reason }) => {
    const where = [...urls, ...waiting.map(({ url, reason }) => `${url} (${reason})`)].join(' ')
    const stateText = since === undefined ? state : `${state} since ${timeText(since)}`
    return [tunnel, stateText, String(open), `${target} on ${client || '-'}`, where, reason]
  })
  return table([['TUNNEL', 'STATE', 'OPEN', 'SERVED BY', 'ADDRESSES', 'WHY'], ...rows])
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
