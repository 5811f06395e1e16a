// A request's body on its way to a stream: credit for what was taken, and its beginning as long as it may be sent again.
import type { ClientHttp2Stream } from 'node:http2'
import { type Channel, KIB, toKeep, toWrite } from '@pbt/proto'

/** Of a request's body, as long as the target may still refuse it unread: a longer one is not sent again. */
export const KEPT_BYTES = 64 * KIB

/** Gives credit for a byte only after a stream has taken it, so what it holds is bounded. */
export class Upload {
  private readonly channel: Channel
  /** What came so far while `isKept`: at most KEPT_BYTES, and the channel's credit while there is no stream. */
  private kept: Buffer[] = []
  private keptBytes = 0
  private isKept = true
  /** Bytes that no stream has taken yet; credit for them is given when one has. */
  private owed = 0

  constructor(channel: Channel) {
    this.channel = channel
  }

  /** Some of it waits for a stream. */
  get isWaiting(): boolean {
    return this.keptBytes > 0
  }

  /** All that came is there still, for another stream. */
  get canBeSentAgain(): boolean {
    return this.isKept
  }

  /** For a stream that comes later. */
  hold(chunk: Buffer): void {
    this.keep(toKeep(chunk))
    this.owed += chunk.length
  }

  /** All that came so far, to a new stream. */
  begin(stream: ClientHttp2Stream): void {
    let isTaken = true
    for (const chunk of this.kept) isTaken = stream.write(chunk)
    if (this.keptBytes > KEPT_BYTES) this.forget()
    if (isTaken) this.taken()
  }

  send(stream: ClientHttp2Stream, chunk: Buffer): void {
    // The target wants no more of it (RFC 9113 section 8.1).
    if (!stream.writable) this.drop(chunk)
    else if (stream.write(this.isKept ? this.keep(toKeep(chunk)) : toWrite(stream, chunk))) {
      this.channel.consumed(chunk.length)
    } else this.owed += chunk.length
    if (this.keptBytes > KEPT_BYTES) this.forget()
  }

  /** Nobody wants it. */
  drop(chunk: Buffer): void {
    this.channel.consumed(chunk.length)
  }

  /** The stream has taken everything it was given. */
  taken(): void {
    const bytes = this.owed
    this.owed = 0
    if (bytes > 0) this.channel.consumed(bytes)
  }

  /** It will not be sent again. */
  forget(): void {
    this.kept = []
    this.keptBytes = 0
    this.isKept = false
  }

  /** Takes out what waits, for who serves the channel instead. */
  handOver(): readonly Buffer[] {
    const { kept } = this
    this.forget()
    return kept
  }

  private keep(chunk: Buffer): Buffer {
    this.kept.push(chunk)
    this.keptBytes += chunk.length
    return chunk
  }
}
