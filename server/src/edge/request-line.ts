// Is an HTTP/1 request one that can be forwarded safely, and where does it want to go? Node's parser lets more through.
import type { IncomingMessage } from 'node:http'
import { hostName, type Refusal, valuesOf } from './headers.ts'

export interface Destination {
  /** Lower-case, no port. */
  readonly host: string
  /** The Host field as sent. */
  readonly authority: string
  /** Origin form or `*`. */
  readonly target: string
}

export type Checked =
  | { readonly refusal: Refusal; readonly destination?: undefined }
  | { readonly refusal?: undefined; readonly destination: Destination }

/** Fields in all; above it no ordinary program is at work. */
const MAX_FIELDS = 200
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/is
/** Octets of a target that Node's parser passes and some targets trip over: none is below 0x21 or 0x7f. */
const TARGET = /^[\x21-\x7e\x80-\xff]+$/

/** Checks what HTTP/1 leaves to the one who forwards (RFC 9112 sections 3.2, 6.1, 6.3). */
export function checkRequest(request: IncomingMessage): Checked {
  const { rawHeaders, method = '', url = '', httpVersionMajor, httpVersionMinor } = request
  if (httpVersionMajor !== 1 || httpVersionMinor > 1) return refuse('the version must be HTTP/1.0 or HTTP/1.1')
  if (rawHeaders.length > 2 * MAX_FIELDS) {
    return refuse(`the request has ${rawHeaders.length / 2} header fields, at most ${MAX_FIELDS} are served`, 431)
  }
  if (method === 'TRACE' || method === 'CONNECT') return refuse(`method ${method} is not served`)
  const coding = checkTransferEncoding(rawHeaders, httpVersionMinor)
  if (coding !== undefined) return coding
  const hosts = valuesOf(rawHeaders, 'host')
  const [authority] = hosts
  if (authority === undefined) return refuse('the Host header is missing')
  if (hosts.length > 1) return refuse('there is more than one Host header')
  const host = hostName(authority)
  if (host === undefined) return refuse('the Host header is malformed')
  return checkTarget(url, method, host, authority)
}

function checkTarget(url: string, method: string, host: string, authority: string): Checked {
  if (!TARGET.test(url)) return refuse('the request target has characters that none has')
  if (url.startsWith('/')) return { destination: { host, authority, target: url } }
  if (url === '*' && method === 'OPTIONS') return { destination: { host, authority, target: url } }
  const absolute = ABSOLUTE.exec(url)
  if (absolute === null) return refuse('the request target must begin with a slash')
  if (hostName(absolute[1] ?? '') !== host) return refuse('the request target names another host than the Host header')
  const rest = (absolute[2] ?? '').replace(/#.*$/s, '')
  return { destination: { host, authority, target: rest.startsWith('/') ? rest : `/${rest}` } }
}

function checkTransferEncoding(rawHeaders: readonly string[], minor: number): Checked | undefined {
  const codings = valuesOf(rawHeaders, 'transfer-encoding')
  const lengths = valuesOf(rawHeaders, 'content-length')
  if (lengths.length > 1) return refuse('there is more than one Content-Length header')
  if (lengths[0] !== undefined && !/^\d{1,15}$/.test(lengths[0]))
    return refuse('the Content-Length header is malformed')
  if (codings.length === 0) return undefined
  if (minor === 0) return refuse('HTTP/1.0 has no Transfer-Encoding')
  if (lengths.length > 0) return refuse('there is a Content-Length header beside Transfer-Encoding')
  if (codings.length > 1 || codings[0]?.toLowerCase() !== 'chunked') {
    return refuse('only the transfer coding "chunked" is served', 501)
  }
  return undefined
}

function refuse(reason: string, status: Refusal['status'] = 400): Checked {
  return { refusal: { status, reason } }
}
