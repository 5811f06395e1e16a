// One visitor's request and its answer, as far as HTTP/1 and HTTP/2 have it in common.
//
// A subclass is the visitor's side of one HTTP version. It is one object a request, handler of its channel and owner of
// every state, because closures and listeners for each request are what a proxy's time goes into.

import type { ResponseHead } from '@pbt/proto'
import {
  type Channel,
  type ChannelHandler,
  type ErrorCode,
  type HeaderList,
  PbtError,
  type RequestHead,
} from '@pbt/proto'
import { type AccessSink, summaryOf } from '../observe/access-log.ts'
import type { LiveTunnel } from '../relay/registry.ts'
import { type AnswerFields, answerFields, answerTrailers } from './answer-fields.ts'
import { BodyPace } from './body-pace.ts'
import type { CookieIsolation } from './cookies.ts'
import type { Visitor } from './headers.ts'
import { type ReplyCode, type ReplyOptions, statusOf } from './replies.ts'
import { requestTrailers } from './request-fields.ts'
import type { Route } from './router.ts'

/** Interim answers passed on; more come only from a broken target. */
const MAX_INTERIM = 32

/** What an answer's end may still bring. */
type Phase = 'waiting' | 'answering' | 'done'

export abstract class Exchange implements ChannelHandler {
  protected channel: Channel | undefined
  private phase: Phase = 'waiting'
  /** The visitor has sent the whole request. */
  protected isRequestWhole: boolean
  private readonly isHeadRequest: boolean
  private interim = 0
  /** Bytes of the body still to come by its Content-Length; -1: unknown. */
  private left = -1
  private hasNoBody = false
  /** Bytes handed to the visitor's side that it has not taken; credit for them is given when it has. */
  private owed = 0
  private cookies: CookieIsolation | undefined
  private stopWaiting: (() => void) | undefined
  private timer: NodeJS.Timeout | undefined
  /** Undefined for a request without a body. */
  private readonly pace: BodyPace | undefined
  // For the access log.
  private readonly access: AccessSink
  private readonly startedAt: number
  private readonly visitor: Visitor
  private isCounted = false
  private readonly method: string
  private target = ''
  private host = ''
  private tunnel = ''
  private status = 0
  private isRecorded = false

  constructor(access: AccessSink, visitor: Visitor, method: string, isRequestWhole: boolean, isBodyHeld: boolean) {
    this.access = access
    this.startedAt = access.now()
    this.visitor = visitor
    this.method = method
    this.isHeadRequest = method === 'HEAD'
    this.isRequestWhole = isRequestWhole
    this.pace = isRequestWhole ? undefined : new BodyPace(isBodyHeld)
  }

  // What the HTTP versions do.

  /** Passes on an interim head. */
  protected abstract sendInterim(status: number, headers: HeaderList): void
  /** Passes on the head; `isBodyless`: nothing but the end follows. Throws what Node thinks of its fields. */
  protected abstract sendHead(head: ResponseHead, headers: HeaderList, isBodyless: boolean, length: number): void
  /** False: `taken` is called when the visitor has taken what was written. `last`: this ends the answer. */
  protected abstract sendData(chunk: Buffer, last: boolean): boolean
  protected abstract sendEnd(trailers: HeaderList | undefined): void
  /** Answers in the edge's own name; nothing was sent before. */
  protected abstract sendReply(code: ReplyCode, options: ReplyOptions): void
  /** Makes the visitor see that the answer is not whole. */
  protected abstract cut(): void
  /** Starts reading the request's body, if it has one. */
  protected abstract readBody(): void
  protected abstract pauseBody(): void
  protected abstract resumeBody(): void
  /** The answer is out, or the exchange over; the request may not be: sees to the rest of the visitor's bytes. */
  protected abstract finished(): void

  /** Some of an answer has gone out. */
  get hasAnswered(): boolean {
    return this.phase !== 'waiting'
  }

  // The way of a request.

  /** Whom it is for, as soon as that is known. */
  isFor(host: string, target: string): void {
    this.host = host
    this.target = target
  }

  /** Follows the route, waiting for a client that is expected back if need be. `timeoutMs`: 0 for no limit. */
  start(route: Route, head: RequestHead, timeoutMs: number): void {
    switch (route.kind) {
      case 'tunnel':
        this.cookies = route.cookies
        this.open(route.tunnel, head, timeoutMs)
        return
      case 'reply':
        this.tunnel = route.tunnel
        this.reply(route.code, route.options)
        return
      case 'wait': {
        const stop = route.wait(known => {
          this.stopWaiting = undefined
          this.start(known, head, timeoutMs)
        })
        if (stop === undefined) this.reply('overloaded', { detail: 'too many visitors wait for clients to come back' })
        else this.stopWaiting = stop
      }
    }
  }

  private open(tunnel: LiveTunnel, head: RequestHead, timeoutMs: number): void {
    this.tunnel = tunnel.name
    // Its connection was counted when it came; behind a proxy, where connections are nobody's own, requests are.
    this.isCounted = this.visitor.requests?.began(this.visitor.address) === true
    if (this.visitor.requests !== undefined && !this.isCounted) {
      this.reply('limited', { detail: 'there are too many requests from your address' })
      return
    }
    try {
      this.channel = tunnel.open(head, this.isRequestWhole, this)
    } catch (error) {
      if (!(error instanceof PbtError)) throw error
      this.reply(replyCodeOf(error.code), { detail: error.message })
      return
    }
    if (timeoutMs > 0) this.timer = setTimeout(() => this.timedOut(timeoutMs), timeoutMs).unref()
    if (!this.isRequestWhole) this.readBody()
  }

  /** Answers in the edge's own name, once, and only when no head went out. */
  reply(code: ReplyCode, options: ReplyOptions): void {
    if (this.phase !== 'waiting') return
    this.phase = 'done'
    this.status = options.status ?? statusOf(code)
    this.record(code)
    this.sendReply(code, options)
    this.release()
    this.finished()
  }

  /** A piece of the request's body. */
  bodyData(chunk: Buffer): void {
    const { pace } = this
    pace?.came(chunk.length)
    if (this.channel?.write(chunk) !== false) return
    if (pace !== undefined) pace.isPaused = true
    this.pauseBody()
  }

  /**
   * Called once a second: refuses a request whose body comes at less than `leastRate` bytes a second while the channel
   * would take it. Not once the answer has begun: then both sides are in conversation, at a pace of their own.
   */
  watchBody(leastRate: number): void {
    if (this.isRequestWhole || this.phase !== 'waiting' || this.channel === undefined) return
    if (this.pace?.isTooSlow(leastRate) !== true) return
    this.channel.reset('cancelled', 'the body came too slowly')
    this.reply('bad-request', { status: 408, detail: `the body came at less than ${leastRate} bytes a second` })
  }

  /** What this waits for is not the visitor. */
  get isWaitingForChannel(): boolean {
    return this.pace?.isPaused === true && this.phase !== 'done'
  }

  /** The request's body is whole. */
  bodyEnd(trailers: readonly string[]): void {
    this.isRequestWhole = true
    const { channel } = this
    if (channel === undefined) return
    const fields = trailers.length === 0 ? [] : requestTrailers(trailers)
    if (fields.length > 0) channel.sendTrailers(fields)
    else channel.end()
  }

  /** The visitor went away, or broke the body off. */
  gone(): void {
    this.phase = 'done'
    this.record('visitor-gone')
    this.channel?.reset('cancelled', 'the visitor went away')
    this.release()
  }

  /** The visitor has taken everything written. */
  taken(): void {
    const bytes = this.owed
    this.owed = 0
    if (bytes > 0) this.channel?.consumed(bytes)
  }

  // ChannelHandler.

  onHead(head: ResponseHead, last: boolean): void {
    if (this.phase !== 'waiting') return
    if (head.status < 200) {
      this.onInterim(head)
      return
    }
    this.clearTimer()
    const fields = this.fieldsOf(head)
    if (fields === undefined) {
      this.broke('the answer has a Content-Length that makes no sense')
      return
    }
    this.hasNoBody = this.isHeadRequest || head.status === 204 || head.status === 304
    this.left = this.hasNoBody ? -1 : fields.contentLength
    this.phase = 'answering'
    this.status = head.status
    try {
      this.sendHead(head, fields.headers, this.hasNoBody || last, fields.contentLength)
    } catch {
      // Node's HTTP/2 refuses the head (ERR_HTTP2_INVALID_CONNECTION_HEADERS and the like) before it has written anything.
      this.phase = 'waiting'
      this.broke('the answer has fields that cannot be passed on')
    }
  }

  private fieldsOf({ headers }: ResponseHead): AnswerFields | undefined {
    return answerFields(this.cookies?.keep(headers, this.tunnel) ?? headers)
  }

  private onInterim(head: ResponseHead): void {
    if (head.status === 101) {
      this.broke('the service switched protocols without being asked')
      return
    }
    if (++this.interim > MAX_INTERIM) {
      this.broke(`the service sent more than ${MAX_INTERIM} interim answers`)
      return
    }
    if (head.status === 100) this.pace?.asked()
    this.sendInterim(head.status, this.fieldsOf(head)?.headers ?? [])
  }

  onData(chunk: Buffer, last: boolean): void {
    if (this.phase !== 'answering') return
    if (this.hasNoBody) {
      this.channel?.consumed(chunk.length)
      return
    }
    if (this.left >= 0) {
      this.left -= chunk.length
      if (this.left < 0 || (last && this.left > 0)) {
        this.broke('the body is not as long as its Content-Length')
        return
      }
    }
    const isTaken = this.sendData(chunk, last)
    if (last) this.ended()
    else if (isTaken) this.channel?.consumed(chunk.length)
    else this.owed += chunk.length
  }

  onTrailers(trailers: HeaderList): void {
    if (this.phase !== 'answering' || this.left > 0) return
    this.sendEnd(answerTrailers(trailers))
    this.ended()
  }

  onEnd(): void {
    if (this.phase !== 'answering') return
    if (this.left > 0) {
      this.broke('the body is shorter than its Content-Length')
      return
    }
    this.sendEnd(undefined)
    this.ended()
  }

  onReset(error: PbtError): void {
    if (this.phase === 'waiting') this.reply(replyCodeOf(error.code), { detail: error.message })
    else if (this.phase === 'answering') {
      this.phase = 'done'
      this.record(error.code)
      this.cut()
    }
    this.release()
  }

  onDrain(): void {
    if (this.pace !== undefined) this.pace.isPaused = false
    this.resumeBody()
  }

  private timedOut(timeoutMs: number): void {
    this.channel?.reset('target-timeout', 'the answer did not begin in time')
    this.reply('target-timeout', { detail: `no answer began within ${timeoutMs / 1000} s` })
  }

  /** The answer is one that cannot be passed on. */
  private broke(detail: string): void {
    this.channel?.reset('target-broke', detail)
    if (this.phase === 'waiting') this.reply('target-broke', { detail })
    else if (this.phase === 'answering') {
      this.phase = 'done'
      this.record('target-broke')
      this.cut()
      this.release()
    }
  }

  /** Once, when it is over. */
  private record(reason: string): void {
    if (this.isRecorded) return
    this.isRecorded = true
    if (this.isCounted) this.visitor.requests?.ended(this.visitor.address)
    const { access, channel, tunnel, method, status, startedAt } = this
    const visitor = this.visitor.address
    const summary = summaryOf(method, tunnel === '' ? this.host + this.target : this.target)
    if (channel === undefined) access.refused('http', tunnel, visitor, summary, status, startedAt, reason)
    else {
      const { bytesSent, bytesReceived } = channel
      access.ended('http', tunnel, visitor, summary, status, startedAt, bytesSent, bytesReceived, reason)
    }
  }

  private ended(): void {
    this.phase = 'done'
    this.record('')
    // The target has said everything without hearing all: nobody needs the rest (RFC 9113 section 8.1).
    if (!this.isRequestWhole) this.channel?.reset('cancelled', 'the answer was complete before the request')
    this.release()
    this.finished()
  }

  private release(): void {
    this.clearTimer()
    this.stopWaiting?.()
    this.stopWaiting = undefined
  }

  private clearTimer(): void {
    if (this.timer === undefined) return
    clearTimeout(this.timer)
    this.timer = undefined
  }
}

/** The edge's code for why a channel never brought an answer. */
export function replyCodeOf(code: ErrorCode): ReplyCode {
  switch (code) {
    case 'target-unreachable':
    case 'target-broke':
    case 'target-timeout':
    case 'not-allowed':
    case 'limited':
      return code
    case 'limit':
      return 'overloaded'
    case 'protocol':
      return 'target-broke'
    default:
      return 'link-lost'
  }
}
