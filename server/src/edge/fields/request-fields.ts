// The fields of a visitor's request that reach the target, before the body and behind it: hop by hop, forged, or as they came.
import type { HeaderList } from '@pbt/proto'
import { FirstLetters } from '../http1/first-letters.ts'
import { connectionNames, NO_TRAILERS, without } from './field-rules.ts'
import type { Visitor } from './headers.ts'
import { isProxyField, PROXY_FIELD_BEGINNINGS, plainNameOf } from './proxy-fields.ts'

/** What becomes of a field; those that only a proxy may say go on when it is one that is believed. */
type Treatment = 'drop' | 'proxy' | 'te' | 'connection' | 'expect'

/** Hop-by-hop (RFC 9110 section 7.6.1), set by the edge alone, or never passed on, from any peer. */
const TREATMENTS: ReadonlyMap<string, Treatment> = new Map<string, Treatment>([
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
  ['x-forwarded-for', 'drop'],
  ['x-forwarded-proto', 'drop'],
  ['x-forwarded-host', 'drop'],
  ['x-forwarded-port', 'drop'],
  ['x-real-ip', 'drop'],
  ['pbt-error', 'drop'],
  // A CGI program would find it as HTTP_PROXY, and many a library sends its own requests there.
  ['proxy', 'drop'],
])

/** What decides where a body ends, in a spelling that only some targets take for it. */
const LENGTH = 'content-length'

const LIKELY = new FirstLetters([...TREATMENTS.keys(), ...PROXY_FIELD_BEGINNINGS, LENGTH])

/** What becomes of a field that a visitor says, in any spelling that some target reads alike; undefined: it goes on. */
function treatmentOf(name: string): Treatment | undefined {
  // Most fields are none of these, and need not be put into lower case.
  if (!LIKELY.mayHave(name) && !endsInIp(name)) return undefined
  const lower = name.toLowerCase()
  const known = TREATMENTS.get(lower)
  if (known !== undefined) return known
  const plain = plainNameOf(lower)
  if (plain !== lower && (plain === LENGTH || TREATMENTS.has(plain))) return 'drop'
  return isProxyField(plain) ? 'proxy' : undefined
}

function endsInIp(name: string): boolean {
  const { length } = name
  return (name.charCodeAt(length - 1) | 0x20) === 0x70 && (name.charCodeAt(length - 2) | 0x20) === 0x69
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
    switch (treatmentOf(name)) {
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
      case 'proxy':
        if (visitor.believed?.has(name.toLowerCase()) !== true) continue
        break
      case 'drop':
        continue
    }
    // HTTP/2, whose names are in lower case.
    if (host !== undefined) {
      if (name === 'host') continue
      // HTTP/2 may split Cookie; HTTP/1 may not (RFC 9113 section 8.2.3).
      if (name === 'cookie') {
        if (cookieAt >= 0) {
          headers[cookieAt] += `; ${value}`
          continue
        }
        cookieAt = headers.length + 1
      }
    }
    headers.push(name, value)
  }
  return withOwn(named === undefined ? headers : without(headers, named), visitor, authority)
}

/** Adds what the edge says of the visitor, once and in its own words. */
function withOwn(headers: HeaderList, visitor: Visitor, authority: string): HeaderList {
  const { behind } = visitor
  const chain = behind === undefined ? visitor.address : `${behind.chain}, ${behind.proxy.address}`
  headers.push('X-Forwarded-For', chain, 'X-Forwarded-Proto', visitor.scheme)
  const host = behind?.host || authority
  headers.push('X-Forwarded-Host', host, 'X-Forwarded-Port', visitor.port || portIn(host, visitor.scheme))
  headers.push('X-Real-IP', visitor.address, 'Forwarded', forwardedOf(visitor, authority))
  return headers
}

/**
 * The port that the visitor dialled: not the edge's own, where a router or a container passes one on to the other. An authority
 * without one means the scheme's (RFC 9110 section 4.2). It has been found well-formed.
 */
function portIn(authority: string, scheme: Visitor['scheme']): string {
  const at = authority.lastIndexOf(':')
  // The last colon of an IPv6 address without a port stands within its brackets.
  return at < 0 || authority.endsWith(']') ? (scheme === 'https' ? '443' : '80') : authority.slice(at + 1)
}

function forwardedOf({ forwardedFor, scheme, behind }: Visitor, authority: string): string {
  const own = (node: string, proto: string) => `for=${node};host="${authority}";proto=${proto}`
  if (behind === undefined) return own(forwardedFor, scheme)
  return `${behind.forwarded}, ${own(behind.proxy.forwardedFor, behind.proxy.scheme)}`
}

/** The trailers of a request that go to the target: none that could not stand before the body, from any peer. */
export function requestTrailers(raw: readonly string[]): HeaderList {
  const trailers: HeaderList = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    if (name.startsWith(':') || treatmentOf(name) !== undefined) continue
    if (!NO_TRAILERS.has(plainNameOf(name.toLowerCase()))) trailers.push(name, raw[index + 1] ?? '')
  }
  return trailers
}
