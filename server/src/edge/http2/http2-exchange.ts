// A request over HTTP/2 and its answer: how heads, bodies and ends are written to the visitor's stream.
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { type HeaderList, KIB, type ResponseHead, toKeep, toWrite } from '@pbt/proto'
import type { AccessSink } from '../../observe/access-log.ts'
import { Exchange } from '../exchange.ts'
import { fieldObject, type Visitor } from '../fields/headers.ts'
import { type ReplyCode, type ReplyOptions, replyFor } from '../replies.ts'
import type { Http2Watch } from './http2-watch.ts'

/**
 * So much of an answer may wait for its visitor without being counted as held for it. Node's own measure is 64 KiB, which in
 * hundreds of streams that are not read is 32 MiB that no limit sees.
 */
const STREAM_BUFFER_BYTES = 16 * KIB

/** One HTTP/2 stream (RFC 9113 section 8.1). */
export class Http2Exchange extends Exchange {
  private readonly stream: ServerHttp2Stream
  private readonly headers: IncomingHttpHeaders
  private readonly watch: Http2Watch
  private requestTrailers: readonly string[] = []
  private responseTrailers: HeaderList | undefined
  /** The stream's end goes out with the trailers, which have not been sent. */
  private isEndWithTrailers = false
  private isRestUnwanted = false
  /** Bytes of the request's body still to come by its Content-Length; NaN: unknown. */
  private bodyLeft: number
  /** What completes the body by its length: it goes on once the stream has ended too, or more would come behind it. */
  private lastPiece: Buffer | undefined
  private isClosed = false

  constructor(
    access: AccessSink,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    visitor: Visitor,
    isWhole: boolean,
    watch: Http2Watch,
  ) {
    super(access, visitor, headers[':method'] ?? '', isWhole, headers.expect !== undefined)
    this.watch = watch
    this.stream = stream
    this.headers = headers
    this.bodyLeft = Number(headers['content-length'] ?? Number.NaN)
  }

  /**
   * Calls at once, or for a body of no bytes whose end has not come when it has: with one behind it the request is malformed
   * (RFC 9113 section 8.1.1), and its head alone would be a whole request to the target. `isEmpty`: nothing follows the head.
   */
  whenStartable(call: (isEmpty: boolean) => void): void {
    const { stream } = this
    if (this.isRequestWhole || this.bodyLeft !== 0) {
      call(false)
      return
    }
    stream.once('end', () => {
      if (!this.isWellEnded) return
      this.isRequestWhole = true
      call(true)
    })
    stream.resume()
  }

  /** Node says "end" after an abort, too. */
  private get isWellEnded(): boolean {
    return !this.stream.aborted && this.stream.rstCode === constants.NGHTTP2_NO_ERROR
  }

  /** Some of the body may have come and not been read. */
  get isBodyUnread(): boolean {
    return !this.isRequestWhole
  }

  /** The stream is over, for whatever reason; what is not done by then never will be. */
  closed(): void {
    this.isClosed = true
    this.gone()
    this.leave()
  }

  protected sendInterim(status: number, headers: HeaderList): void {
    if (this.isClosed) return
    if (status === 100 && this.headers.expect === undefined) return
    try {
      this.stream.additionalHeaders({ ...fieldObject(headers), ':status': status })
    } catch {
      // Node refuses some fields; a hint that cannot be passed on is left out.
    }
  }

  protected sendHead(head: ResponseHead, headers: HeaderList, isBodyless: boolean, length: number): void {
    const { stream } = this
    if (this.isClosed) return
    const list: string[] = [':status', String(head.status)]
    for (let index = 0; index + 1 < headers.length; index += 2) {
      const name = (headers[index] ?? '').toLowerCase()
      if (head.status !== 204 || name !== 'content-length') list.push(name, headers[index + 1] ?? '')
    }
    const waitForTrailers = !isBodyless && length < 0
    if (waitForTrailers) {
      this.isEndWithTrailers = true
      stream.once('wantTrailers', () => {
        stream.sendTrailers(fieldObject(this.responseTrailers ?? []))
        this.isEndWithTrailers = false
        // Node asks for them while it sends: they go out when it has, and a reset would overtake them.
        if (this.isRestUnwanted) setImmediate(() => this.refuseRest())
      })
    }
    stream.respond(list, { endStream: isBodyless, waitForTrailers })
  }

  protected sendData(chunk: Buffer, last: boolean): boolean {
    const { stream } = this
    if (this.isClosed) return true
    // What waits in hundreds of streams, a first piece in each, is not to keep a batch for each.
    const bytes = this.from.use.isCrowded ? toKeep(chunk) : toWrite(stream, chunk)
    if (last) {
      stream.end(bytes)
      return stream.writableLength < STREAM_BUFFER_BYTES
    }
    stream.write(bytes, this.onWritten)
    return stream.writableLength < STREAM_BUFFER_BYTES
  }

  private readonly onWritten = (): void => {
    if (this.stream.writableLength === 0) this.taken()
  }

  protected sendEnd(trailers: HeaderList | undefined): void {
    this.responseTrailers = trailers
    if (!this.isClosed && !this.stream.writableEnded) this.stream.end()
  }

  protected sendReply(code: ReplyCode, options: ReplyOptions): void {
    const { stream } = this
    if (this.isClosed || stream.headersSent) return
    const { status, headers, body } = replyFor(code, { ...options, accept: this.headers.accept })
    // A body would wait for the visitor's window: the stream of one over its limit is to be over at once.
    const isShort = code === 'limited'
    const fields = isShort ? headers.with(headers.indexOf('content-length') + 1, '0') : headers
    const isBodyless = isShort || this.headers[':method'] === 'HEAD'
    stream.respond([':status', String(status), ...fields], { endStream: isBodyless })
    if (!isBodyless) stream.end(body)
  }

  protected cut(): void {
    // Not close(): it ends what was written before it resets, and a stream that has ended is not reset any more.
    if (!this.isClosed) this.stream.destroy(new Error('the response ended early'))
  }

  protected readBody(): void {
    const { stream } = this
    stream.on('data', (chunk: Buffer) => {
      this.watch.read(chunk.length)
      this.bodyLeft -= chunk.length
      if (this.bodyLeft <= 0) this.lastPiece = chunk
      else this.bodyData(chunk)
    })
    stream.on('trailers', (_headers, _flags, raw) => {
      this.requestTrailers = raw
    })
    stream.on('end', () => {
      if (!this.isWellEnded) return
      if (this.lastPiece !== undefined) this.bodyData(this.lastPiece)
      this.bodyEnd(this.requestTrailers)
    })
  }

  protected pauseBody(): void {
    this.stream.pause()
  }

  protected resumeBody(): void {
    this.stream.resume()
  }

  protected finished(): void {
    const { stream } = this
    if (this.isRequestWhole || this.isClosed) return
    // The answer is complete, the rest of the request is not wanted (RFC 9113 section 8.1).
    stream.resume()
    this.isRestUnwanted = true
    // Not before the end has been sent, which trailers bring: the answer would be cut.
    if (!this.isEndWithTrailers) this.refuseRest()
  }

  private refuseRest(): void {
    const { stream } = this
    if (stream.writableFinished) stream.close(constants.NGHTTP2_NO_ERROR)
    else stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR))
  }
}
