// Upgrades, WebSocket among them: the target accepts or refuses, and then bytes pass both ways untouched.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { type Channel, type ChannelHandler, type HeaderList, PbtError, type ResponseHead } from '@pbt/proto'
import { replyCodeOf } from './exchange.ts'
import { answerFields, requestHeaders, type Visitor, valuesOf } from './headers.ts'
import { type ReplyCode, type ReplyOptions, replyFor } from './replies.ts'
import { checkRequest } from './request-line.ts'
import type { Route, Router } from './router.ts'

export interface UpgradeOptions {
  readonly router: Router
  readonly visitorOf: (socket: Socket) => Visitor
  readonly serverNameOf: (socket: Socket) => string | undefined
}

/** Serves a request with an Upgrade field; `glued`: what the visitor sent right behind it. */
export function serveUpgrade(options: UpgradeOptions, request: IncomingMessage, socket: Socket, glued: Buffer): void {
  const upgrade = new UpgradeExchange(request, socket, glued)
  const { refusal, destination } = checkRequest(request)
  const reason = refusal?.reason ?? refusalOf(request)
  if (reason !== undefined || destination === undefined) {
    upgrade.reply('bad-request', { status: refusal?.status ?? 400, detail: reason ?? '' })
    return
  }
  const visitor = options.visitorOf(socket)
  const { authority, host, target } = destination
  const head = {
    tunnel: 0,
    method: request.method ?? '',
    target,
    headers: requestHeaders(request.rawHeaders, visitor, authority),
    upgrade: valuesOf(request.rawHeaders, 'upgrade').join(', '),
    visitor: visitor.endpoint,
  }
  upgrade.start(options.router.route(host, options.serverNameOf(socket)), head)
}

/** An upgrade with a body would have to be read twice; Node hands the body over as if it were the new protocol. */
function refusalOf(request: IncomingMessage): string | undefined {
  const { rawHeaders, method, httpVersionMinor, headers } = request
  if (httpVersionMinor === 0) return 'HTTP/1.0 has no Upgrade'
  if (/(^|,)\s*websocket\s*(,|$)/i.test(headers.upgrade ?? '') && method !== 'GET') return 'a WebSocket begins with GET'
  const lengths = valuesOf(rawHeaders, 'content-length')
  if (valuesOf(rawHeaders, 'transfer-encoding').length > 0 || lengths.some(length => length !== '0')) {
    return 'an upgrade cannot have a body'
  }
  return undefined
}

/*
 *  waiting --101--> open: bytes both ways, each direction ends by itself
 *  waiting --other--> answering: an ordinary answer, then the connection ends
 *  any --reset, error--> over
 */
type Phase = 'waiting' | 'open' | 'answering' | 'over'

class UpgradeExchange implements ChannelHandler {
  private readonly request: IncomingMessage
  private readonly socket: Socket
  private glued: Buffer
  private channel: Channel | undefined
  private phase: Phase = 'waiting'
  private owed = 0
  private isChunked = false
  private left = -1
  private stopWaiting: (() => void) | undefined

  constructor(request: IncomingMessage, socket: Socket, glued: Buffer) {
    this.request = request
    this.socket = socket
    this.glued = glued
    socket.setTimeout(0)
    socket.setNoDelay(true)
    socket.on('error', () => this.lost())
    socket.on('close', () => this.lost())
    socket.on('drain', () => this.taken())
  }

  start(route: Route, head: Parameters<Extract<Route, { kind: 'tunnel' }>['tunnel']['open']>[0]): void {
    switch (route.kind) {
      case 'reply':
        this.reply(route.code, route.options)
        return
      case 'wait':
        this.stopWaiting = route.wait(known => this.start(known, head))
        if (this.stopWaiting === undefined) this.reply('overloaded', {})
        return
      case 'tunnel':
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
    const { status, headers, body } = replyFor(code, { ...options, accept: this.request.headers.accept })
    this.socket.end(
      Buffer.concat([Buffer.from(headText(status, '', [...headers, 'connection', 'close']), 'latin1'), body]),
    )
    this.socket.resume()
  }

  onHead(head: ResponseHead, last: boolean): void {
    if (this.phase !== 'waiting') return
    const fields = answerFields(head.headers)
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
        this.cut()
        return
      }
    }
    const { socket, isChunked } = this
    if (isChunked) {
      socket.cork()
      socket.write(`${chunk.length.toString(16)}\r\n`)
    }
    const isTaken = socket.write(chunk)
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
        this.cut()
        return
      }
      this.phase = 'over'
      this.socket.end(this.isChunked ? '0\r\n\r\n' : '')
      this.channel?.reset('cancelled', 'the answer was complete')
    }
  }

  onReset(error: PbtError): void {
    if (this.phase === 'waiting') this.reply(replyCodeOf(error.code), { detail: error.message })
    else this.cut()
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
  private cut(): void {
    this.phase = 'over'
    if (!this.socket.destroyed) resetSocket(this.socket)
  }

  private lost(): void {
    this.stopWaiting?.()
    if (this.phase === 'over' && !this.channel?.isOpen) return
    this.phase = 'over'
    this.channel?.reset('connection-reset', 'the visitor went away')
    this.socket.destroy()
  }
}

/** With RST where the system has it (not on TLS, where the missing close_notify tells), so that it is no clean end. */
function resetSocket(socket: Socket): void {
  if ('encrypted' in socket) socket.destroy()
  else socket.resetAndDestroy()
}

function headText(status: number, reason: string, headers: HeaderList): string {
  let text = `HTTP/1.1 ${status} ${reason}\r\n`
  for (let index = 0; index + 1 < headers.length; index += 2) text += `${headers[index]}: ${headers[index + 1]}\r\n`
  return `${text}\r\n`
}
