// Upgrades, WebSocket among them: the target accepts or refuses, and then bytes pass both ways untouched.
import type { Socket } from 'node:net'
import { type Channel, type ChannelHandler, type HeaderList, PbtError, type ResponseHead, toWrite } from '@pbt/proto'
import { type AccessSink, summaryOf } from '../observe/access-log.ts'
import { answerFields } from './answer-fields.ts'
import { headText } from './answer-text.ts'
import type { CookieIsolation } from './cookies.ts'
import { replyCodeOf } from './exchange.ts'
import { type Visitor, valuesOf } from './headers.ts'
import { type ReplyCode, type ReplyOptions, replyFor, statusOf } from './replies.ts'
import { requestHeaders } from './request-fields.ts'
import { destinationOf, RefusedRequest } from './request-line.ts'
import { hasOption, type IncomingRequest } from './request-parser.ts'
import { endSocket, resetSocket } from './reset.ts'
import type { Route, Router } from './router.ts'

export interface UpgradeOptions {
  readonly router: Router
  readonly access: AccessSink
  readonly visitor: Visitor
  readonly serverName: string | undefined
}

/** Serves a request with an Upgrade field on a paused socket; `glued`: what the visitor sent right behind it. */
export function serveUpgrade(options: UpgradeOptions, request: IncomingRequest, socket: Socket, glued: Buffer): void {
  const { router, access, visitor, serverName } = options
  const upgrade = new UpgradeExchange(request, socket, glued, access, visitor)
  const { method, fields } = request
  try {
    checkUpgrade(request)
    const { authority, host, target } = destinationOf(method, request.target, request.host)
    const headers = requestHeaders(fields, visitor, authority)
    const head = { tunnel: 0, method, target, headers, upgrade: request.upgrade, visitor: visitor.endpoint }
    upgrade.isFor(host, target)
    upgrade.start(router.route(host, serverName, visitor.address), head)
  } catch (error) {
    if (!(error instanceof RefusedRequest)) throw error
    upgrade.reply('bad-request', { status: error.status, detail: error.message })
  }
}

/** Throws RefusedRequest. What follows an upgrade could be its body or the new protocol: so it has none. */
function checkUpgrade(request: IncomingRequest): void {
  if (request.minor === 0) throw new RefusedRequest('HTTP/1.0 has no Upgrade')
  if (request.method !== 'GET' && hasOption(request.upgrade.toLowerCase(), 'websocket')) {
    throw new RefusedRequest('a WebSocket begins with GET')
  }
  if (!request.hasNoBody) throw new RefusedRequest('an upgrade cannot have a body')
}

/*
 *  waiting --101--> open: bytes both ways, each direction ends by itself
 *  waiting --other--> answering: an ordinary answer, then the connection ends
 *  any --reset, error--> over
 */
type Phase = 'waiting' | 'open' | 'answering' | 'over'

class UpgradeExchange implements ChannelHandler {
  // Of the request only this: its fields may be many, and a WebSocket lasts.
  private readonly method: string
  private readonly protocol: string
  private accept: string | undefined
  private readonly socket: Socket
  private glued: Buffer
  private channel: Channel | undefined
  private phase: Phase = 'waiting'
  private owed = 0
  private isChunked = false
  private left = -1
  private cookies: CookieIsolation | undefined
  private stopWaiting: (() => void) | undefined

  // For the access log.
  private readonly access: AccessSink
  private readonly startedAt: number
  private readonly visitor: Visitor
  private isCounted = false
  private host = ''
  private target = ''
  private tunnel = ''
  private status = 0
  private reason = ''
  private isRecorded = false

  constructor(request: IncomingRequest, socket: Socket, glued: Buffer, access: AccessSink, visitor: Visitor) {
    this.access = access
    this.startedAt = access.now()
    this.visitor = visitor
    this.method = request.method
    this.protocol = request.upgrade
    this.accept = valuesOf(request.fields, 'accept')[0]
    this.socket = socket
    this.glued = glued
    socket.on('error', () => this.lost())
    socket.on('close', () => this.lost())
    socket.on('drain', () => this.taken())
  }

  /** Whom it is for, as soon as that is known. */
  isFor(host: string, target: string): void {
    this.host = host
    this.target = target
  }

  start(route: Route, head: Parameters<Extract<Route, { kind: 'tunnel' }>['tunnel']['open']>[0]): void {
    switch (route.kind) {
      case 'reply':
        this.tunnel = route.tunnel
        this.reply(route.code, route.options)
        return
      case 'wait':
        this.stopWaiting = route.wait(known => this.start(known, head))
        if (this.stopWaiting === undefined) this.reply('overloaded', {})
        return
      case 'tunnel':
        this.tunnel = route.tunnel.name
        this.cookies = route.cookies
        this.isCounted = this.visitor.requests?.began(this.visitor.address) === true
        if (this.visitor.requests !== undefined && !this.isCounted) {
          this.reply('limited', { detail: 'there are too many requests from your address' })
          return
        }
        try {
          this.channel = route.tunnel.open(head, false, this)
        } catch (error) {
          if (!(error instanceof PbtError)) throw error
          this.reply(replyCodeOf(error.code), { detail: error.message })
        }
    }
  }

  reply(code: ReplyCode, options: ReplyOptions): void {
    if (this.phase !== 'waiting') return
    this.phase = 'over'
    this.status = options.status ?? statusOf(code)
    this.reason = code
    const { status, headers, body } = replyFor(code, { ...options, accept: this.accept })
    const head = Buffer.from(headText(status, '', [...headers, 'connection', 'close']), 'latin1')
    endSocket(this.socket, Buffer.concat([head, body]))
  }

  onHead(head: ResponseHead, last: boolean): void {
    if (this.phase !== 'waiting') return
    const fields = answerFields(this.cookies?.keep(head.headers, this.tunnel) ?? head.headers)
    if (fields === undefined || (head.status === 101 && head.upgrade === '')) {
      this.channel?.reset('target-broke', 'the answer makes no sense')
      this.reply('target-broke', { detail: 'the answer makes no sense' })
      return
    }
    if (head.status === 101) this.open(head, fields.headers)
    else if (head.status >= 200) this.answer(head, fields.headers, fields.contentLength, last)
  }

  private open(head: ResponseHead, headers: HeaderList): void {
    const { socket, channel } = this
    this.phase = 'open'
    this.accept = undefined
    this.status = 101
    socket.write(headText(101, head.reason, [...headers, 'connection', 'Upgrade', 'upgrade', head.upgrade]), 'latin1')
    socket.on('data', (chunk: Buffer) => {
      if (channel?.write(chunk) === false) socket.pause()
    })
    socket.on('end', () => channel?.end())
    if (this.glued.length > 0) channel?.write(this.glued)
    this.glued = Buffer.alloc(0)
    socket.resume()
  }

  /** Refused: the answer ends with its Content-Length or its last chunk, and the connection with it. */
  private answer(head: ResponseHead, headers: HeaderList, contentLength: number, last: boolean): void {
    this.phase = 'answering'
    this.status = head.status
    const isBodyless = last || head.status === 204 || head.status === 304
    this.left = isBodyless ? 0 : contentLength
    this.isChunked = !isBodyless && contentLength < 0
    const framing = this.isChunked ? ['transfer-encoding', 'chunked'] : []
    if (last && contentLength < 0) framing.push('content-length', '0')
    this.socket.write(headText(head.status, head.reason, [...headers, ...framing, 'connection', 'close']), 'latin1')
    this.socket.resume()
  }

  onData(chunk: Buffer): void {
    if (this.phase !== 'open' && this.phase !== 'answering') return
    if (this.phase === 'answering' && !this.isChunked) {
      this.left -= chunk.length
      if (this.left < 0) {
        this.channel?.reset('target-broke', 'the body is longer than its Content-Length')
        this.cut('target-broke')
        return
      }
    }
    const { socket, isChunked } = this
    const bytes = toWrite(socket, chunk)
    if (isChunked) {
      socket.cork()
      socket.write(`${chunk.length.toString(16)}\r\n`)
    }
    const isTaken = socket.write(bytes)
    if (isChunked) {
      socket.write('\r\n')
      socket.uncork()
    }
    if (isTaken) this.channel?.consumed(chunk.length)
    else this.owed += chunk.length
  }

  onEnd(): void {
    if (this.phase === 'open') this.socket.end()
    else if (this.phase === 'answering') {
      if (this.left > 0) {
        this.cut('target-broke')
        return
      }
      this.phase = 'over'
      this.socket.end(this.isChunked ? '0\r\n\r\n' : '')
      this.channel?.reset('cancelled', 'the answer was complete')
    }
  }

  onReset(error: PbtError): void {
    if (this.phase === 'waiting') this.reply(replyCodeOf(error.code), { detail: error.message })
    else this.cut(error.code)
  }

  onDrain(): void {
    this.socket.resume()
  }

  private taken(): void {
    const bytes = this.owed
    this.owed = 0
    if (bytes > 0) this.channel?.consumed(bytes)
  }

  /** The visitor sees that something is missing. */
  private cut(reason: string): void {
    this.phase = 'over'
    this.reason = reason
    resetSocket(this.socket)
  }

  private lost(): void {
    this.stopWaiting?.()
    if (this.phase !== 'over' && (this.channel === undefined || this.channel.isOpen)) this.reason = 'visitor-gone'
    this.record()
    if (this.phase === 'over' && !this.channel?.isOpen) return
    this.phase = 'over'
    this.channel?.reset('connection-reset', 'the visitor went away')
    this.socket.destroy()
  }

  /** Once, when the visitor's connection is over. */
  private record(): void {
    if (this.isRecorded) return
    this.isRecorded = true
    if (this.isCounted) this.visitor.requests?.ended(this.visitor.address)
    const { access, channel, tunnel, status, startedAt, reason, method } = this
    const visitor = this.visitor.address
    const summary = summaryOf(method, tunnel === '' ? this.host + this.target : this.target)
    const kind = hasOption(this.protocol.toLowerCase(), 'websocket') ? 'websocket' : 'upgrade'
    if (channel === undefined) access.refused(kind, tunnel, visitor, summary, status, startedAt, reason)
    else {
      const { bytesSent, bytesReceived } = channel
      access.ended(kind, tunnel, visitor, summary, status, startedAt, bytesSent, bytesReceived, reason)
    }
  }
}
