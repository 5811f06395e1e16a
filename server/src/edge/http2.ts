// Visitors who speak HTTP/2: Node has the framing, this the rules of forwarding, an exchange carries each stream through.
import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import { type HeaderList, KIB, MIB, type ResponseHead } from '@pbt/proto'
import { Exchange } from './exchange.ts'
import { fieldObject, hostName, requestHeaders, type Visitor, valuesOf } from './headers.ts'
import { type ReplyCode, type ReplyOptions, replyFor } from './replies.ts'
import type { Router } from './router.ts'

/** Requests of one visitor's connection at once. */
const MAX_STREAMS = 128
/** What a visitor may send before it is read: enough for 400 Mbit/s at 20 ms, per stream and per connection. */
const STREAM_WINDOW_BYTES = MIB
const SESSION_WINDOW_BYTES = 4 * MIB
/** A connection without a first request, and one without an open request, are closed after these. */
const FIRST_REQUEST_MS = 15_000
const IDLE_MS = 120_000
/** A visitor who shook hands while the server stopped asks within this what it came for. */
const LATE_MS = 1_000
const MAX_HEADER_BYTES = 64 * KIB
const MAX_FIELDS = 200

export interface Http2Options {
  readonly router: Router
  readonly visitorOf: (socket: Socket) => Visitor
  readonly serverNameOf: (socket: Socket) => string | undefined
  readonly responseTimeoutMs: number
  readonly isDraining: () => boolean
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
  const sessions = new Set<ServerHttp2Session>()
  const server = createServer({
    settings: {
      maxConcurrentStreams: MAX_STREAMS,
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxHeaderListSize: MAX_HEADER_BYTES,
      enablePush: false,
    },
    maxHeaderListPairs: MAX_FIELDS + 8,
    unknownProtocolTimeout: 10_000,
  })
  server.on('session', session => {
    sessions.add(session)
    session.setLocalWindowSize(SESSION_WINDOW_BYTES)
    watchIdle(session)
    session.on('error', () => session.destroy())
    session.once('close', () => sessions.delete(session))
    if (options.isDraining()) setTimeout(() => session.close(), LATE_MS)
  })
  server.on('stream', (stream, headers, flags, rawHeaders) => {
    serveStream(options, asServerStream(stream), headers, flags, rawHeaders)
  })
  server.on('sessionError', () => {})
  return {
    server,
    drain: () => {
      for (const session of sessions) session.close()
    },
    destroy: () => {
      for (const session of sessions) session.destroy()
    },
  }
}

/** Node's timeout is of silence; one with a request open may be silent (events, long polls). */
function watchIdle(session: ServerHttp2Session): void {
  let streams = 0
  session.setTimeout(FIRST_REQUEST_MS, () => {
    if (streams === 0) session.close()
  })
  session.on('stream', stream => {
    if (streams++ === 0) session.setTimeout(IDLE_MS)
    stream.once('close', () => streams--)
  })
}

function serveStream(
  options: Http2Options,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  rawHeaders: readonly string[],
): void {
  const method = headers[':method'] ?? ''
  const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
  const exchange = new Http2Exchange(stream, headers, method, isWhole)
  stream.on('error', () => exchange.gone())
  stream.on('close', () => exchange.closed())
  const socket = stream.session?.socket
  if (socket === undefined) return
  const target = headers[':path'] ?? ''
  const authority = headers[':authority'] ?? valuesOf(rawHeaders, 'host')[0] ?? ''
  const host = hostName(authority)
  const refusal = refusalOf(method, target, authority, rawHeaders)
  if (refusal !== undefined || host === undefined) {
    exchange.reply('bad-request', { detail: refusal ?? 'the authority is malformed' })
    return
  }
  const visitor = options.visitorOf(socket)
  const head = {
    tunnel: 0,
    method,
    target,
    headers: requestHeaders(rawHeaders, visitor, authority, authority),
    upgrade: '',
    visitor: visitor.endpoint,
  }
  exchange.start(
    options.router.route(host, options.serverNameOf(socket), visitor.address),
    head,
    options.responseTimeoutMs,
  )
}

/** RFC 9113 section 8.3.1, and what HTTP/1 targets would read differently. */
function refusalOf(method: string, target: string, authority: string, raw: readonly string[]): string | undefined {
  if (method === 'CONNECT' || method === 'TRACE') return `method ${method} is not served`
  if (!target.startsWith('/') && !(target === '*' && method === 'OPTIONS')) return 'the path must begin with a slash'
  if (!/^[\x21-\x7e\x80-\xff]+$/.test(target)) return 'the path has characters that none has'
  const hosts = valuesOf(raw, 'host')
  if (hosts.length > 1 || (hosts[0] !== undefined && hosts[0].toLowerCase() !== authority.toLowerCase())) {
    return 'the host header differs from the authority'
  }
  if (raw.length > 2 * (MAX_FIELDS + 4)) return `more than ${MAX_FIELDS} header fields`
  return undefined
}

class Http2Exchange extends Exchange {
  private readonly stream: ServerHttp2Stream
  private readonly headers: IncomingHttpHeaders
  private requestTrailers: readonly string[] = []
  private responseTrailers: HeaderList | undefined
  private isDrainAwaited = false
  private isClosed = false

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, method: string, isWhole: boolean) {
    super(method, isWhole)
    this.stream = stream
    this.headers = headers
  }

  /** The stream is over, for whatever reason. */
  closed(): void {
    this.isClosed = true
    if (!this.stream.writableFinished || this.stream.rstCode !== constants.NGHTTP2_NO_ERROR) this.gone()
  }

  protected sendInterim(status: number, headers: HeaderList): void {
    if (this.isClosed) return
    if (status === 100 && this.headers.expect === undefined) return
    this.stream.additionalHeaders({ ...fieldObject(headers), ':status': status })
  }

  protected sendHead(head: ResponseHead, headers: HeaderList, isBodyless: boolean, length: number): void {
    const { stream } = this
    if (this.isClosed) return
    const list: string[] = [':status', String(head.status)]
    for (let index = 0; index + 1 < headers.length; index += 2) {
      const name = (headers[index] ?? '').toLowerCase()
      if (head.status !== 204 || name !== 'content-length') list.push(name, headers[index + 1] ?? '')
    }
    const waitForTrailers = !isBodyless && length < 0
    if (waitForTrailers)
      stream.once('wantTrailers', () => stream.sendTrailers(fieldObject(this.responseTrailers ?? [])))
    stream.respond(list, { endStream: isBodyless, waitForTrailers })
  }

  protected sendData(chunk: Buffer, last: boolean): boolean {
    const { stream } = this
    if (this.isClosed) return true
    if (last) {
      stream.end(chunk)
      return true
    }
    if (stream.write(chunk)) return true
    if (!this.isDrainAwaited) {
      this.isDrainAwaited = true
      stream.on('drain', () => this.taken())
    }
    return false
  }

  protected sendEnd(trailers: HeaderList | undefined): void {
    this.responseTrailers = trailers
    if (!this.isClosed && !this.stream.writableEnded) this.stream.end()
  }

  protected sendReply(code: ReplyCode, options: ReplyOptions): void {
    const { stream } = this
    if (this.isClosed || stream.headersSent) return
    const { status, headers, body } = replyFor(code, { ...options, accept: this.headers.accept })
    const isBodyless = this.headers[':method'] === 'HEAD'
    stream.respond([':status', String(status), ...headers], { endStream: isBodyless })
    if (!isBodyless) stream.end(body)
  }

  protected cut(): void {
    if (!this.isClosed) this.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  }

  protected readBody(): void {
    const { stream } = this
    stream.on('data', (chunk: Buffer) => this.bodyData(chunk))
    stream.on('trailers', (_headers, _flags, raw) => {
      this.requestTrailers = raw
    })
    stream.on('aborted', () => this.gone())
    stream.on('end', () => {
      // Node also says "end" after an abort; only a stream that is not aborted has ended.
      if (!stream.aborted && stream.rstCode === constants.NGHTTP2_NO_ERROR) this.bodyEnd(this.requestTrailers)
    })
  }

  protected pauseBody(): void {
    this.stream.pause()
  }

  protected resumeBody(): void {
    this.stream.resume()
  }

  protected finished(): void {
    const { stream } = this
    if (this.isRequestWhole || this.isClosed) return
    // The answer is complete, the rest of the request is not wanted (RFC 9113 section 8.1).
    stream.resume()
    if (stream.writableFinished) stream.close(constants.NGHTTP2_NO_ERROR)
    else stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR))
  }
}

/** Node's types give a server the streams of either side; a server's are its own. */
function asServerStream(stream: unknown): ServerHttp2Stream {
  return stream as ServerHttp2Stream
}
