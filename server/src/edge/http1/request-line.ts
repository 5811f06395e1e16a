// Where does an HTTP/1 request want to go, and can it be forwarded safely? (RFC 9112 section 3.2)
import { hostName } from '../fields/headers.ts'

/** The request cannot be forwarded: what was wrong, and the status that says so. */
export class RefusedRequest extends Error {
  readonly status: number

  constructor(reason: string, status: 400 | 408 | 413 | 414 | 417 | 431 | 501 = 400) {
    super(reason)
    this.status = status
  }
}

/** Where a request goes, by its target and Host field (RFC 9112 section 3.3). */
export interface Destination {
  /** Lower-case, no port. */
  readonly host: string
  /** The Host field as sent. */
  readonly authority: string
  /** Origin form or `*`. */
  readonly target: string
}

const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/is

/** Throws RefusedRequest. */
export function destinationOf(method: string, target: string, authority: string | undefined): Destination {
  if (method === 'TRACE' || method === 'CONNECT') throw new RefusedRequest(`method ${method} is not supported`)
  if (authority === undefined) throw new RefusedRequest('the Host header is missing')
  const host = hostName(authority)
  if (host === undefined) throw new RefusedRequest('the Host header is malformed')
  if (target.startsWith('/') || (target === '*' && method === 'OPTIONS')) return { host, authority, target }
  const absolute = ABSOLUTE.exec(target)
  if (absolute === null) throw new RefusedRequest('the request target must begin with a slash')
  if (hostName(absolute[1] ?? '') !== host) {
    throw new RefusedRequest('the request target names another host than the Host header')
  }
  const rest = (absolute[2] ?? '').replace(/#.*$/s, '')
  return { host, authority, target: rest.startsWith('/') ? rest : `/${rest}` }
}

const CHALLENGE = /^\/\.well-known\/acme-challenge\/([A-Za-z0-9_-]{1,256})$/

/** The token that a CA looks for with this target (RFC 8555, 8.3); undefined: it is another target. */
export function tokenIn(target: string): string | undefined {
  return target.startsWith('/.well-known/') ? CHALLENGE.exec(target)?.[1] : undefined
}
