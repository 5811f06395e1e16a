// Upgrades, WebSocket among them: the target accepts or refuses, and then bytes pass both ways untouched.
import type { Socket } from 'node:net'
import { type Channel, type HeaderList, KIB, type PbtError, type ResponseHead, toKeep, toWrite } from '@pbt/proto'
import type { AccessSink } from '../../observe/access-log.ts'
import { type Visitor, valuesOf } from '../fields/headers.ts'
import { requestHeaders } from '../fields/request-fields.ts'
import { type ReplyCode, type ReplyOptions, replyFor } from '../replies.ts'
import { endSocket, resetSocket } from '../reset.ts'
import type { Router } from '../router.ts'
import { Visit } from '../visit.ts'
import { headText } from './answer-text.ts'
import { BodyPace } from './body-pace.ts'
import { destinationOf, RefusedRequest } from './request-line.ts'
import { hasOption, type IncomingRequest } from './request-parser.ts'

/** How often is looked whether a body comes. */
const WATCH_MS = 1_000
/**
 * What a visitor may say behind its request before the target has answered; it is read so that the visitor's end is seen. More comes from none
 * that waits for the answer, as protocols do (RFC 6455 section 4.1).
 */
const MAX_EARLY_BYTES = 64 * KIB
const EMPTY: Buffer = Buffer.alloc(0)

/** What an upgrade needs of the connection on which it came. */
export interface UpgradeOptions {
  readonly router: Router
  readonly access: AccessSink
  readonly visitor: Visitor
  readonly serverName: string | undefined
  /** For the target's answer; 0 for no limit. */
  readonly responseTimeoutMs: number
  /** As for other requests. */
  readonly leastBodyRate: number
  readonly isScarce: () => boolean
}

/** Serves a request that is an upgrade on a paused socket; `glued`: what the visitor sent right behind its head. */
export function serveUpgrade(options: UpgradeOptions, request: IncomingRequest, socket: Socket, glued: Buffer): void {
  const { router, access, visitor, serverName } = options
  const upgrade = new UpgradeExchange(request, socket, access, visitor)
  if (!request.hasNoBody) upgrade.watch(options)
  const { method, fields } = request
  try {
    if (!upgrade.admit()) return
    const { authority, host, target } = destinationOf(method, request.target, request.host)
    const headers = requestHeaders(fields, visitor, authority)
    const { endpoint, connection } = visitor
    const head = { tunnel: 0, method, target, headers, upgrade: request.upgrade, visitor: endpoint, connection }
    upgrade.isFor(host, target)
    upgrade.start(router.route(host, serverName, visitor.address), head, false, options.responseTimeoutMs)
    upgrade.listen(glued)
  } catch (error) {
    if (!(error instanceof RefusedRequest)) throw error
    upgrade.reply('bad-request', { status: error.status, detail: error.message })
  }
}

/*
 *  waiting: the request's body, then nothing (RFC 9110 section 7.8)
 *  waiting --101--> open: bytes both ways, each direction ends by itself
 *  waiting --other--> answering: an ordinary answer, then the connection ends
 *  any --reset, error, visitor's end before the answer--> over
 */
type Phase = 'waiting' | 'open' | 'answering' | 'over'

/** Of the request it keeps only what Visit has and `accept`: its fields may be many, and a WebSocket lasts. */
class UpgradeExchange extends Visit {
  private accept: string | undefined
  private readonly socket: Socket
  /** What came behind the request before the answer, and what of its body waits for a channel. */
  private early = EMPTY
  /** Bytes of the request's body still to come. */
  private left: number
  private readonly pace = new BodyPace(false)
  private watcher: NodeJS.Timeout | undefined
  private phase: Phase = 'waiting'
  private isChunked = false
  /** Bytes of a refusal's body still to come. */
  private bodyLeft = -1

  constructor(request: IncomingRequest, socket: Socket, access: AccessSink, from: Visitor) {
    super(access, from, hasOption(request.upgrade.toLowerCase(), 'websocket') ? 'websocket' : 'upgrade', request.method)
    this.accept = valuesOf(request.fields, 'accept')[0]
    this.left = Math.max(0, request.contentLength)
    this.socket = socket
    socket.on('error', () => this.closed())
    socket.on('close', () => this.closed())
    socket.on('drain', () => this.taken())
  }

  /** Reads from now on: the visitor may disconnect while it waits for the answer. `glued`: what came already. */
  listen(glued: Buffer): void {
    if (this.phase === 'over') return
    const { socket } = this
    socket.on('data', (chunk: Buffer) => this.said(chunk))
    socket.on('end', () => this.visitorEnded())
    socket.resume()
    if (glued.length > 0) this.said(glued)
  }

  /** Sees to a body that comes slowly. */
  watch({ leastBodyRate, isScarce }: Pick<UpgradeOptions, 'leastBodyRate' | 'isScarce'>): void {
    this.watcher = setInterval(() => {
      if (this.channel !== undefined && this.pace.isTooSlow(leastBodyRate))
        this.endWhereShort(leastBodyRate, isScarce())
    }, WATCH_MS).unref()
  }

  protected opened(): void {
    if (this.left === 0) {
      this.expectAnswer()
      return
    }
    const { early, socket } = this
    this.early = EMPTY
    if (socket.isPaused()) socket.resume()
    if (early.length > 0) this.said(early)
  }

  private said(chunk: Buffer): void {
    if (this.phase === 'open') {
      if (this.channel?.write(chunk) === false) this.socket.pause()
    } else if (this.phase === 'waiting') {
      const rest = this.left > 0 && this.channel !== undefined ? this.passBody(this.channel, chunk) : chunk
      if (rest.length === 0) return
      this.early = this.early.length === 0 ? toKeep(rest) : Buffer.concat([this.early, rest])
      if (this.early.length <= MAX_EARLY_BYTES) return
      if (this.left > 0) {
        // Its client is waited for.
        this.socket.pause()
        return
      }
      this.channel?.reset('cancelled', 'the visitor did not wait for the answer')
      this.reply('bad-request', { detail: `more than ${MAX_EARLY_BYTES} bytes came before the upgrade was answered` })
    }
  }

  /** Passes on what of it belongs to the body, and returns the rest. */
  private passBody(channel: Channel, chunk: Buffer): Buffer {
    const body = chunk.subarray(0, this.left)
    this.left -= body.length
    this.pace.came(body.length)
    if (!channel.write(body)) {
      this.pace.isPaused = true
      this.expectAnswer()
      this.socket.pause()
    }
    if (this.left === 0) this.bodyEnded()
    return chunk.subarray(body.length)
  }

  private bodyEnded(): void {
    this.stopWatching()
    this.expectAnswer()
  }

  private stopWatching(): void {
    clearInterval(this.watcher)
    this.watcher = undefined
  }

  private visitorEnded(): void {
    if (this.phase === 'open') this.channel?.end()
    else if (this.phase === 'waiting') this.gone()
  }

  reply(code: ReplyCode, options: ReplyOptions): void {
    if (this.phase !== 'waiting') return
    this.phase = 'over'
    this.stopWatching()
    this.release()
    this.repliedWith(code, options)
    const { status, headers, body } = replyFor(code, { ...options, accept: this.accept })
    const head = Buffer.from(headText(status, '', [...headers, 'connection', 'close']), 'latin1')
    endSocket(this.socket, Buffer.concat([head, body]))
  }

  onHead(head: ResponseHead, last: boolean): void {
    if (this.phase !== 'waiting') return
    const fields = this.fieldsOf(head)
    if (fields === undefined || (head.status === 101 && head.upgrade === '')) {
      this.channel?.reset('target-broke', 'invalid Content-Length or Upgrade in the response')
      this.reply('target-broke', { detail: 'invalid Content-Length or Upgrade in the response' })
      return
    }
    if (head.status < 200 && head.status !== 101) return
    this.answerBegan(head.status)
    this.stopWatching()
    if (head.status === 101) this.switchOver(head, fields.headers)
    else this.answer(head, fields.headers, fields.contentLength, last)
  }

  private switchOver(head: ResponseHead, headers: HeaderList): void {
    const { socket, channel, early } = this
    this.phase = 'open'
    this.accept = undefined
    this.early = EMPTY
    socket.write(headText(101, head.reason, [...headers, 'connection', 'Upgrade', 'upgrade', head.upgrade]), 'latin1')
    if (early.length > 0 && channel?.write(early) === false) socket.pause()
  }

  /** Refused: the answer ends with its Content-Length or its last chunk, and the connection with it. */
  private answer(head: ResponseHead, headers: HeaderList, contentLength: number, last: boolean): void {
    this.phase = 'answering'
    this.early = EMPTY
    const isBodyless = last || head.status === 204 || head.status === 304
    this.bodyLeft = isBodyless ? 0 : contentLength
    this.isChunked = !isBodyless && contentLength < 0
    const framing = this.isChunked ? ['transfer-encoding', 'chunked'] : []
    if (last && contentLength < 0) framing.push('content-length', '0')
    this.socket.write(headText(head.status, head.reason, [...headers, ...framing, 'connection', 'close']), 'latin1')
  }

  onData(chunk: Buffer): void {
    if (this.phase !== 'open' && this.phase !== 'answering') return
    if (this.phase === 'answering' && !this.isChunked) {
      this.bodyLeft -= chunk.length
      if (this.bodyLeft < 0) {
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
    else if (!this.hold(chunk.length)) {
      this.channel?.reset('limited', 'too much data is queued for visitors at this address who do not read')
      this.cut('limited')
    }
  }

  onEnd(): void {
    if (this.phase === 'open') this.socket.end()
    else if (this.phase === 'answering') {
      if (this.bodyLeft > 0) {
        this.cut('target-broke')
        return
      }
      this.phase = 'over'
      endSocket(this.socket, Buffer.from(this.isChunked ? '0\r\n\r\n' : ''))
      this.channel?.reset('cancelled', 'the answer was complete')
    }
  }

  onReset(error: PbtError): void {
    if (this.phase === 'waiting') this.unanswered(error)
    else this.cut(error.code)
  }

  onDrain(): void {
    this.pace.isPaused = false
    if (this.left > 0) this.stopTimer()
    this.socket.resume()
  }

  /** The visitor sees that something is missing. */
  private cut(reason: string): void {
    this.phase = 'over'
    this.reason = reason
    resetSocket(this.socket)
  }

  gone(): void {
    this.reason = 'visitor-gone'
    this.closed()
    this.socket.destroy()
  }

  /** The visitor's connection is over. */
  private closed(): void {
    this.stopWatching()
    this.release()
    if (this.phase !== 'over' && (this.channel === undefined || this.channel.isOpen)) this.reason = 'visitor-gone'
    this.record(this.reason)
    this.leave()
    this.phase = 'over'
    this.channel?.reset('connection-reset', 'the visitor disconnected')
    this.socket.destroy()
  }
}
