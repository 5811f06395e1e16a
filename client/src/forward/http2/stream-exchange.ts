// A channel and a stream of an HTTP/2 connection to the target, joined: what goes to the target, again if it was refused
// unread, and how the target's side ends. Subclasses say what the heads mean.
import { type ClientHttp2Stream, constants } from 'node:http2'
import {
  type Channel,
  type ChannelHandler,
  type Clock,
  type ErrorCode,
  type HeaderList,
  KIB,
  type PbtError,
  type RequestHead,
} from '@pbt/proto'
import type { Pool } from '../pool.ts'
import { type OnRequest, Recorder } from '../record.ts'
import type { Http2Connection, StreamOwner } from './connection.ts'
import { answerFields, trailerObject } from './fields.ts'
import type { Http2Pool, StreamUser } from './pool.ts'
import { type StreamListener, unwatch, watch } from './stream-events.ts'
import { KEPT_BYTES, Upload } from './upload.ts'

/** Interim answers passed on; more come only from a broken target. */
const MAX_INTERIM = 32
/** How often a request is sent again that the target refused unread. */
const MAX_RESENDS = 3
/** A target that has answered may take the rest of the request, as long as it takes some of it. */
const REST_MS = 30_000

/** How a target is reached, and who hears of it. */
export interface Ways {
  readonly pool: Http2Pool
  /** For what HTTP/2 does not have. */
  readonly http1: Pool
  readonly clock: Clock
  readonly onRequest: OnRequest
}

/*
 *  waiting for a connection --start--> asking --head--> answering --END_STREAM, all read--> answered --request whole--> over
 *        ^----refused, nothing lost----'
 *  any --reset by the visitor, stream or connection lost--> over
 */
export abstract class StreamExchange implements ChannelHandler, StreamUser, StreamOwner, StreamListener {
  protected readonly channel: Channel
  protected readonly head: RequestHead
  protected readonly record: Recorder
  protected readonly ways: Ways
  private giveUpWaiting: (() => void) | undefined
  private connection: Http2Connection | undefined
  private stream: ClientHttp2Stream | undefined
  private isRequestWhole: boolean
  private readonly upload: Upload
  private requestTrailers: HeaderList = []
  private resends = 0
  private responseTrailers: HeaderList = []
  private interim = 0
  private hasHead = false
  /** END_STREAM has come; some of the answer may wait to be read. */
  private hasEnded = false
  private isAnswered = false
  /** Bytes of the answer still to be read by its Content-Length; -1: unknown. */
  protected left = -1
  /** Bytes go both ways, and each direction ends by itself. */
  protected isTunnel = false
  private isOver = false

  constructor(channel: Channel, head: RequestHead, last: boolean, ways: Ways) {
    this.channel = channel
    this.head = head
    this.ways = ways
    this.isRequestWhole = last
    this.upload = new Upload(channel)
    this.record = new Recorder(ways.onRequest, head.method, head.target, channel)
    channel.handler = this
  }

  /** The head as Node takes it. */
  protected abstract requestFields(): string[]
  /** A final head, `status` 200 to 599: passes it on. */
  protected abstract answerHead(status: number, raw: readonly string[]): void
  /** The request can end with trailers. */
  protected abstract readonly mayHaveTrailers: boolean

  /** Asks for a connection. Called once, by the maker. */
  begin(): void {
    this.giveUpWaiting = this.ways.pool.ask(this)
  }

  // StreamUser.

  onConnection(connection: Http2Connection): void {
    this.start(connection)
  }

  onUnreachable(error: PbtError): void {
    this.fail(error.code, error.message)
  }

  protected start(connection: Http2Connection): void {
    if (this.isOver) return
    const hasBody = !this.isRequestWhole || this.upload.isWaiting
    const options = { endStream: !hasBody, waitForTrailers: hasBody && this.mayHaveTrailers }
    let stream: ClientHttp2Stream
    try {
      stream = connection.open(this.requestFields(), options, this)
    } catch (error) {
      this.fail('target-broke', `the request could not be sent: ${error instanceof Error ? error.message : 'unknown'}`)
      return
    }
    this.connection = connection
    this.stream = stream
    watch(stream, this, hasBody)
    this.upload.begin(stream)
    if (hasBody && this.isRequestWhole) stream.end()
  }

  /** Passes on a final head without an upgrade. */
  protected sendHead(status: number, raw: readonly string[]): void {
    this.record.status = status
    this.channel.sendHead({ status, reason: '', headers: answerFields(raw), upgrade: '' })
  }

  /** Gives the channel to another that serves it instead, before anything of it went out. */
  protected handOver(other: ChannelHandler): void {
    this.isOver = true
    for (const chunk of this.upload.handOver()) other.onData?.(chunk, false)
    if (this.isRequestWhole) other.onEnd?.()
  }

  // ChannelHandler.

  onData(chunk: Buffer): void {
    if (this.stream !== undefined) this.upload.send(this.stream, chunk)
    else if (this.isAnswered) this.upload.drop(chunk)
    else this.upload.hold(chunk)
  }

  onTrailers(trailers: HeaderList): void {
    this.requestTrailers = trailers
  }

  onEnd(): void {
    this.isRequestWhole = true
    this.stream?.end()
    if (this.isAnswered) this.over('')
  }

  onReset(error: PbtError): void {
    this.over(this.isAnswered && error.code === 'cancelled' ? '' : error.code)
  }

  onDrain(): void {
    this.stream?.resume()
  }

  // StreamOwner.

  onRefused(stream: ClientHttp2Stream): void {
    if (this.stream === stream) this.refused()
  }

  onConnectionLost(stream: ClientHttp2Stream, reason: string): void {
    if (this.stream !== stream) return
    // What is whole is read now however slow the visitor is: at most a window, which Node would throw away.
    if (this.hasEnded && this.hasHead) while (stream.read() !== null);
    if (!this.hasEnded || !this.hasHead || stream.readableLength > 0) this.cut(reason)
    // Trailers that came last are told in this turn.
    else process.nextTick(() => this.answered())
  }

  // StreamListener: what the target does.

  onInterim(status: number, raw: readonly string[]): void {
    this.connection?.answered()
    if (++this.interim > MAX_INTERIM) this.cut(`it sent more than ${MAX_INTERIM} interim answers`)
    else if (status === 101) this.cut('it switched protocols, which HTTP/2 cannot')
    else this.channel.sendHead({ status, reason: '', headers: answerFields(raw), upgrade: '' })
  }

  onResponse(status: number, raw: readonly string[]): void {
    this.connection?.answered()
    if (status < 200 || status > 599) {
      this.cut(`its status is ${status}`)
      return
    }
    this.hasHead = true
    this.upload.forget()
    this.answerHead(status, raw)
  }

  onAnswerData(chunk: Buffer): void {
    this.connection?.answered()
    if (this.left >= 0) {
      this.left -= chunk.length
      if (this.left < 0) {
        this.cut('the body is longer than its Content-Length')
        return
      }
    }
    if (!this.channel.write(chunk)) this.stream?.pause()
  }

  onAnswerTrailers(raw: readonly string[]): void {
    this.responseTrailers = answerFields(raw)
  }

  onWhole(): void {
    this.hasEnded = true
  }

  onRead(): void {
    if (this.hasEnded) this.answered()
  }

  onTaken(): void {
    this.upload.taken()
  }

  onWantTrailers(): void {
    try {
      this.stream?.sendTrailers(trailerObject(this.requestTrailers))
    } catch (error) {
      this.fail('target-broke', `the trailers could not be sent: ${error instanceof Error ? error.message : 'unknown'}`)
    }
  }

  /**
   * A reset that says nothing. Node's own server may end a whole answer so, when its connection is busy: the reset overtakes
   * END_STREAM. It is whole when its length says so, and a cut otherwise.
   */
  onVagueReset(): void {
    if (this.hasHead && this.left === this.stream?.readableLength) this.hasEnded = true
    else this.cut('it reset the stream (HTTP/2 code 0)')
  }

  /** The answer is whole and read. */
  private answered(): void {
    if (this.isOver || this.isAnswered) return
    if (!this.hasHead) this.cut('it ended without an answer')
    else if (this.left > 0) this.cut('the body is shorter than its Content-Length')
    else {
      if (this.responseTrailers.length > 0) this.channel.sendTrailers(this.responseTrailers)
      else this.channel.end()
      this.isAnswered = true
      // Otherwise the visitor may go on sending until the server says that nobody needs it.
      if (this.isRequestWhole) this.over('')
    }
  }

  onStreamClose(error: Error | undefined): void {
    const { stream } = this
    if (stream === undefined) return
    this.stream = undefined
    const code = stream.rstCode
    if (this.isAnswered) {
      // Of a request the rest is not wanted, and the server will say so.
      if (this.isTunnel) this.cut('')
    } else if (this.hasEnded && stream.readableLength === 0) this.answered()
    else if (code === constants.NGHTTP2_REFUSED_STREAM && !this.hasEnded) {
      // It has room for less than it said, or is about to end: another one is for what comes now.
      this.connection?.retire()
      this.refused()
    } else this.cut(error?.message ?? `it reset the stream (HTTP/2 code ${code})`)
  }

  /** Nothing of the request was looked at (RFC 9113 section 8.7). */
  private refused(): void {
    this.detach()
    this.connection = undefined
    if (this.hasHead || this.hasEnded || this.interim > 0) this.cut('it refused a request that it had begun to answer')
    else if (!this.upload.canBeSentAgain)
      this.cut(`it refused a request of which more than ${KEPT_BYTES / KIB} KiB had been sent`)
    else if (++this.resends > MAX_RESENDS) this.cut(`it refused the request ${this.resends} times`)
    else this.begin()
  }

  private detach(): void {
    if (this.stream !== undefined) unwatch(this.stream)
    this.stream = undefined
  }

  private cut(reason: string): void {
    if (this.isTunnel) this.fail('connection-reset', 'the target reset the connection')
    else this.fail('target-broke', `the target ended the response early: ${reason}`)
  }

  protected fail(code: ErrorCode, message: string): void {
    if (this.isOver) return
    this.channel.reset(code, message)
    this.over(`${code}: ${message}`)
  }

  private over(fault: string): void {
    if (this.isOver) return
    this.isOver = true
    this.giveUpWaiting?.()
    this.upload.forget()
    this.record.over(fault)
    const { stream } = this
    if (stream === undefined) return
    if (!this.isAnswered || !this.isRequestWhole) {
      this.detach()
      abandon(stream)
    } else if (!stream.writableFinished) stream.setTimeout(REST_MS, () => abandon(stream))
  }
}

/** The target is told at once; Node keeps nothing of the stream, also when the target does not read that. */
function abandon(stream: ClientHttp2Stream): void {
  if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL)
  // Not within what Node does with a frame.
  process.nextTick(destroy, stream)
}

function destroy(stream: ClientHttp2Stream): void {
  stream.destroy()
}
