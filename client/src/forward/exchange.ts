// One request to an HTTP/1 target: from the channel to a connection and back, in one object without listeners of its own.
import {
  type Channel,
  type ChannelHandler,
  type ErrorCode,
  type HeaderList,
  type PbtError,
  type RequestHead,
  toKeep,
  toWrite,
} from '@pbt/proto'
import type { Connection, ConnectionUser } from './connection.ts'
import type { Pool, Waiter } from './pool.ts'
import { type OnRequest, Recorder } from './record.ts'
import { requestText, trailerText } from './request-text.ts'
import { type AnswerEvents, type AnswerHead, BrokenAnswer, ResponseParser } from './response-parser.ts'

/** Interim answers passed on; more come only from a broken target. */
const MAX_INTERIM = 32
const CLOSED = 'the target closed the connection unexpectedly'

/*
 *  dialling --connected--> asking --final head--> answering --whole--> over
 *                             `--101--> tunnelling --both ends--> over
 *  any --reset by the visitor, broken connection or answer--> over
 */
type Phase = 'dialling' | 'asking' | 'answering' | 'tunnelling' | 'over'

/** Ends with the channel closed or reset, and its connection returned to the pool or destroyed. */
export class Http1Exchange implements ChannelHandler, ConnectionUser, AnswerEvents, Waiter {
  private readonly channel: Channel
  private readonly head: RequestHead
  private readonly pool: Pool
  private readonly record: Recorder
  private readonly parser = new ResponseParser()
  private connection: Connection | undefined
  private giveUpDialling: (() => void) | undefined
  private phase: Phase = 'dialling'
  private isRequestWhole: boolean
  private isAnswerWhole = false
  private isChunked = false
  /** Bytes of the request's body still to come by its Content-Length, -1 when it has none or the rest may be anything. */
  private left = -1
  /** The answer began before the request was whole: the target may leave the rest unread, and close. */
  private isEarly = false
  /** The target may have ended its answer long before it is read, and be about to close the connection. */
  private hasAnswerWaited = false
  private interim = 0
  private answer: AnswerHead | undefined
  /** The body's beginning while there is no connection: at most the channel's credit. */
  private waiting: Buffer[] = []
  private waitingTrailers: HeaderList = []
  private owed = 0

  constructor(channel: Channel, head: RequestHead, last: boolean, pool: Pool, onRequest: OnRequest) {
    this.channel = channel
    this.head = head
    this.pool = pool
    this.isRequestWhole = last
    this.record = new Recorder(onRequest, head.method, head.target, channel)
    channel.handler = this
    const idle = pool.take(head.connection)
    if (idle === undefined) this.giveUpDialling = pool.dial(this)
    else this.onConnection(idle)
  }

  // Waiter.

  onConnection(connection: Connection): void {
    this.giveUpDialling = undefined
    this.connection = connection
    this.phase = 'asking'
    connection.user = this
    this.parser.expect(this.head.method, this)
    const hasBody = !this.isRequestWhole || this.waiting.length > 0
    const { text, isChunked, length, isOfConnection } = requestText(this.head, hasBody)
    this.isChunked = isChunked
    if (isOfConnection) connection.boundTo = this.head.connection
    if (this.head.upgrade === '') this.left = length
    if (length > 0 && !hasBody) {
      this.fail('protocol', 'the request has no body, but a Content-Length')
      return
    }
    const { socket } = connection
    const { waiting } = this
    if (waiting.length === 0 && !(isChunked && this.isRequestWhole)) {
      socket.write(text, 'latin1')
      return
    }
    this.waiting = []
    socket.cork()
    socket.write(text, 'latin1')
    for (const chunk of waiting) this.send(chunk)
    if (this.isRequestWhole) this.sendBodyEnd()
    socket.uncork()
  }

  onUnreachable(error: PbtError): void {
    this.fail(error.code, error.message)
  }

  // ChannelHandler: what the visitor sends.

  onData(chunk: Buffer): void {
    if (this.phase === 'dialling') this.waiting.push(toKeep(chunk))
    else this.send(chunk)
  }

  onTrailers(trailers: HeaderList): void {
    this.waitingTrailers = trailers
  }

  onEnd(): void {
    this.isRequestWhole = true
    if (this.phase === 'tunnelling') this.connection?.socket.end()
    else if (this.phase !== 'dialling' && this.phase !== 'over') this.sendBodyEnd()
    if (this.isAnswerWhole) this.over('')
  }

  onReset(error: PbtError): void {
    // The target must not take what it got for the whole: its connection is cut.
    this.over(this.isAnswerWhole && error.code === 'cancelled' ? '' : error.code)
  }

  onDrain(): void {
    this.connection?.socket.resume()
  }

  private send(chunk: Buffer): void {
    const socket = this.connection?.socket
    if (socket === undefined) return
    if (this.left >= 0) {
      this.left -= chunk.length
      // What is too much would be the next request to the target.
      if (this.left < 0) {
        this.fail('protocol', 'the body is longer than its Content-Length')
        return
      }
    }
    const body = toWrite(socket, chunk)
    let isTaken: boolean
    if (this.isChunked) {
      socket.cork()
      socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
      socket.write(body)
      isTaken = socket.write('\r\n', 'latin1')
      socket.uncork()
    } else isTaken = socket.write(body)
    // The system may have taken at once what is more than the socket would keep.
    if (isTaken || socket.writableLength === 0) this.channel.consumed(chunk.length)
    else this.owed += chunk.length
  }

  private sendBodyEnd(): void {
    if (this.left > 0) this.fail('protocol', 'the body is shorter than its Content-Length')
    else if (this.isChunked) this.connection?.socket.write(trailerText(this.waitingTrailers), 'latin1')
  }

  // ConnectionUser: what the target does.

  onSocketData(chunk: Buffer): void {
    if (this.phase === 'tunnelling') {
      this.pass(chunk)
      return
    }
    try {
      this.parser.execute(chunk)
    } catch (error) {
      this.broke(error)
    }
  }

  onSocketEnd(): void {
    if (this.phase === 'tunnelling') {
      this.channel.end()
      this.isAnswerWhole = true
      if (this.isRequestWhole) this.over('')
      return
    }
    try {
      this.parser.finish()
    } catch (error) {
      this.broke(error)
    }
  }

  onSocketClose(error: Error | undefined): void {
    if (this.phase === 'over') return
    if (this.phase === 'tunnelling') {
      if (error === undefined && this.isAnswerWhole) this.over('')
      else this.fail('connection-reset', 'the target reset the connection')
    } else if (this.isAnswerWhole) this.over('')
    else this.unanswered(error === undefined ? CLOSED : `${CLOSED}: ${error.message}`)
  }

  onSocketDrain(): void {
    const bytes = this.owed
    this.owed = 0
    if (bytes > 0) this.channel.consumed(bytes)
  }

  private pass(chunk: Buffer): void {
    if (this.channel.write(chunk)) return
    this.hasAnswerWaited = true
    this.connection?.socket.pause()
  }

  // AnswerEvents.

  onAnswerHead(head: AnswerHead): void {
    const { status, reason, headers } = head
    this.record.status = status
    if (status === 101) {
      if (this.head.upgrade === '' || head.upgrade === '')
        throw new BrokenAnswer('the target switched protocols without being asked')
      this.phase = 'tunnelling'
      this.channel.sendHead({ status, reason, headers, upgrade: head.upgrade })
      return
    }
    if (status < 200) {
      if (++this.interim > MAX_INTERIM)
        throw new BrokenAnswer(`the target sent more than ${MAX_INTERIM} interim responses`)
    } else {
      this.phase = 'answering'
      this.answer = head
      this.isEarly = !this.isRequestWhole
    }
    if (head.isOfConnection && this.connection !== undefined) this.connection.boundTo = this.head.connection
    this.channel.sendHead({ status, reason, headers, upgrade: '' })
  }

  onAnswerBody(chunk: Buffer): void {
    this.pass(chunk)
  }

  onAnswerTrailers(trailers: HeaderList): void {
    if (trailers.length > 0) this.channel.sendTrailers(trailers)
  }

  onAnswerComplete(rest: Buffer): void {
    if (this.phase === 'tunnelling') {
      if (rest.length > 0) this.pass(rest)
      return
    }
    this.isAnswerWhole = true
    this.channel.end()
    const { answer, connection } = this
    if (!this.isRequestWhole) {
      // The visitor may go on sending until the server says otherwise; the connection is of no further use.
      return
    }
    if (answer?.isKeptAlive && rest.length === 0 && connection !== undefined && this.isLeftClean(connection)) {
      this.connection = undefined
      connection.user = undefined
      this.pool.release(connection, answer.keepAliveSeconds)
    }
    this.over('')
  }

  /** Nothing of this exchange can be left on it: no bytes of the request, no end that the target has announced or is about to. */
  private isLeftClean({ isUsable, socket }: Connection): boolean {
    return isUsable && !this.isEarly && !this.hasAnswerWaited && socket.writableLength === 0
  }

  private broke(error: unknown): void {
    if (!(error instanceof BrokenAnswer)) throw error
    if (this.isAnswerWhole) this.over('')
    else this.unanswered(error.message)
  }

  private unanswered(message: string): void {
    const { connection } = this
    if (connection !== undefined && connection.uses > 0 && this.parser.isUntouched) this.pool.broke(connection)
    this.fail('target-broke', message)
  }

  protected fail(code: ErrorCode, message: string): void {
    this.channel.reset(code, message)
    this.over(`${code}: ${message}`)
  }

  /** Ends everything; a connection still held is cut, unless it ends by itself. */
  private over(fault: string): void {
    if (this.phase === 'over') return
    const isEndingByItself = this.phase === 'tunnelling' && fault === ''
    this.phase = 'over'
    this.giveUpDialling?.()
    this.waiting = []
    if (!isEndingByItself) this.connection?.destroy()
    this.connection = undefined
    this.record.over(fault)
  }
}
