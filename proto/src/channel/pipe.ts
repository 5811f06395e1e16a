// A channel joined to a byte stream such as a TCP connection: both directions, each with its own end, at either end of a link.

import type { ErrorCode, PbtError } from '../errors.ts'
import { toWrite } from '../keep.ts'
import type { Channel, ChannelHandler } from './channel.ts'
import { type ByteStream, resetStream } from './reset.ts'

/** Counts what waits for a stream to take it. */
export interface Held {
  /** False: that is too much, and the stream is to be cut. */
  hold(bytes: number): boolean
  release(bytes: number): void
}

/** Owns the stream until both are over. The stream must allow half-open use and is read from now on. */
export class Pipe implements ChannelHandler {
  private readonly stream: ByteStream
  private readonly channel: Channel
  private readonly over: (code: ErrorCode | undefined) => void
  private readonly held: Held | undefined
  /** The peer has said everything, and the stream has been told so. */
  private hasPeerEnded = false
  private hasFailed = false
  private isOver = false
  /** Bytes given to the stream that it has not taken: credit for them is given when it has. */
  private owed = 0

  /** `over` is called once, with why unless both directions ended cleanly. It must not throw. `held`: for what the stream does not take. */
  constructor(stream: ByteStream, channel: Channel, over: (code: ErrorCode | undefined) => void, held?: Held) {
    this.stream = stream
    this.channel = channel
    this.over = over
    this.held = held
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
    if (isTaken || stream.writableLength === 0) {
      this.channel.consumed(chunk.length)
      return
    }
    this.owed += chunk.length
    if (this.held?.hold(chunk.length) !== false) return
    this.channel.reset('limited', 'too much data is queued for peers at this address that do not read')
    resetStream(stream)
    this.finish('limited')
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
    const bytes = this.letGo()
    if (bytes > 0) this.channel.consumed(bytes)
  }

  private letGo(): number {
    const { owed } = this
    this.owed = 0
    if (owed > 0) this.held?.release(owed)
    return owed
  }

  private closed(): void {
    this.letGo()
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
