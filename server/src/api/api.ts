// The API and the panel on the admin host: servers of their own beside the edge, which hands connections over by server name.
import { createServer as createHttp1, type Server as Http1Server } from 'node:http'
import { createServer as createHttp2, type Http2Server, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { type ConnectRouter, createConnectRouter, type Interceptor } from '@connectrpc/connect'
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node'
import type { Log } from '../observe/log.ts'
import { type Caller, LOCAL, valuesOf } from './caller.ts'
import { type Door, isCall, pathOf } from './door.ts'
import { tellFailures } from './errors.ts'
import type { Panel } from './panel/panel.ts'
import { NO_PAGE_POLICY } from './panel/policy.ts'
import { answerText, type Request, type Response, refuse } from './refusal.ts'
import { Streams } from './streams.ts'

/** A request of the API is small; what is larger is no request. */
const MAX_MESSAGE_BYTES = 1_048_576
/** How long a caller may give a call, milliseconds. */
const MAX_TIMEOUT_MS = 600_000
/** How long a request may take to come, milliseconds. */
const REQUEST_MS = 15_000
/** How long a connection may be idle between calls, milliseconds. */
const IDLE_MS = 60_000
/** The answers under way at once: calls that end by themselves, and streams. */
const MAX_CALLS = 64
const MAX_STREAMS = 256
/** Files of the panel under way at once; calls do not wait for browsers that read them slowly. */
const MAX_PAGES = 256
/** How long one may take to be read, milliseconds. */
const PAGE_MS = 60_000
/** Streams of one connection. */
const MAX_STREAMS_PER_CONNECTION = 128
/** The head of a request, bytes. */
const MAX_HEADER_BYTES = 16_384

type Handler = ConnectRouter['handlers'][number]

/** The routes, what judges calls before them, and when to stop. */
export interface ApiOptions {
  readonly door: Door
  readonly routes: (router: ConnectRouter) => void
  readonly panel: Panel
  readonly isDevelopment: boolean
  /** Aborted when the server takes no new visitors any more. */
  readonly draining: AbortSignal
  readonly log: Log
}

/** Owns the connections that `accept` takes over. */
export class Api {
  private readonly options: ApiOptions
  private readonly handlers: ReadonlyMap<string, Handler>
  private readonly http1: Http1Server
  private readonly http2: Http2Server
  private readonly local: Http1Server
  private readonly sockets = new Set<Socket>()
  private calls = 0
  private readonly streams: Streams
  private pages = 0

  constructor(options: ApiOptions) {
    this.options = options
    this.streams = new Streams(caller => options.door.isGood(caller))
    this.handlers = handlersOf(options)
    const limits = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, maxHeaderSize: MAX_HEADER_BYTES }
    this.http1 = createHttp1({ ...limits, keepAliveTimeout: IDLE_MS }, (request, response) =>
      this.arrived(request, response),
    )
    this.http2 = createHttp2(
      {
        maxHeaderListPairs: 64,
        settings: { maxConcurrentStreams: MAX_STREAMS_PER_CONNECTION, maxHeaderListSize: MAX_HEADER_BYTES },
      },
      (request, response) => this.arrived(request, response),
    )
    this.local = createHttp1(limits, (request, response) => this.called(request, response, LOCAL))
    // Inside another server nothing listens, and Node looks at the times of requests only of one that does.
    this.http1.emit('listening')
    for (const server of [this.http1, this.local]) server.on('clientError', (_error, socket) => socket.destroy())
    this.http2.on('sessionError', () => {})
    this.http2.on('session', endWhenIdle)
  }

  /** Takes over a TLS connection that came for the admin host. */
  accept(socket: TLSSocket): void {
    if (this.options.draining.aborted) {
      socket.destroy()
      return
    }
    this.sockets.add(socket)
    socket.once('close', () => this.sockets.delete(socket))
    if (socket.alpnProtocol === 'h2') this.http2.emit('connection', socket)
    else this.http1.emit('connection', socket)
  }

  /** Listens for commands on a socket in a directory that only the owner can enter. Rejects with the system's error. */
  listenLocally(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.local.once('error', reject)
      this.local.listen(path, () => {
        this.local.off('error', reject)
        this.local.on('error', error =>
          this.options.log.error('the socket for commands failed', { error: String(error) }),
        )
        resolve()
      })
    })
  }

  /** Connections at the moment, without those of commands. */
  get connectionCount(): number {
    return this.sockets.size
  }

  /** Answers under way that end when it is drained. */
  get streamCount(): number {
    return this.streams.count
  }

  /** Cuts every connection. */
  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    this.http1.closeAllConnections()
    // Also ends the timer that looks at the times of requests; that it does not listen is no news.
    this.http1.close(() => {})
    this.local.closeAllConnections()
    if (this.local.listening) await new Promise<void>(resolve => this.local.close(() => resolve()))
  }

  private arrived(request: Request, response: Response): void {
    for (const [name, value] of Object.entries(this.headers())) response.setHeader(name, value)
    const { door } = this.options
    const elsewhere = door.atHost(request)
    if (elsewhere !== undefined) {
      answerText(response, elsewhere.status, elsewhere.text)
      return
    }
    if (!isCall(request)) {
      this.page(request, response)
      return
    }
    response.setHeader('cache-control', 'no-store')
    const verdict = door.judge(request)
    if ('caller' in verdict) this.called(request, response, verdict.caller)
    else if ('refusal' in verdict) refuse(request, response, verdict.refusal)
    else answerText(response, verdict.status, verdict.text, verdict.status === 405 ? { allow: 'POST' } : {})
  }

  private page(request: Request, response: Response): void {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      answerText(response, 405, 'Only GET.', { allow: 'GET, HEAD' })
    else if (pathOf(request) === '/healthz') answerText(response, 200, 'ok')
    else if (this.pages >= MAX_PAGES)
      answerText(response, 503, 'Too many requests are under way.', { 'retry-after': '1' })
    else this.file(request, response)
  }

  private file(request: Request, response: Response): void {
    this.pages++
    const timer = setTimeout(() => response.destroy(), PAGE_MS).unref()
    response.once('close', () => {
      clearTimeout(timer)
      this.pages--
    })
    // Its peer may be gone while the panel is read.
    this.options.panel.answer(request, response).catch(() => response.destroy())
  }

  private called(request: Request, response: Response, caller: Caller): void {
    const handler = this.handlers.get(pathOf(request))
    if (handler === undefined) {
      answerText(response, 404, 'Unknown method.')
      return
    }
    const isStream = handler.method.methodKind !== 'unary'
    if (isStream ? this.streams.count >= MAX_STREAMS : this.calls >= MAX_CALLS) {
      refuse(request, response, TOO_MANY)
      return
    }
    if (isStream) this.streams.add(response, caller)
    else this.countCall(response)
    this.limitTime(request, isStream)
    // Outside the promise a request that is no URL would end the process.
    try {
      const values = valuesOf(caller, () => response.destroy())
      const answer = handler(universalRequestFromNodeRequest(request, response as never, undefined, values))
      answer.then(found => universalResponseToNodeResponse(found, response)).catch(() => response.destroy())
    } catch (error) {
      this.options.log.warn('malformed request', { error: String(error) })
      answerText(response, 400, 'The request is malformed.')
    }
  }

  private countCall(response: Response): void {
    this.calls++
    response.once('close', () => this.calls--)
  }

  /** HTTP/2 has no limit of its own for the time that a request takes to come. */
  private limitTime(request: Request, isStream: boolean): void {
    const timer = setTimeout(() => request.destroy(), isStream ? 4 * REQUEST_MS : REQUEST_MS).unref()
    request.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer))
  }

  private headers(): Record<string, string> {
    return this.options.isDevelopment ? HEADERS : { ...HEADERS, 'strict-transport-security': 'max-age=31536000' }
  }
}

/** Node ends idle connections of HTTP/1.1 itself, and those of HTTP/2 never. */
function endWhenIdle(session: ServerHttp2Session): void {
  let open = 0
  session.on('stream', stream => {
    open++
    stream.once('close', () => open--)
  })
  const look = () => {
    // A stream may be silent: it has a limit of its own.
    if (open === 0) session.destroy()
    else session.setTimeout(IDLE_MS, look)
  }
  session.setTimeout(IDLE_MS, look)
}

/** Of every answer at this host; tunnels have none of them. */
const HEADERS: Record<string, string> = {
  'content-security-policy': NO_PAGE_POLICY,
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
}

const TOO_MANY = {
  code: 'resource_exhausted',
  reason: 'limited',
  message: 'too many calls are under way',
  cure: 'try again in a moment',
  retryAfterSeconds: 1,
} as const

function handlersOf({ routes, log }: ApiOptions): ReadonlyMap<string, Handler> {
  const interceptors: Interceptor[] = [tellFailures(log)]
  const router = createConnectRouter({
    interceptors,
    readMaxBytes: MAX_MESSAGE_BYTES,
    acceptCompression: [],
    requireConnectProtocolHeader: true,
    maxTimeoutMs: MAX_TIMEOUT_MS,
  })
  routes(router)
  return new Map(router.handlers.map(handler => [handler.requestPath, handler]))
}
