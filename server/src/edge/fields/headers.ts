// Who a visitor is and which host is meant, as connections and fields say it; and fields as lists.
import { bareAddress, type HeaderList } from '@pbt/proto'
import type { AddressUse } from '../../access/address-use.ts'

/** What the connection says of a visitor; made once a connection. */
export interface Visitor {
  /** As a socket tells it, IPv4-mapped addresses as IPv4. */
  readonly address: string
  /** `203.0.113.7:50123` or `[2001:db8::1]:50123`. */
  readonly endpoint: string
  readonly scheme: 'http' | 'https'
  /** The port that it dialled, as a trusted proxy says; '' when only the authority tells. */
  readonly port: string
  /** Value of the Forwarded field's `for` (RFC 7239 section 6). */
  readonly forwardedFor: string
  /** Its connection is one of the owner's proxies: who the visitor is, each request says. */
  readonly isTrusted: boolean
  /** Names the connection, '' when requests of several visitors may come over it. */
  readonly connection: string
  /** Of the fields that only a proxy may say, in lower case, those that go on; undefined for none. */
  readonly believed: ReadonlySet<string> | undefined
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

/** `connection`: a name that no other connection has. `believed`: of a trusted proxy only. */
export function visitorOf(
  remoteAddress: string | undefined,
  remotePort: number | undefined,
  scheme: Visitor['scheme'],
  connection: string,
  use: AddressUse,
  believed?: ReadonlySet<string>,
): Visitor {
  const address = bareAddress(remoteAddress ?? 'unknown')
  return {
    address,
    endpoint: endpointOf(address, remotePort),
    scheme,
    port: '',
    forwardedFor: forwardedNode(address),
    isTrusted: believed !== undefined,
    connection: believed === undefined ? connection : '',
    believed,
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
