// Heads and trailers as HTTP/2 has them: fields in lower case, what a head begins with as pseudo-fields (RFC 9113 section 8.3).
import { createHash } from 'node:crypto'
import type { HeaderList, RequestHead } from '@pbt/proto'

/** A request's fields for Node: names and values in turn. */
export function requestFields(head: RequestHead): string[] {
  const { list, authority } = split(head, NOTHING_DROPPED)
  return [':method', head.method, ':path', head.target, ':scheme', 'http', ':authority', authority, ...list]
}

const NOTHING_DROPPED: ReadonlySet<string> = new Set()
/** Of HTTP/1.1's handshake alone (RFC 8441 section 5), and a length of nothing: what follows is no content. */
const NOT_IN_CONNECT: ReadonlySet<string> = new Set(['sec-websocket-key', 'content-length'])

/** A WebSocket's handshake as an extended CONNECT (RFC 8441 section 4). */
export function connectFields(head: RequestHead): string[] {
  const { list, authority } = split(head, NOT_IN_CONNECT)
  const begin = [':method', 'CONNECT', ':protocol', 'websocket', ':path', head.target, ':scheme', 'http']
  return [...begin, ':authority', authority, ...list]
}

function split({ headers }: RequestHead, dropped: ReadonlySet<string>) {
  const list: string[] = []
  let authority = ''
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = (headers[index] ?? '').toLowerCase()
    const value = headers[index + 1] ?? ''
    if (name === 'host') {
      if (authority === '') authority = value
    } else if (!dropped.has(name)) list.push(name, value)
  }
  return { list, authority }
}

/** The key of a handshake that an extended CONNECT can stand for; undefined for any other upgrade. */
export function webSocketKeyOf({ method, upgrade, headers }: RequestHead): string | undefined {
  if (method !== 'GET' || upgrade.trim().toLowerCase() !== 'websocket') return undefined
  const keys: string[] = []
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === 'sec-websocket-key') keys.push(headers[index + 1] ?? '')
  }
  return keys.length === 1 && keys[0] !== '' ? keys[0] : undefined
}

/** Of the answer to an extended CONNECT, what only HTTP/1.1's handshake has or a tunnel has not. */
const NOT_IN_ACCEPTED: ReadonlySet<string> = new Set(['sec-websocket-accept', 'content-length'])

/** The fields of the 101 that tells a visitor with this key that the target took its WebSocket (RFC 6455 section 4.2.2). */
export function acceptedFields(raw: readonly string[], key: string): HeaderList {
  // The suffix is the one the RFC gives, for every key.
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  return [...answerFields(raw, NOT_IN_ACCEPTED), 'sec-websocket-accept', accept]
}

/** A head's or trailers' fields as they came, apart from pseudo-fields; `pbt-error` is the edge's alone. */
export function answerFields(raw: readonly string[], dropped = NOTHING_DROPPED): HeaderList {
  const headers: HeaderList = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    if (!name.startsWith(':') && name !== 'pbt-error' && !dropped.has(name)) headers.push(name, raw[index + 1] ?? '')
  }
  return headers
}

/** The Content-Length of an answer, -1 when it has none; nghttp2 lets no other than one of digits through. */
export function lengthOf(raw: readonly string[]): number {
  for (let index = 0; index + 1 < raw.length; index += 2) {
    if (raw[index] === 'content-length') return Number(raw[index + 1])
  }
  return -1
}

/** Trailers as Node takes them. */
export function trailerObject(trailers: HeaderList): Record<string, string | string[]> {
  const object: Record<string, string | string[]> = Object.create(null)
  for (let index = 0; index + 1 < trailers.length; index += 2) {
    const name = (trailers[index] ?? '').toLowerCase()
    const value = trailers[index + 1] ?? ''
    const before = object[name]
    object[name] = before === undefined ? value : [before, value].flat()
  }
  return object
}
