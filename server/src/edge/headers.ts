// What a visitor's request and a target's answer may carry through the edge: rules for hosts, targets and fields.
import type { HeaderList } from '@pbt/proto'
import { bareAddress } from '../access/address.ts'
import type { AddressUse } from '../access/address-use.ts'

/** What the connection says of a visitor; made once a connection. */
export interface Visitor {
  /** As a socket tells it, IPv4-mapped addresses as IPv4. */
  readonly address: string
  /** `203.0.113.7:50123` or `[2001:db8::1]:50123`. */
  readonly endpoint: string
  readonly scheme: 'http' | 'https'
  /** The port of the edge that was dialled. */
  readonly port: string
  /** Value of the Forwarded field's `for` (RFC 7239 section 6). */
  readonly forwardedFor: string
  /** Its connection is one of the owner's proxies: who the visitor is, each request says. */
  readonly isTrusted: boolean
  /** Known through a trusted proxy only. */
  readonly behind?: Behind
  /** What its address has under way. */
  readonly use: AddressUse
}

/** What a trusted proxy says, as it goes on. */
export interface Behind {
  readonly proxy: Visitor
  /** X-Forwarded-For so far. */
  readonly chain: string
  /** Forwarded so far. */
  readonly forwarded: string
  /** The authority that was asked for, '' when it does not say. */
  readonly host: string
}

export function visitorOf(
  remoteAddress: string | undefined,
  remotePort: number | undefined,
  localPort: number | undefined,
  scheme: Visitor['scheme'],
  use: AddressUse,
  isTrusted = false,
): Visitor {
  const address = bareAddress(remoteAddress ?? 'unknown')
  return {
    address,
    endpoint: endpointOf(address, remotePort),
    scheme,
    port: String(localPort ?? 0),
    forwardedFor: forwardedNode(address),
    isTrusted,
    use,
  }
}

/** An address as Forwarded has it (RFC 7239 section 6). */
export function forwardedNode(address: string): string {
  return address.includes(':') ? `"[${address}]"` : address
}

/** Address and port as text: `203.0.113.7:50123` or `[2001:db8::1]:50123`. */
export function endpointOf(address: string | undefined, port: number | undefined): string {
  const bare = bareAddress(address ?? 'unknown')
  return `${bare.includes(':') ? `[${bare}]` : bare}:${port ?? 0}`
}

/** A host of letters, digits, hyphens, underscores and dots, or an address literal, with an optional port. */
const HOST = /^([a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/i
const MAX_NAME_CHARS = 253
const MAX_HOST_CHARS = MAX_NAME_CHARS + 1 + ':65535'.length
const MAX_PORT = 65_535

/** The name a Host field or authority means: lower-case, no port, no trailing dot; undefined when it is malformed. */
export function hostName(authority: string): string | undefined {
  if (authority.length > MAX_HOST_CHARS) return undefined
  const match = HOST.exec(authority)
  if (match === null) return undefined
  if (match[2] !== undefined && Number(match[2]) > MAX_PORT) return undefined
  const written = (match[1] ?? '').toLowerCase()
  const name = written.endsWith('.') ? written.slice(0, -1) : written
  return name.length > MAX_NAME_CHARS ? undefined : name
}

/** What becomes of a request field. */
type Treatment = 'drop' | 'te' | 'connection' | 'expect'

/** Hop-by-hop (RFC 9110 section 7.6.1), or said by the edge alone. */
const REQUEST_FIELDS: ReadonlyMap<string, Treatment> = new Map<string, Treatment>([
  ['connection', 'connection'],
  ['te', 'te'],
  ['expect', 'expect'],
  ['keep-alive', 'drop'],
  ['proxy-connection', 'drop'],
  ['proxy-authenticate', 'drop'],
  ['proxy-authorization', 'drop'],
  ['trailer', 'drop'],
  ['transfer-encoding', 'drop'],
  ['upgrade', 'drop'],
  ['http2-settings', 'drop'],
  ['forwarded', 'drop'],
  ['x-real-ip', 'drop'],
  ['client-cert', 'drop'],
  ['client-cert-chain', 'drop'],
  ['pbt-error', 'drop'],
])

/** Fields that Connection may not take away: they decide where a request goes and where it ends. */
const KEPT_FROM_CONNECTION = new Set(['host', 'content-length', 'content-type', 'authorization', 'cookie', 'expect'])

/**
 * What a proxy tells the target of a visitor, its certificate included, by the names that nginx, Apache, Traefik, HAProxy,
 * Envoy and Azure use: only a proxy may say it.
 */
const SAID_BY_PROXIES = /^(?:x-forwarded|(?:x-)?(?:ssl|tls)-client|x-client-(?:cert|verify|dn)|x-arr-clientcert)/
const LETTERS = { s: 0x73, t: 0x74, x: 0x78 }

/** A field with which a visitor could pass for a proxy, in any spelling that some target reads alike. */
function isForwardingField(lowerName: string): boolean {
  const name = lowerName.includes('_') ? lowerName.replaceAll('_', '-') : lowerName
  const first = name.charCodeAt(0)
  const isLikely = first === LETTERS.x || first === LETTERS.s || first === LETTERS.t
  return (isLikely && SAID_BY_PROXIES.test(name)) || (name !== lowerName && REQUEST_FIELDS.get(name) !== undefined)
}

/**
 * The fields that go to the target: the visitor's end-to-end fields in their order, then the edge's own. `raw` is in
 * Node's flat form; pseudo-fields of HTTP/2 are passed over, `Host` first when `host` is given.
 */
export function requestHeaders(raw: readonly string[], visitor: Visitor, authority: string, host?: string): HeaderList {
  const headers: HeaderList = host === undefined ? [] : ['host', host]
  let named: Set<string> | undefined
  let cookieAt = -1
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    const value = raw[index + 1] ?? ''
    if (name.charCodeAt(0) === 0x3a) continue
    const lower = name.toLowerCase()
    switch (REQUEST_FIELDS.get(lower)) {
      case undefined:
        break
      case 'connection':
        named = connectionNames(value, named)
        continue
      case 'te':
        if (!/(^|,)\s*trailers\s*(;|,|$)/i.test(value)) continue
        headers.push(name, 'trailers')
        continue
      case 'expect':
        if (value.toLowerCase() === '100-continue') headers.push(name, value)
        continue
      case 'drop':
        continue
    }
    if (isForwardingField(lower)) continue
    if (host !== undefined) {
      if (lower === 'host') continue
      // HTTP/2 may split Cookie; HTTP/1 may not (RFC 9113 section 8.2.3).
      if (lower === 'cookie') {
        if (cookieAt >= 0) {
          headers[cookieAt] += `; ${value}`
          continue
        }
        cookieAt = headers.length + 1
      }
    }
    headers.push(name, value)
  }
  const kept = named === undefined ? headers : without(headers, named)
  const { behind } = visitor
  const chain = behind === undefined ? visitor.address : `${behind.chain}, ${behind.proxy.address}`
  kept.push('X-Forwarded-For', chain, 'X-Forwarded-Proto', visitor.scheme)
  kept.push('X-Forwarded-Host', behind?.host || authority, 'X-Forwarded-Port', visitor.port)
  kept.push('X-Real-IP', visitor.address, 'Forwarded', forwardedOf(visitor, authority))
  return kept
}

function forwardedOf({ forwardedFor, scheme, behind }: Visitor, authority: string): string {
  const own = (node: string, proto: string) => `for=${node};host="${authority}";proto=${proto}`
  if (behind === undefined) return own(forwardedFor, scheme)
  return `${behind.forwarded}, ${own(behind.proxy.forwardedFor, behind.proxy.scheme)}`
}

function connectionNames(value: string, named: Set<string> | undefined): Set<string> | undefined {
  const lower = value.toLowerCase()
  if (lower === 'keep-alive' || lower === 'close' || lower === 'upgrade') return named
  const names = named ?? new Set<string>()
  for (const name of lower.split(',')) {
    const trimmed = name.trim()
    if (!KEPT_FROM_CONNECTION.has(trimmed)) names.add(trimmed)
  }
  return names
}

function without(headers: HeaderList, names: ReadonlySet<string>): HeaderList {
  const kept: HeaderList = []
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? ''
    if (!names.has(name.toLowerCase()) || name.toLowerCase() === 'te') kept.push(name, headers[index + 1] ?? '')
  }
  return kept
}

const RESPONSE_DROPPED = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'pbt-error',
])

/** What is known of an answer besides its fields. */
export interface AnswerFields {
  readonly headers: HeaderList
  /** Content-Length, -1 for none. */
  readonly contentLength: number
}

/**
 * The fields of an answer that go to the visitor, in their order; undefined when its Content-Length makes no sense
 * (RFC 9112 section 6.3). Names and octets have been checked by the codec.
 */
export function answerFields(raw: HeaderList): AnswerFields | undefined {
  let headers: HeaderList = []
  let named: Set<string> | undefined
  let contentLength = -1
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    const value = raw[index + 1] ?? ''
    const lower = name.toLowerCase()
    if (RESPONSE_DROPPED.has(lower)) {
      if (lower === 'connection') named = connectionNames(value, named)
      continue
    }
    if (lower === 'content-length') {
      if (contentLength >= 0 || !/^\d{1,15}$/.test(value)) return undefined
      contentLength = Number(value)
    }
    headers.push(name, value)
  }
  if (named !== undefined) headers = without(headers, named)
  return { headers, contentLength }
}

/** Trailers that may not change how a message is read (RFC 9110 section 6.5.1). */
const FORBIDDEN_TRAILERS = new Set([
  ...RESPONSE_DROPPED,
  ...REQUEST_FIELDS.keys(),
  'content-length',
  'content-encoding',
  'content-type',
  'content-range',
  'host',
  'authorization',
  'cookie',
  'set-cookie',
  'cache-control',
])

/** The trailers that may go on. */
export function trailerFields(raw: readonly string[]): HeaderList {
  const headers: HeaderList = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    if (!name.startsWith(':') && !FORBIDDEN_TRAILERS.has(name.toLowerCase())) headers.push(name, raw[index + 1] ?? '')
  }
  return headers
}

/** The values of a field in Node's flat form. */
export function valuesOf(raw: readonly string[], lowerName: string): string[] {
  const values: string[] = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) values.push(raw[index + 1] ?? '')
  }
  return values
}

/** A flat list as Node's object form: lower-case names, values of the same name together. */
export function fieldObject(headers: HeaderList): Record<string, string | string[]> {
  const object: Record<string, string | string[]> = Object.create(null)
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = (headers[index] ?? '').toLowerCase()
    const value = headers[index + 1] ?? ''
    const before = object[name]
    object[name] = before === undefined ? value : [before, value].flat()
  }
  return object
}
