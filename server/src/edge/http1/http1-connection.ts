// One visitor's HTTP/1 connection: one request after the other, each answered before the next is looked at.
import type { Socket } from 'node:net'
import { type HeaderList, KIB, toKeep } from '@pbt/proto'
import type { Visitor } from '../fields/headers.ts'
import { requestHeaders } from '../fields/request-fields.ts'
import type { ReplyCode, ReplyOptions } from '../replies.ts'
import { resetSocket } from '../reset.ts'
import { Http1Exchange, type VisitorConnection } from './http1-exchange.ts'
import type { Http1Options } from './http1-options.ts'
import { challengeText, isLastAnswered, redirectText, replyText } from './own-answers.ts'
import { destinationOf, RefusedRequest, tokenIn } from './request-line.ts'
import { type IncomingRequest, type RequestEvents, RequestParser } from './request-parser.ts'
import { serveUpgrade } from './upgrade.ts'

/*
 *  serving --upgrade--> handed on
 *     |`--last answer, refusal--> closing: what still comes is thrown away (RFC 9112 section 9.6)
 *     `--closed by the visitor, cut--> over
 */
type State = 'serving' | 'closing' | 'over'

/**
 * Times in ticks of the owner, one second each: for a head from its first byte, for the first one from the beginning. Only
 * a whole head ends this wait, whatever comes of it.
 */
const HEAD_TICKS = 10
/** An idle connection is kept this long: longer than the pools of the usual load balancers and browsers. */
const KEEP_ALIVE_TICKS = 65
/** While the server drains: a request may be on its way, and no connection is to hold up the end. */
const DRAIN_TICKS = 2
/** After the last answer the visitor has this long to close its side. */
const LINGER_TICKS = 10

/** What is read of the next request while one is served: the end of the visitor's side, or its reset, is behind it. */
const MAX_AHEAD_BYTES = 16 * KIB

const EMPTY: Buffer = Buffer.alloc(0)

/** Owns its socket until it is closed or upgraded. Answers pipelined requests in order (RFC 9112 section 9.3.2). */
export class Http1Connection implements RequestEvents, VisitorConnection {
  readonly socket: Socket
  private readonly options: Http1Options
  private readonly visitor: Visitor
  private readonly serverName: string | undefined
  private readonly parser = new RequestParser(this)
  private readonly forget: (connection: Http1Connection) => void
  private state: State = 'serving'
  private exchange: Http1Exchange | undefined
  private upgrade: IncomingRequest | undefined
  /** The last answer, of which the visitor has not taken all. */
  private unread: Http1Exchange | undefined
  /** What came and cannot be looked at yet. */
  private kept: Buffer = EMPTY
  private isAdvancing = false
  /** The channel of the present request takes no more of its body for now. */
  private isBodyPaused = false
  /** When the present wait began: for the first request, for the next one, for the visitor's end. */
  private since: number
  /** When the head that is being read began; undefined between requests. */
  private headSince: number | undefined
  private hasServed = false
  private unsent = 0

  /** `forget` is called once, when the connection is closed or handed on. */
  constructor(socket: Socket, options: Http1Options, tick: number, forget: (connection: Http1Connection) => void) {
    this.socket = socket
    this.options = options
    this.visitor = options.visitorOf(socket)
    this.serverName = options.serverNameOf(socket)
    this.since = tick
    this.forget = forget
    socket.on('data', this.onData)
    socket.on('end', this.onEnd)
    socket.on('drain', this.onDrain)
    socket.on('close', this.onClose)
  }

  get isDraining(): boolean {
    return this.options.isDraining()
  }

  /** Ends waits that have lasted too long. Called once a second. */
  tick(tick: number): void {
    if (this.state === 'closing') this.tickClosing(tick)
    else if (this.exchange !== undefined) this.exchange.watchBody(this.options.leastBodyRate, this.options.isScarce())
    else if (this.headSince !== undefined) {
      if (tick - this.headSince > HEAD_TICKS)
        this.refuse(new RefusedRequest('the request head did not come in time', 408))
    } else this.tickBetween(tick)
  }

  private tickBetween(tick: number): void {
    const waited = tick - this.since
    if (this.isDraining && waited > DRAIN_TICKS) this.end(tick)
    else if (this.hasServed && waited > KEEP_ALIVE_TICKS) this.end(tick)
    else if (!this.hasServed && waited > HEAD_TICKS) this.socket.destroy()
  }

  private tickClosing(tick: number): void {
    const { writableLength } = this.socket
    if (writableLength !== this.unsent) {
      this.unsent = writableLength
      this.since = tick
    } else if (tick - this.since > (this.isDraining ? DRAIN_TICKS : LINGER_TICKS)) this.socket.destroy()
  }

  // Reading.

  private readonly onData = (chunk: Buffer): void => {
    if (this.state === 'closing') return
    if (this.kept.length > 0) this.keep(Buffer.concat([this.kept, chunk]))
    else this.advance(chunk)
  }

  /** Whether what comes next can be looked at: a new request, or a body whose channel is there. */
  private get canRead(): boolean {
    const { exchange } = this
    if (exchange !== undefined) return exchange.takesBody && !this.parser.isWhole
    // Answers that are not read must not pile up.
    return !this.socket.writableNeedDrain
  }

  private keep(bytes: Buffer): void {
    this.kept = toKeep(bytes)
    if (bytes.length > MAX_AHEAD_BYTES) this.socket.pause()
  }

  private advance(chunk: Buffer): void {
    let rest = chunk
    this.isAdvancing = true
    try {
      while (rest.length > 0 && this.state === 'serving') {
        if (!this.canRead) {
          this.keep(rest)
          break
        }
        rest = this.parser.execute(rest)
        if (!this.parser.isReadingHead) this.headSince = undefined
        else this.headSince ??= this.hasServed ? this.options.tick() : this.since
        if (this.upgrade !== undefined) {
          this.handOn(this.upgrade, rest)
          break
        }
      }
    } catch (error) {
      if (!(error instanceof RefusedRequest)) throw error
      this.refuse(error)
    } finally {
      this.isAdvancing = false
    }
  }

  goOn(): void {
    if (this.isAdvancing || this.kept.length === 0 || !this.canRead) return
    const { kept } = this
    this.kept = EMPTY
    this.advance(kept)
    this.readOn()
  }

  pauseBody(): void {
    this.isBodyPaused = true
    this.socket.pause()
  }

  resumeBody(): void {
    this.isBodyPaused = false
    this.readOn()
  }

  /** Unless what was read has to be looked at first. */
  private readOn(): void {
    if (!this.isBodyPaused && this.kept.length <= MAX_AHEAD_BYTES) this.socket.resume()
  }

  onRequest(request: IncomingRequest): void {
    const { options } = this
    const { method, fields } = request
    const visitor = options.visitorBehind(this.visitor, fields)
    // A trusted proxy may have taken the visitor's TLS off.
    const redirect = visitor.behind !== undefined && visitor.scheme === 'https' ? undefined : options.redirect
    if (request.isUpgrade && redirect?.isForAll !== true) {
      this.upgrade = request
      return
    }
    if (request.expect !== '' && request.expect.toLowerCase() !== '100-continue') {
      throw new RefusedRequest('unknown expectation in the Expect header', 417)
    }
    const { host, authority, target } = destinationOf(method, request.target, request.host)
    const token = options.challenge === undefined ? undefined : tokenIn(target)
    const answer = token === undefined ? undefined : options.challenge?.(token)
    if (answer !== undefined && (method === 'GET' || method === 'HEAD')) {
      this.answer(request, challengeText(request, answer))
      return
    }
    // A service behind a tunnel may have certificates of its own: its tokens go to it as they come.
    const location = token === undefined ? redirect?.to(host, target) : undefined
    if (location !== undefined) {
      this.answer(request, redirectText(request, location))
      return
    }
    const headers = requestHeaders(fields, visitor, authority)
    const { endpoint, connection } = visitor
    const head = { tunnel: 0, method, target, headers, upgrade: '', visitor: endpoint, connection }
    const exchange = new Http1Exchange(this, request, options.access, visitor, host, target)
    this.exchange = exchange
    if (!exchange.admit()) return
    const route = options.router.route(host, this.serverName, visitor.address)
    exchange.start(route, head, request.hasNoBody, options.responseTimeoutMs)
  }

  onBody(chunk: Buffer): void {
    this.exchange?.bodyData(chunk)
  }

  onBodyEnd(trailers: HeaderList): void {
    this.exchange?.bodyEnd(trailers)
  }

  // Writing.

  write(code: ReplyCode, options: ReplyOptions, request: IncomingRequest | undefined, isLast: boolean): void {
    this.socket.write(replyText(code, options, request, isLast), 'latin1')
  }

  answered(isLast: boolean): void {
    const { exchange } = this
    this.exchange = undefined
    this.hasServed = true
    this.isBodyPaused = false
    this.since = this.options.tick()
    if (this.socket.writableNeedDrain) this.unread = exchange
    else exchange?.leave()
    if (isLast) this.end(this.since)
    else if (this.kept.length > 0) this.goOn()
    else if (this.socket.isPaused()) this.socket.resume()
  }

  cut(needsReset: boolean): void {
    this.state = 'over'
    if (needsReset) resetSocket(this.socket)
    else this.socket.destroy()
  }

  private answer(request: IncomingRequest, text: string): void {
    this.socket.write(text, 'latin1')
    this.answered(isLastAnswered(request))
  }

  /** Not while an answer is under way: its bytes would become part of that answer. */
  private refuse({ status, message }: RefusedRequest): void {
    const { exchange } = this
    this.exchange = undefined
    const hasAnswered = exchange?.hasAnswered === true
    exchange?.gone()
    exchange?.leave()
    if (hasAnswered) {
      this.cut(false)
      return
    }
    const { access } = this.options
    const visitor = this.visitor.address
    const bytes = { bytesIn: 0, bytesOut: 0, countedIn: 0, countedOut: 0 }
    const nothing = { kind: 'http', tunnel: '', summary: '', firstByteAt: 0, ...bytes } as const
    access.refused({ ...nothing, visitor, status, startedAt: access.now(), reason: 'bad-request' })
    this.write('bad-request', { status, detail: message }, undefined, true)
    this.end(this.options.tick())
  }

  private end(tick: number): void {
    this.state = 'closing'
    this.since = tick
    this.unsent = this.socket.writableLength
    this.kept = EMPTY
    this.socket.end()
    this.socket.resume()
  }

  /** Another protocol from here on; `rest` came right behind the request. */
  private handOn(request: IncomingRequest, rest: Buffer): void {
    const { socket, options, serverName } = this
    const visitor = options.visitorBehind(this.visitor, request.fields)
    this.state = 'over'
    socket.pause()
    socket.off('data', this.onData)
    socket.off('end', this.onEnd)
    socket.off('drain', this.onDrain)
    socket.off('close', this.onClose)
    this.forget(this)
    serveUpgrade({ ...options, serverName, visitor }, request, socket, rest)
  }

  // Ends.

  private readonly onEnd = (): void => {
    if (this.state === 'closing' || this.exchange === undefined) this.socket.destroySoon()
    // A peer that closes its side in the middle of a request counts as gone.
    else this.socket.destroy()
  }

  private readonly onDrain = (): void => {
    this.unread?.leave()
    this.unread = undefined
    this.exchange?.taken()
    this.goOn()
  }

  private readonly onClose = (): void => {
    const { exchange } = this
    this.state = 'over'
    this.exchange = undefined
    exchange?.gone()
    exchange?.leave()
    this.unread?.leave()
    this.forget(this)
  }
}
