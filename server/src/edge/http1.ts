// Visitors who speak HTTP/1: Node parses, this checks, and an exchange carries each request through.
import { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { HeaderList, ResponseHead } from '@pbt/proto'
import { Exchange } from './exchange.ts'
import { requestHeaders, type Visitor, valuesOf } from './headers.ts'
import { type ReplyCode, type ReplyOptions, replyFor } from './replies.ts'
import { checkRequest } from './request-line.ts'
import type { Router } from './router.ts'
import { serveUpgrade } from './upgrade.ts'

/** A request head must be whole by then. */
const HEAD_MS = 10_000
/** Node looks at that this often; its own 30 s would let a slow one live four times as long. */
const CHECK_MS = 1_000
/** An idle connection is kept this long: longer than the pools of the usual load balancers and browsers. */
const KEEP_ALIVE_MS = 65_000
/** 64 KiB of fields and the request line. */
const MAX_HEAD_BYTES = 80 * 1024
/** One more than is served, so that a request with too many is refused and not cut down. */
const MAX_FIELDS = 201
/** After an early answer the visitor may go on sending this long; it is read and thrown away (RFC 9112 section 9.6). */
const LINGER_MS = 10_000

/** A whole body up to this size goes out in one piece with its head. */
const JOINED_BYTES = 4 * 1024

export interface Http1Options {
  readonly router: Router
  readonly visitorOf: (socket: Socket) => Visitor
  /** The server name of the connection, undefined without TLS. */
  readonly serverNameOf: (socket: Socket) => string | undefined
  readonly responseTimeoutMs: number
  /** The server is stopping: connections end with their answers. */
  readonly isDraining: () => boolean
  /** Instead of serving tunnels, for the plain port of a server with certificates. */
  readonly redirect?: (request: IncomingMessage, response: ServerResponse) => void
}

/**
 * Connections with a refused request: what follows it may be part of it, so nothing of it is read as a request. Node goes
 * on parsing what it has got until the connection is closed.
 */
const refused = new WeakSet<Socket>()

class EdgeRequest extends IncomingMessage {
  exchange: Http1Exchange | undefined
}

class EdgeResponse extends ServerResponse<EdgeRequest> {
  exchange: Http1Exchange | undefined
}

/** An HTTP/1 server that is handed its connections, or listens by itself. */
export function createHttp1(options: Http1Options): Server<typeof EdgeRequest, typeof EdgeResponse> {
  const server = new Server<typeof EdgeRequest, typeof EdgeResponse>({
    IncomingMessage: EdgeRequest,
    ServerResponse: EdgeResponse,
    headersTimeout: HEAD_MS,
    requestTimeout: 0,
    connectionsCheckingInterval: CHECK_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: MAX_HEAD_BYTES,
    requireHostHeader: false,
    noDelay: true,
    // h2c is between a visitor and the edge, and the edge does not speak it: an ordinary request.
    shouldUpgradeCallback: request => !/(^|,)\s*h2c\s*(,|$)/i.test(request.headers.upgrade ?? ''),
  })
  server.maxHeadersCount = MAX_FIELDS
  const serve = (request: EdgeRequest, response: EdgeResponse) => serveRequest(options, request, response)
  server.on('request', serve)
  server.on('checkContinue', serve)
  server.on('checkExpectation', (request: EdgeRequest, response: EdgeResponse) => {
    writeReply(request, response, 'bad-request', { status: 417, detail: 'the expectation is not known' })
  })
  server.on('upgrade', (request: EdgeRequest, socket, head) => {
    if (!refused.has(request.socket)) serveUpgrade(options, request, asSocket(socket), head)
  })
  server.on('connect', (_request: EdgeRequest, socket) => refuseRaw(asSocket(socket), 400, 'Bad Request'))
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseBroken(error, asSocket(socket)))
  return server
}

function serveRequest(options: Http1Options, request: EdgeRequest, response: EdgeResponse): void {
  if (refused.has(request.socket)) return
  if (options.redirect !== undefined) {
    options.redirect(request, response)
    return
  }
  const { refusal, destination } = checkRequest(request)
  if (refusal !== undefined || destination === undefined) {
    refused.add(request.socket)
    response.shouldKeepAlive = false
    writeReply(request, response, 'bad-request', { status: refusal?.status ?? 400, detail: refusal?.reason ?? '' })
    return
  }
  const { socket, rawHeaders, method = '' } = request
  const visitor = options.visitorOf(socket)
  const isWhole = hasNoBody(rawHeaders)
  const exchange = new Http1Exchange(options, request, response, method, isWhole)
  response.exchange = exchange
  response.on('close', responseClosed)
  const { authority, host, target } = destination
  const headers = requestHeaders(rawHeaders, visitor, authority)
  const head = { tunnel: 0, method, target, headers, upgrade: '', visitor: visitor.endpoint }
  exchange.start(options.router.route(host, options.serverNameOf(socket)), head, options.responseTimeoutMs)
}

/** Without a length or a coding a request has no body (RFC 9112 section 6.3). */
function hasNoBody(rawHeaders: readonly string[]): boolean {
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.length !== 14 && name.length !== 17) continue
    const lower = name.toLowerCase()
    if (lower === 'transfer-encoding') return false
    if (lower === 'content-length') return rawHeaders[index + 1] === '0'
  }
  return true
}

// One function for all requests each: Node calls them with the request or response as `this`.

function responseClosed(this: EdgeResponse): void {
  if (!this.writableFinished) this.exchange?.gone()
}

function responseDrained(this: EdgeResponse): void {
  this.exchange?.taken()
}

function bodyData(this: EdgeRequest, chunk: Buffer): void {
  this.exchange?.bodyData(chunk)
}

function bodyEnded(this: EdgeRequest): void {
  if (this.complete) this.exchange?.bodyEnd(this.rawTrailers)
}

function bodyClosed(this: EdgeRequest): void {
  if (!this.complete) this.exchange?.gone()
}

class Http1Exchange extends Exchange {
  private readonly options: Http1Options
  private readonly request: EdgeRequest
  private readonly response: EdgeResponse
  private isDrainAwaited = false
  /** The head is no longer waiting for the body's first bytes. */
  private isHeadFlushed = false

  constructor(options: Http1Options, request: EdgeRequest, response: EdgeResponse, method: string, isWhole: boolean) {
    super(method, isWhole)
    this.options = options
    this.request = request
    this.response = response
  }

  protected sendInterim(status: number, headers: HeaderList): void {
    const { request, response } = this
    // Interim answers are no part of HTTP/1.0; 100 is only for those who asked (RFC 9110 section 15.2).
    if (request.httpVersionMinor === 0) return
    if (status === 100) {
      if (valuesOf(request.rawHeaders, 'expect').length > 0) response.writeContinue()
    } else if (response.socket !== null) {
      // Without a socket it is not this answer's turn on the connection yet, and the final one will do.
      response.writeInformation(status, headers)
    }
  }

  protected sendHead(head: ResponseHead, headers: HeaderList, isBodyless: boolean, length: number): void {
    const { response } = this
    if (this.options.isDraining()) headers.push('connection', 'close')
    if (isBodyless && length < 0 && head.status !== 204 && head.status !== 304 && this.request.method !== 'HEAD') {
      headers.push('content-length', '0')
    }
    response.writeHead(head.status, head.reason, head.status === 204 ? withoutLength(headers) : headers)
    // A small answer's body comes in the same batch and takes the head along; otherwise nobody waits for it.
    if (!isBodyless) process.nextTick(flushHead, this)
  }

  /** Sends the head if nothing of the body has taken it along. */
  flushHead(): void {
    const { response } = this
    if (this.isHeadFlushed || response.writableEnded || response.destroyed) return
    this.isHeadFlushed = true
    response.flushHeaders()
  }

  protected sendData(chunk: Buffer, last: boolean): boolean {
    const { response } = this
    if (last) {
      // Node joins a text with the head into one write; a buffer costs it a second one.
      if (chunk.length <= JOINED_BYTES && !this.isHeadFlushed) response.end(chunk.toString('latin1'), 'latin1')
      else response.end(chunk)
      return true
    }
    this.isHeadFlushed = true
    if (response.write(chunk)) return true
    if (!this.isDrainAwaited) {
      this.isDrainAwaited = true
      response.on('drain', responseDrained)
    }
    return false
  }

  protected sendEnd(trailers: HeaderList | undefined): void {
    const { response } = this
    if (trailers !== undefined && trailers.length > 0) response.addTrailers(pairs(trailers))
    response.end()
  }

  protected sendReply(code: ReplyCode, options: ReplyOptions): void {
    if (!this.isRequestWhole) this.response.shouldKeepAlive = false
    writeReply(this.request, this.response, code, options)
    if (!this.isRequestWhole) this.finished()
  }

  protected cut(): void {
    this.request.socket.destroy()
  }

  protected readBody(): void {
    const { request } = this
    request.exchange = this
    request.on('data', bodyData)
    request.on('end', bodyEnded)
    request.on('close', bodyClosed)
  }

  protected pauseBody(): void {
    this.request.pause()
  }

  protected resumeBody(): void {
    this.request.resume()
  }

  protected finished(): void {
    const { request } = this
    if (this.isRequestWhole || request.complete) return
    request.exchange = undefined
    request.resume()
    const { socket } = request
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
    request.once('close', () => clearTimeout(timer))
  }
}

function flushHead(exchange: Http1Exchange): void {
  exchange.flushHead()
}

function pairs(headers: HeaderList): [string, string][] {
  const list: [string, string][] = []
  for (let index = 0; index + 1 < headers.length; index += 2)
    list.push([headers[index] ?? '', headers[index + 1] ?? ''])
  return list
}

/** 204 has none (RFC 9110 section 8.6). */
function withoutLength(headers: HeaderList): HeaderList {
  return pairs(headers)
    .filter(([name]) => name.toLowerCase() !== 'content-length')
    .flat()
}

function writeReply(request: IncomingMessage, response: ServerResponse, code: ReplyCode, options: ReplyOptions): void {
  const reply = replyFor(code, { ...options, accept: request.headers.accept })
  if (!response.shouldKeepAlive) reply.headers.push('connection', 'close')
  response.writeHead(reply.status, reply.headers)
  response.end(reply.body)
}

/** What Node's parser refuses never becomes a request; the answer is written by hand. */
function refuseBroken(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
  else if (error.code === 'HPE_HEADER_OVERFLOW') refuseRaw(socket, 431, 'Request Header Fields Too Large')
  else if (error.code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') refuseRaw(socket, 413, 'Payload Too Large')
  else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') refuseRaw(socket, 408, 'Request Timeout')
  else refuseRaw(socket, 400, 'Bad Request')
}

/** Not while an answer is under way on the connection: its bytes would become part of that answer. */
function refuseRaw(socket: Socket, status: number, phrase: string): void {
  const isAnswering = (socket as { _httpMessage?: { headersSent: boolean } })._httpMessage?.headersSent === true
  if (isAnswering || !socket.writable) {
    socket.destroy()
    return
  }
  const text = `${phrase}\n(pbt-error: bad-request)\n`
  socket.end(
    `HTTP/1.1 ${status} ${phrase}\r\nconnection: close\r\npbt-error: bad-request\r\ncontent-type: text/plain\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
  )
  socket.setTimeout(LINGER_MS, () => socket.destroy())
}

/** Node's types say Duplex; a server on sockets gives sockets. */
function asSocket(duplex: unknown): Socket {
  return duplex as Socket
}
