// One visit over HTTP: where a request or an upgrade goes, that it is counted while it lasts and recorded once, and that it is
// over when its visitor is gone.
import {
  type Channel,
  type ChannelHandler,
  type ErrorCode,
  PbtError,
  type RequestHead,
  type ResponseHead,
} from '@pbt/proto'
import { type AccessSink, summaryOf } from '../observe/access-log.ts'
import type { AccessKind, VisitEnd } from '../observe/access-record.ts'
import type { LiveTunnel } from '../relay/registry.ts'
import { type AnswerFields, answerFields } from './fields/answer-fields.ts'
import type { CookieIsolation } from './fields/cookies.ts'
import type { Visitor } from './fields/headers.ts'
import { type ReplyCode, type ReplyOptions, statusOf } from './replies.ts'
import type { Route } from './router.ts'

/**
 * What a request and an upgrade have in common. It is one object a visit, handler of its channel and owner of every state,
 * because closures and listeners for each request are what a proxy's time goes into.
 */
export abstract class Visit implements ChannelHandler, VisitEnd {
  protected channel: Channel | undefined
  readonly from: Visitor
  readonly kind: AccessKind
  readonly startedAt: number
  /** Its tunnel's name, '' until that is known. */
  tunnel = ''
  /** Of the answer, 0 while there is none. */
  status = 0
  /** Of an answer that came through the tunnel. */
  firstByteAt = 0
  reason = ''
  private readonly access: AccessSink
  protected readonly method: string
  private target = ''
  private host = ''
  private isCounted = false
  /** Bytes written that the visitor has not taken. */
  private held = 0
  private isRecorded = false
  private cookies: CookieIsolation | undefined
  private stopWaiting: (() => void) | undefined
  private timer: NodeJS.Timeout | undefined
  /** For the answer to begin; 0 for no limit. */
  private timeoutMs = 0
  private live: LiveTunnel | undefined

  constructor(access: AccessSink, from: Visitor, kind: AccessKind, method: string) {
    this.access = access
    this.from = from
    this.kind = kind
    this.method = method
    this.startedAt = access.now()
  }

  /** Answers in the edge's own name and ends the visit; nothing when an answer has begun. */
  abstract reply(code: ReplyCode, options: ReplyOptions): void
  /** The visitor disconnected, or cut what it sends: ends the visit at both ends. Again: nothing. */
  abstract gone(): void
  abstract onReset(error: PbtError): void
  /** Its channel is there. */
  protected abstract opened(): void

  /** Counts it for its visitor's address until `leave`; false: that has too many, which is the answer. */
  admit(): boolean {
    this.isCounted = this.from.use.began()
    if (!this.isCounted) this.reply('limited', { detail: 'there are too many requests from your address' })
    return this.isCounted
  }

  /** Nothing of it is left: what was written has been taken, or is gone. Again: nothing. */
  leave(): void {
    this.letGo()
    if (this.isCounted) this.from.use.ended()
    this.isCounted = false
  }

  /** Bytes were written that the visitor has not taken; false: it is to be cut, for its address has too many of them. */
  protected hold(bytes: number): boolean {
    this.held += bytes
    return this.from.use.hold(bytes)
  }

  /** All that was held has been taken, which is credit for as much. */
  taken(): void {
    const bytes = this.letGo()
    if (bytes > 0) this.channel?.consumed(bytes)
  }

  private letGo(): number {
    const { held } = this
    this.held = 0
    if (held > 0) this.from.use.release(held)
    return held
  }

  /** The tunnel that it is for, as soon as that is known. */
  isFor(host: string, target: string): void {
    this.host = host
    this.target = target
  }

  /**
   * Follows the route, waiting for a client that is expected back if need be. `isWhole`: no body follows the head.
   * `timeoutMs`: for the answer to begin once it is expected, 0 for no limit.
   */
  start(route: Route, head: RequestHead, isWhole: boolean, timeoutMs: number): void {
    switch (route.kind) {
      case 'tunnel':
        this.cookies = route.cookies
        this.open(route.tunnel, head, isWhole, timeoutMs)
        return
      case 'reply':
        this.tunnel = route.tunnel
        this.reply(route.code, route.options)
        return
      case 'wait': {
        const stop = route.wait(known => {
          this.stopWaiting = undefined
          this.start(known, head, isWhole, timeoutMs)
        })
        if (stop === undefined) this.reply('overloaded', { detail: 'too many visitors wait for clients to come back' })
        else this.stopWaiting = stop
      }
    }
  }

  private open(tunnel: LiveTunnel, head: RequestHead, isWhole: boolean, timeoutMs: number): void {
    this.tunnel = tunnel.name
    this.live = tunnel
    this.timeoutMs = timeoutMs
    if (tunnel.isNearlyFull && !this.from.use.isSmall) {
      this.reply('limited', {
        detail: 'there are too many requests from your address while the server is short of resources',
      })
      return
    }
    try {
      this.channel = tunnel.open(head, isWhole, this)
    } catch (error) {
      if (!(error instanceof PbtError)) throw error
      this.unanswered(error)
      return
    }
    this.opened()
  }

  /**
   * Its body comes at less than `leastRate` bytes a second. It may take its time, but where room is short, for all (`isScarce`), at its
   * client or for its address, it is ended.
   */
  protected endWhereShort(leastRate: number, isScarce: boolean): void {
    const { isCrowded } = this.from.use
    if (!isCrowded && !isScarce && this.live?.isShort !== true) return
    this.channel?.reset('cancelled', 'the body came too slowly while the server is short of resources')
    const slow = `the body came at less than ${leastRate} bytes a second`
    if (isCrowded) this.reply('limited', { detail: `${slow}, and there are too many requests from your address` })
    else this.reply('overloaded', { detail: `${slow}, and the server is short of resources` })
    // So that no more of an address are ended than has to be.
    this.leave()
  }

  /** The target has all that it needs to answer, or takes no more: from now on its time counts. Again: nothing. */
  protected expectAnswer(): void {
    const { timeoutMs } = this
    if (timeoutMs > 0) this.timer ??= setTimeout(() => this.timedOut(timeoutMs), timeoutMs).unref()
  }

  /** It has no channel, or one that was over before it brought an answer: tells the visitor so. Why exactly is for the owner. */
  protected unanswered({ code }: PbtError): void {
    if (code === 'limit') this.live?.noteShort()
    this.reply(replyCodeOf(code, this.channel?.isAnnounced === true), {})
  }

  private timedOut(timeoutMs: number): void {
    this.channel?.reset('target-timeout', 'the response did not begin in time')
    this.reply('target-timeout', { detail: `no response began within ${timeoutMs / 1000} s` })
  }

  /** An answer of the edge's own: which status it has. */
  protected repliedWith(code: ReplyCode, options: ReplyOptions): void {
    this.status = options.status ?? statusOf(code)
    this.record(code)
  }

  /** The visit is over, `reason` tells why, '' when all went well: records it, once. */
  protected record(reason: string): void {
    if (this.isRecorded) return
    this.isRecorded = true
    this.reason = reason
    const { channel } = this
    if (channel === undefined) this.access.refused(this)
    else {
      this.access.ended(this)
      // It may stay open for a moment.
      channel.countedSent = channel.bytesSent
      channel.countedReceived = channel.bytesReceived
    }
  }

  /** The fields of an answer that go on; undefined when its Content-Length is invalid. */
  protected fieldsOf({ headers }: ResponseHead): AnswerFields | undefined {
    return answerFields(this.cookies?.keep(headers, this.tunnel) ?? headers)
  }

  /** The answer has begun. */
  protected answerBegan(status: number): void {
    this.status = status
    this.firstByteAt = this.access.now()
    this.stopTimer()
  }

  /** The answer has begun, or is not expected yet. */
  protected stopTimer(): void {
    if (this.timer === undefined) return
    clearTimeout(this.timer)
    this.timer = undefined
  }

  /** Waits for nothing any more. */
  protected release(): void {
    this.stopTimer()
    this.stopWaiting?.()
    this.stopWaiting = undefined
  }

  // VisitEnd.

  get visitor(): string {
    return this.from.address
  }

  get summary(): string {
    return summaryOf(this.method, this.tunnel === '' ? this.host + this.target : this.target)
  }

  get bytesIn(): number {
    return this.channel?.bytesSent ?? 0
  }

  get bytesOut(): number {
    return this.channel?.bytesReceived ?? 0
  }

  get countedIn(): number {
    return this.channel?.countedSent ?? 0
  }

  get countedOut(): number {
    return this.channel?.countedReceived ?? 0
  }
}

/** The edge's code for why a channel never brought an answer. `isSent`: the client may have got some of the request. */
function replyCodeOf(code: ErrorCode, isSent: boolean): ReplyCode {
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
    case 'internal':
      return 'link-lost'
    default:
      return isSent ? 'link-lost' : 'offline'
  }
}
