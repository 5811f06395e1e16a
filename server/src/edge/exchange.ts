// One visitor's request and its answer, as far as HTTP/1 and HTTP/2 have it in common.
//
// A subclass is the visitor's side of one HTTP version.

import type { HeaderList, PbtError, ResponseHead } from '@pbt/proto'
import type { AccessSink } from '../observe/access-log.ts'
import { answerTrailers } from './fields/answer-fields.ts'
import type { Visitor } from './fields/headers.ts'
import { requestTrailers } from './fields/request-fields.ts'
import { BodyPace } from './http1/body-pace.ts'
import type { ReplyCode, ReplyOptions } from './replies.ts'
import { Visit } from './visit.ts'

/** Interim answers passed on; more come only from a broken target. */
const MAX_INTERIM = 32

/** What an answer's end may still bring. */
type Phase = 'waiting' | 'answering' | 'done'

/** Why a visit is cut whose visitor does not read. */
const TOO_MUCH_HELD = 'too much data is queued for visitors at this address who do not read'

/** Exactly one response for each request: the target's, one of the edge's own, or an end that is seen to be early. */
export abstract class Exchange extends Visit {
  private phase: Phase = 'waiting'
  /** The visitor has sent the whole request. */
  protected isRequestWhole: boolean
  private readonly isHeadRequest: boolean
  private interim = 0
  /** Bytes of the body still to come by its Content-Length; -1: unknown. */
  private left = -1
  private hasNoBody = false
  /** Undefined for a request without a body. */
  private readonly pace: BodyPace | undefined

  constructor(access: AccessSink, from: Visitor, method: string, isRequestWhole: boolean, isBodyHeld: boolean) {
    super(access, from, 'http', method)
    this.isHeadRequest = method === 'HEAD'
    this.isRequestWhole = isRequestWhole
    this.pace = isRequestWhole ? undefined : new BodyPace(isBodyHeld)
  }

  // What the HTTP versions do.

  /** Passes on an interim head. */
  protected abstract sendInterim(status: number, headers: HeaderList): void
  /** Passes on the head; `isBodyless`: nothing but the end follows. Throws what Node thinks of its fields. */
  protected abstract sendHead(head: ResponseHead, headers: HeaderList, isBodyless: boolean, length: number): void
  /** False: `taken` or `leave` is called when the visitor has taken what was written. `last`: this ends the answer. */
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

  protected opened(): void {
    if (this.isRequestWhole) this.expectAnswer()
    else this.readBody()
  }

  /** Answers in the edge's own name, once, and only when no head went out. */
  reply(code: ReplyCode, options: ReplyOptions): void {
    if (this.phase !== 'waiting') return
    this.phase = 'done'
    this.repliedWith(code, options)
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
    if (this.phase === 'waiting') this.expectAnswer()
    this.pauseBody()
  }

  /**
   * Called once a second: where room is short, ends a request whose body comes at less than `leastRate` bytes a second while
   * the channel would take it. Not once the answer has begun: then both sides are in conversation, at a pace of their own.
   */
  watchBody(leastRate: number, isScarce: boolean): void {
    if (this.isRequestWhole || this.phase !== 'waiting' || this.channel === undefined) return
    if (this.pace?.isTooSlow(leastRate) !== true) return
    this.endWhereShort(leastRate, isScarce)
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
    if (this.phase === 'waiting') this.expectAnswer()
    const fields = trailers.length === 0 ? [] : requestTrailers(trailers)
    if (fields.length > 0) channel.sendTrailers(fields)
    else channel.end()
  }

  gone(): void {
    if (this.phase === 'done') return
    this.phase = 'done'
    this.record('visitor-gone')
    this.channel?.reset('cancelled', 'the visitor disconnected')
    this.release()
  }

  // ChannelHandler.

  onHead(head: ResponseHead, last: boolean): void {
    if (this.phase !== 'waiting') return
    if (head.status < 200) {
      this.onInterim(head)
      return
    }
    const fields = this.fieldsOf(head)
    if (fields === undefined) {
      this.broke('invalid Content-Length in the response')
      return
    }
    this.hasNoBody = this.isHeadRequest || head.status === 204 || head.status === 304
    this.left = this.hasNoBody ? -1 : fields.contentLength
    this.phase = 'answering'
    this.answerBegan(head.status)
    try {
      this.sendHead(head, fields.headers, this.hasNoBody || last, fields.contentLength)
    } catch {
      // Node's HTTP/2 refuses the head (ERR_HTTP2_INVALID_CONNECTION_HEADERS and the like) before it has written anything.
      this.phase = 'waiting'
      this.broke('the response has header fields that cannot be forwarded')
    }
  }

  private onInterim(head: ResponseHead): void {
    if (head.status === 101) {
      this.broke('the service switched protocols without being asked')
      return
    }
    if (++this.interim > MAX_INTERIM) {
      this.broke(`the service sent more than ${MAX_INTERIM} interim responses`)
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
    if (this.sendData(chunk, last)) {
      if (!last) this.channel?.consumed(chunk.length)
    } else if (!this.hold(chunk.length)) {
      this.channel?.reset('limited', TOO_MUCH_HELD)
      this.breakOff('limited')
      return
    }
    if (last) this.ended()
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
    if (this.phase === 'waiting') this.unanswered(error)
    else if (this.phase === 'answering') this.breakOff(error.code)
    this.release()
  }

  onDrain(): void {
    if (this.pace !== undefined) this.pace.isPaused = false
    if (!this.isRequestWhole) this.stopTimer()
    this.resumeBody()
  }

  /** The answer is one that cannot be passed on. */
  private broke(detail: string): void {
    this.channel?.reset('target-broke', detail)
    if (this.phase === 'waiting') this.reply('target-broke', { detail })
    else if (this.phase === 'answering') this.breakOff('target-broke')
  }

  /** The answer has begun and cannot go on: the visitor sees that it is not whole. */
  private breakOff(reason: string): void {
    this.phase = 'done'
    this.record(reason)
    this.cut()
    this.release()
  }

  private ended(): void {
    this.phase = 'done'
    this.record('')
    // The target has said everything without hearing all: the rest is not needed (RFC 9113 section 8.1).
    if (!this.isRequestWhole) this.channel?.reset('cancelled', 'the response was complete before the request')
    this.release()
    this.finished()
  }
}
