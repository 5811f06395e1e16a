// Visitors who speak HTTP/2: Node has the framing, this the connections and which requests are forwarded.
import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import { KIB, MIB } from '@pbt/proto'
import type { AccessSink } from '../../observe/access-log.ts'
import type { TurnedAway } from '../connections.ts'
import { hostName, type Visitor, valuesOf } from '../fields/headers.ts'
import { requestHeaders } from '../fields/request-fields.ts'
import { type ReplyOptions, TURNED_AWAY_DETAIL } from '../replies.ts'
import type { Router } from '../router.ts'
import { Http2Exchange } from './http2-exchange.ts'
import { Http2Watch } from './http2-watch.ts'

/** Requests of one visitor's connection at once. */
export const MAX_STREAMS = 128
/** What a visitor may send before it is read: enough for 400 Mbit/s at 20 ms, per stream and per connection. */
export const STREAM_WINDOW_BYTES = MIB
export const SESSION_WINDOW_BYTES = 4 * MIB
/**
 * An address's fifth connection and those after it may send less, from the seventeenth on what HTTP/2 begins with (RFC 9113
 * section 6.9.2): what one address can have the server keep for targets that do not read stays below 64 MiB.
 */
export const CROWD_WINDOWS: readonly (readonly [connections: number, bytes: number])[] = [
  [4, SESSION_WINDOW_BYTES],
  [16, MIB],
]
/**
 * What one connection's streams may hold together, fields and what waits to be sent, in MB: as much as the channels of
 * MAX_STREAMS downloads bring with their first credit. Node's 10 would refuse new streams to a peer that has some dozens that
 * stand still.
 */
export const SESSION_MEMORY_MB = 40
/** A visitor whose handshake ended while the server stopped has this long to send its request. */
const LATE_MS = 1_000
const MAX_HEADER_BYTES = 64 * KIB
const MAX_FIELDS = 200
/** Waits are counted in these: coarse, so that no request needs a timer. */
const TICK_MS = 1_000
const MAX_TARGET_BYTES = 12 * KIB
/** As over HTTP/1. */
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,40}$/

export interface Http2Options {
  readonly router: Router
  readonly visitorOf: (socket: Socket) => Visitor
  /** As over HTTP/1. */
  readonly visitorBehind: (connection: Visitor, fields: readonly string[]) => Visitor
  readonly serverNameOf: (socket: Socket) => string | undefined
  readonly responseTimeoutMs: number
  /** Bytes a second that a request's body has to bring where room is short; 0 for no such limit. */
  readonly leastBodyRate: number
  /** Room is short for all visitors. */
  readonly isScarce: () => boolean
  readonly isDraining: () => boolean
  /** Why a connection is over a limit; undefined: it is not. */
  readonly turnedAwayFor: (socket: Socket) => TurnedAway | undefined
  /** A connection of this address was closed for what it did. */
  readonly abused: (address: string, what: string) => void
  readonly access: AccessSink
}

export interface Http2Edge {
  readonly server: Http2Server
  /**
   * Tells all visitors to open no more streams here; connections end when theirs have. A request that comes across is
   * refused in a way that lets the visitor ask again (RFC 9113 section 8.7).
   */
  drain(): void
  /** Cuts all connections. */
  destroy(): void
}

/** An HTTP/2 server that is handed its connections. */
export function createHttp2(options: Http2Options): Http2Edge {
  const sessions = new Map<ServerHttp2Session, Http2Watch>()
  let tick = 0
  const server = createServer({
    settings: {
      maxConcurrentStreams: MAX_STREAMS,
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxHeaderListSize: MAX_HEADER_BYTES,
      enablePush: false,
    },
    maxHeaderListPairs: MAX_FIELDS + 8,
    maxSessionMemory: SESSION_MEMORY_MB,
    // What a target sends twice goes out twice: Node would throw, whether it is asked for a head or for trailers.
    strictSingleValueFields: false,
    unknownProtocolTimeout: 10_000,
  })
  server.on('session', session => {
    const { address, use } = options.visitorOf(session.socket)
    const watch = new Http2Watch(session, address, tick)
    sessions.set(session, watch)
    const window = CROWD_WINDOWS.find(([connections]) => use.crowd <= connections)
    if (window !== undefined) session.setLocalWindowSize(window[1])
    session.on('stream', (stream, headers, flags, rawHeaders) => {
      const exchange = serveStream(options, asServerStream(stream), headers, flags, rawHeaders, watch)
      if (exchange === undefined) return
      watch.opened(exchange)
      stream.once('close', () => watch.closed(exchange, tick))
    })
    session.on('error', error => {
      if (isAbuse(error)) options.abused(address, error.message)
      session.destroy()
    })
    session.once('close', () => sessions.delete(session))
    if (options.isDraining()) setTimeout(() => session.close(), LATE_MS)
  })
  server.on('sessionError', () => {})
  const timer = setInterval(() => {
    tick++
    const isScarce = options.isScarce()
    for (const watch of sessions.values()) {
      if (watch.tick(tick, options.leastBodyRate, isScarce)) options.abused(watch.address, 'frames without requests')
    }
  }, TICK_MS).unref()
  return {
    server,
    drain: () => {
      for (const watch of sessions.values()) watch.end(tick)
    },
    destroy: () => {
      clearInterval(timer)
      for (const session of sessions.keys()) session.destroy()
    },
  }
}

/**
 * Node's own limits, and what breaks the protocol. Not: a connection that broke, and a session that either side has ended
 * with a code (ERR_HTTP2_SESSION_ERROR).
 */
function isAbuse(error: Error): boolean {
  const code = 'code' in error ? String(error.code) : ''
  return code.startsWith('ERR_HTTP2_') && code !== 'ERR_HTTP2_SESSION_ERROR'
}

/** Undefined when the connection is gone already. */
function serveStream(
  options: Http2Options,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  rawHeaders: readonly string[],
  watch: Http2Watch,
): Http2Exchange | undefined {
  const method = headers[':method'] ?? ''
  const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
  const socket = stream.session?.socket
  if (socket === undefined) return undefined
  const visitor = options.visitorBehind(options.visitorOf(socket), rawHeaders)
  const exchange = new Http2Exchange(options.access, stream, headers, visitor, isWhole, watch)
  // A stream that its visitor resets while a body waits to be read closes only once it has been.
  stream.on('aborted', () => exchange.gone())
  stream.on('error', () => exchange.gone())
  stream.on('close', () => exchange.closed())
  const turnedAway = options.turnedAwayFor(socket)
  if (turnedAway !== undefined) {
    exchange.reply(turnedAway, { detail: TURNED_AWAY_DETAIL[turnedAway] })
    stream.session?.close()
    return exchange
  }
  const target = headers[':path'] ?? ''
  const authority = headers[':authority'] ?? valuesOf(rawHeaders, 'host')[0] ?? ''
  const host = hostName(authority)
  exchange.isFor(host ?? '', target)
  if (!exchange.admit()) return exchange
  const wrong = tooLargeOf(target, rawHeaders) ?? wrongIn(method, target, authority, headers.expect, rawHeaders)
  if (wrong !== undefined || host === undefined) {
    exchange.reply('bad-request', wrong ?? { detail: 'the authority is malformed' })
    return exchange
  }
  const head = {
    tunnel: 0,
    method,
    target,
    headers: requestHeaders(rawHeaders, visitor, authority, authority),
    upgrade: '',
    visitor: visitor.endpoint,
    connection: visitor.connection,
  }
  const serverName = options.serverNameOf(socket)
  exchange.whenStartable(isEmpty =>
    exchange.start(
      options.router.route(host, serverName, visitor.address),
      head,
      isWhole || isEmpty,
      options.responseTimeoutMs,
    ),
  )
  return exchange
}

function wrongIn(
  method: string,
  target: string,
  authority: string,
  expect: string | undefined,
  raw: readonly string[],
): ReplyOptions | undefined {
  const refusal = refusalOf(method, target, authority, raw)
  if (refusal !== undefined) return { detail: refusal }
  if (hostName(authority) === undefined) return { detail: 'the authority is malformed' }
  if (expect === undefined || expect.toLowerCase() === '100-continue') return undefined
  return { status: 417, detail: 'unknown expectation in the Expect header' }
}

/** RFC 9113 section 8.3.1, and what HTTP/1 targets would read differently. */
function refusalOf(method: string, target: string, authority: string, raw: readonly string[]): string | undefined {
  if (method === 'CONNECT' || method === 'TRACE') return `method ${method} is not supported`
  if (!METHOD.test(method)) return 'the method is malformed'
  if (!target.startsWith('/') && !(target === '*' && method === 'OPTIONS')) return 'the path must begin with a slash'
  if (!/^[\x21-\x7e\x80-\xff]+$/.test(target)) return 'the path has invalid characters'
  const hosts = valuesOf(raw, 'host')
  if (hosts.length > 1 || (hosts[0] !== undefined && hosts[0].toLowerCase() !== authority.toLowerCase())) {
    return 'the host header differs from the authority'
  }
  return undefined
}

/** Pseudo-fields do not count; the size of a whole section is limited where it is decoded. */
function tooLargeOf(target: string, raw: readonly string[]): ReplyOptions | undefined {
  if (target.length > MAX_TARGET_BYTES) {
    return { status: 414, detail: `the path is longer than ${MAX_TARGET_BYTES} bytes` }
  }
  if (raw.length > 2 * (MAX_FIELDS + 4))
    return { status: 431, detail: `there are more than ${MAX_FIELDS} header fields` }
  return undefined
}

/** Node's types give a server the streams of either side; a server's are its own. */
function asServerStream(stream: unknown): ServerHttp2Stream {
  return stream as ServerHttp2Stream
}
