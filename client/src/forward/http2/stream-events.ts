// What happens on a stream to the target, told to who has it: by functions that all streams share, since listeners of its own
// for each request are what a proxy's time goes into.
import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2'
import { Duplex } from 'node:stream'

/** Who has a stream. Called synchronously; must not throw. */
export interface StreamListener {
  onInterim(status: number, raw: readonly string[]): void
  onResponse(status: number, raw: readonly string[]): void
  onAnswerData(chunk: Buffer): void
  onAnswerTrailers(raw: readonly string[]): void
  /** END_STREAM has come: the answer is whole, some of it may not have been read. */
  onWhole(): void
  /** RST_STREAM with code 0 and no END_STREAM. Within what Node does with the frame: the stream must not be destroyed. */
  onVagueReset(): void
  /** Everything was read, of a whole answer or not. */
  onRead(): void
  /** The request's body is out; nothing is sent after this. */
  onWantTrailers(): void
  /** The stream has taken everything it was given. */
  onTaken(): void
  /** The stream is over; `error` when Node has something to say of it. */
  onStreamClose(error: Error | undefined): void
}

/** A stream with its listener, and how it is going. */
interface Watched extends ClientHttp2Stream {
  [LISTENER]?: StreamListener | undefined
  [ERROR]?: Error
  [HAS_ENDED]?: boolean
}

const LISTENER = Symbol('listener')
const ERROR = Symbol('error')
const HAS_ENDED = Symbol('has ended')

/** Tells the listener of everything until `unwatch`. `hasBody`: the request goes on after its head. */
export function watch(stream: ClientHttp2Stream, listener: StreamListener, hasBody: boolean): void {
  const watched: Watched = stream
  watched[LISTENER] = listener
  watched[ERROR] = undefined
  watched[HAS_ENDED] = false
  stream.push = push
  stream.on('headers', onHeaders)
  stream.on('response', onResponse)
  stream.on('trailers', onTrailers)
  stream.on('data', onData)
  stream.on('end', onEnd)
  stream.on('error', onError)
  stream.on('close', onClose)
  if (!hasBody) return
  stream.on('wantTrailers', onWantTrailers)
  stream.on('drain', onTaken)
  // Node says only this once the request has ended.
  stream.on('finish', onTaken)
}

/** Nobody is told anything more of the stream. */
export function unwatch(stream: ClientHttp2Stream): void {
  const watched: Watched = stream
  watched[LISTENER] = undefined
}

/**
 * Node pushes the end for END_STREAM and for RST_STREAM with code 0 alike, and all it says of them later is the same; only
 * while it pushes has a stream that was reset been closed already, and a whole one not yet.
 */
function push(this: Watched, chunk: unknown, encoding?: BufferEncoding): boolean {
  if (chunk === null && this[HAS_ENDED] === false) {
    this[HAS_ENDED] = true
    if (!this.closed) this[LISTENER]?.onWhole()
    // With another code Node destroys it and says so.
    else if (this.rstCode === 0) this[LISTENER]?.onVagueReset()
  }
  return Duplex.prototype.push.call(this, chunk, encoding)
}

type Headers = IncomingHttpHeaders & IncomingHttpStatusHeader

function onHeaders(this: Watched, headers: Headers, _flags: number, raw: string[]): void {
  this[LISTENER]?.onInterim(headers[':status'] ?? 0, raw)
}

function onResponse(this: Watched, headers: Headers, _flags: number, raw: string[]): void {
  this[LISTENER]?.onResponse(headers[':status'] ?? 0, raw)
}

function onTrailers(this: Watched, _headers: IncomingHttpHeaders, _flags: number, raw: string[]): void {
  this[LISTENER]?.onAnswerTrailers(raw)
}

function onData(this: Watched, chunk: Buffer): void {
  this[LISTENER]?.onAnswerData(chunk)
}

function onEnd(this: Watched): void {
  this[LISTENER]?.onRead()
}

function onWantTrailers(this: Watched): void {
  this[LISTENER]?.onWantTrailers()
}

function onTaken(this: Watched): void {
  this[LISTENER]?.onTaken()
}

function onError(this: Watched, error: Error): void {
  this[ERROR] = error
}

function onClose(this: Watched): void {
  this[LISTENER]?.onStreamClose(this[ERROR])
}
