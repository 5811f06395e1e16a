// A channel joined to a byte stream such as a TCP connection: both directions, each with its own end, at either end of a link.
import type { Channel, ChannelHandler } from './channel.ts'
import type { ErrorCode, PbtError } from './errors.ts'
import { toWrite } from './keep.ts'
import { type ByteStream, resetStream } from './reset.ts'

/** Owns the stream until both are over. The stream must allow half-open use and is read from now on. */
export class Pipe implements ChannelHandler {
  private readonly stream: ByteStream
  private readonly channel: Channel
  private readonly over: (code: ErrorCode | undefined) => void
  /** The peer has said everything, and the stream has been told so. */
  private hasPeerEnded = false
  private hasFailed = false
  private isOver = false
  /** Bytes given to the stream that it has not taken: credit for them is given when it has. */
  private owed = 0

  /** `over` is called once, with why unless both directions ended cleanly. It must not throw. */
  constructor(stream: ByteStream, channel: Channel, over: (code: ErrorCode | undefined) => void) {
    this.stream = stream
    this.channel = channel
    this.over = over
    stream.on('data', (chunk: Buffer) => {
      if (!channel.write(chunk)) stream.pause()
    })
    stream.on('end', () => channel.end())
    stream.on('drain', () => this.taken())
    stream.on('error', () => {
      this.hasFailed = true
    })
    stream.on('close', () => this.closed())
  }

  onData(chunk: Buffer): void {
    const { stream } = this
    const isTaken = stream.write(toWrite(stream, chunk))
    // The system may have taken at once what is more than the stream would keep.
    if (isTaken || stream.writableLength === 0) this.channel.consumed(chunk.length)
    else this.owed += chunk.length
  }

  onEnd(): void {
    this.hasPeerEnded = true
    this.stream.end()
  }

  onReset(error: PbtError): void {
    resetStream(this.stream)
    this.finish(error.code)
  }

  onDrain(): void {
    this.stream.resume()
  }

  private taken(): void {
    const bytes = this.owed
    this.owed = 0
    if (bytes > 0) this.channel.consumed(bytes)
  }

  private closed(): void {
    const isClean = !this.hasFailed && this.hasPeerEnded && this.channel.isEnded
    if (!isClean) this.channel.reset('connection-reset', 'the connection was reset')
    this.finish(isClean ? undefined : 'connection-reset')
  }

  private finish(code: ErrorCode | undefined): void {
    if (this.isOver) return
    this.isOver = true
    this.over(code)
  }
}
