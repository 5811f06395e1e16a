// One channel of a mux: its two directions, their states and what its owner is told.

import { type BatchReader, BODY_DATA, BODY_DATAGRAM, BODY_HTTP_RESPONSE, BODY_HTTP_TRAILERS } from '../codec/decode.ts'
import { encodeCredit, encodeReset, encodeResponseHead, encodeTrailers } from '../codec/encode.ts'
import type { ChannelKind, HeaderList, ResponseHead } from '../codec/heads.ts'
import { type ErrorCode, PbtError } from '../errors.ts'
import { MAX_DATAGRAM_BYTES } from '../limits.ts'
import { type SendPool, SendQueue } from '../send/send-queue.ts'
import type { Channel, ChannelHandler } from './channel.ts'
import { type CreditPool, ReceiveWindow } from './window.ts'

/** What a channel needs of its mux. */
export interface ChannelHost {
  readonly role: 'server' | 'client'
  readonly pool: CreditPool
  readonly sending: SendPool
  /** There is a link to send over. */
  readonly isAttached: boolean
  readonly usualRoundTripMs: number
  now(): number
  /** The channel has something to send. */
  wake(queue: SendQueue): void
  sendControl(channel: number, body: string): void
  /** The channel has room again: tell its owner once the batch is out. */
  drained(channel: MuxChannel): void
  /** The channel is over. */
  forget(channel: MuxChannel): void
  datagramDropped(): void
  /** What takes part in a channel threw: a bug of ours, which is told nowhere else. */
  ownerThrew(error: unknown): void
}

/** Replaced by the acceptor in `onOpen`; one that sets none gets the channel reset. */
export const NO_HANDLER: ChannelHandler = { onReset: () => {} }

/** The states of both directions of one channel; checks that frames come in an order that the protocol allows. */
export class MuxChannel implements Channel {
  readonly id: number
  readonly kind: ChannelKind
  handler: ChannelHandler
  /** The tunnel's number. */
  tunnel = 0
  visitor = ''
  readonly openedAt: number
  readonly queue: SendQueue
  bytesSent = 0
  bytesReceived = 0
  countedSent = 0
  countedReceived = 0

  private readonly host: ChannelHost
  private readonly window: ReceiveWindow
  private isOver = false
  private isPeerEnded = false
  private isEndSent = false
  /** The edge waits for a final response head before it takes data. */
  private needsHead: boolean

  constructor(host: ChannelHost, id: number, kind: ChannelKind, handler: ChannelHandler) {
    this.host = host
    this.id = id
    this.kind = kind
    this.handler = handler
    this.needsHead = kind === 'http' && host.role === 'server'
    this.queue = new SendQueue(id, kind === 'udp', host.sending, host.role === 'client', this)
    this.openedAt = host.now()
    this.window = new ReceiveWindow(host.pool, this.openedAt)
  }

  get isOpen(): boolean {
    return !this.isOver
  }

  get isAnnounced(): boolean {
    return this.queue.isAnnounced
  }

  get isEnded(): boolean {
    return this.queue.isEnded
  }

  sendHead(head: ResponseHead): void {
    this.sendFrame(encodeResponseHead(head), false)
  }

  sendTrailers(trailers: HeaderList): void {
    this.sendFrame(encodeTrailers(trailers), true)
  }

  /** An encoded body, for the mux's own frames (the open) and the heads. */
  sendFrame(body: string, end: boolean): void {
    if (this.isOver || this.queue.isEnded) return
    this.queue.pushFrame(body)
    if (end) this.queue.end()
    this.host.wake(this.queue)
  }

  write(chunk: Uint8Array): boolean {
    if (this.isOver || this.queue.isEnded || chunk.length === 0) return true
    this.bytesSent += chunk.length
    const hasRoom = this.queue.pushData(chunk)
    this.host.wake(this.queue)
    return hasRoom
  }

  sendDatagram(datagram: Uint8Array): boolean {
    if (this.isOver || this.queue.isEnded || datagram.length > MAX_DATAGRAM_BYTES) return false
    // Without a link it would arrive late, when it is worth nothing.
    if (!this.host.isAttached || !this.queue.pushDatagram(datagram)) {
      this.host.datagramDropped()
      return false
    }
    this.bytesSent += datagram.length
    this.host.wake(this.queue)
    return true
  }

  end(): void {
    if (this.isOver || this.queue.isEnded) return
    this.queue.end()
    this.host.wake(this.queue)
  }

  reset(code: ErrorCode, message: string): void {
    if (this.isOver) return
    const isAnnounced = this.queue.isAnnounced
    this.finish()
    if (isAnnounced) this.host.sendControl(this.id, encodeReset(code, message))
  }

  consumed(bytes: number): void {
    if (this.isOver) return
    // Also after the peer's end: it counts what was not read.
    const grant = this.window.consumed(bytes, this.host.now(), this.host.usualRoundTripMs)
    if (grant > 0) this.host.sendControl(this.id, encodeCredit(grant))
  }

  // What follows is for the mux and the queue.

  /** SendQueue has room again. */
  drained(): void {
    this.host.drained(this)
  }

  /** SendQueue has put the end into a batch. */
  endTaken(): void {
    this.isEndSent = true
    if (this.isPeerEnded) this.finish()
  }

  /** The channel is over by the peer or the session: the owner is told. */
  fail(error: PbtError): void {
    if (this.isOver) return
    this.finish()
    this.tellReset(error)
  }

  /** Ends the channel both ways: the peer and the owner are told. */
  abort(error: PbtError): void {
    if (this.isOver) return
    this.reset(error.code, error.message)
    this.tellReset(error)
  }

  /** It costs the channel. */
  ownerThrew(cause: unknown): void {
    this.host.ownerThrew(cause)
    this.abort(new PbtError('internal', `the owner of channel ${this.id} failed`, { cause }))
  }

  private tellReset(error: PbtError): void {
    try {
      this.handler.onReset(error)
    } catch (cause) {
      // There is no channel left that it could cost, and the owners of others are still to be told.
      this.host.ownerThrew(cause)
    }
  }

  /** The peer granted credit; throws PbtError `flow-control` when it is more than can be. */
  granted(bytes: number): void {
    if (!this.queue.grant(bytes)) throw new PbtError('flow-control', `channel ${this.id} was granted too much credit`)
    this.host.wake(this.queue)
  }

  /**
   * The frame that `reader` has selected. Throws PbtError `flow-control` for data beyond the credit, which ends the
   * session; other faults of the peer end this channel.
   */
  frame(reader: BatchReader): void {
    if (this.isPeerEnded) {
      this.violated(new PbtError('protocol', `channel ${this.id} got a frame after its end`))
      return
    }
    const last = reader.end
    switch (reader.body) {
      case BODY_DATA:
        if (!this.data(reader.payload(), last)) return
        break
      case BODY_HTTP_RESPONSE:
        if (!this.head(reader, last)) return
        break
      case BODY_HTTP_TRAILERS:
        if (!this.trailers(reader, last)) return
        break
      case BODY_DATAGRAM:
        if (this.kind !== 'udp') {
          this.violated(new PbtError('protocol', `datagram on the ${this.kind} channel ${this.id}`))
          return
        }
        this.received(reader.payload())
        break
      default:
        if (!last) return // an empty frame, or a kind a newer version knows: ignored
    }
    if (last) this.ended()
  }

  private data(chunk: Buffer, last: boolean): boolean {
    if (this.kind === 'udp' || this.needsHead) {
      this.violated(new PbtError('protocol', `unexpected data on the ${this.kind} channel ${this.id}`))
      return false
    }
    if (!this.window.received(chunk.length)) {
      throw new PbtError('flow-control', `channel ${this.id} got data beyond its credit`)
    }
    if (chunk.length === 0) return last
    this.bytesReceived += chunk.length
    if (this.handler.onData === undefined) this.consumed(chunk.length)
    else this.handler.onData(chunk, last)
    return true
  }

  private received(datagram: Buffer): void {
    this.bytesReceived += datagram.length
    this.handler.onDatagram?.(datagram)
  }

  private head(reader: BatchReader, last: boolean): boolean {
    if (!this.needsHead) {
      this.violated(new PbtError('protocol', `unexpected response head on channel ${this.id}`))
      return false
    }
    let head: ResponseHead
    try {
      head = reader.responseHead()
    } catch (error) {
      this.violated(new PbtError('target-broke', 'the response head is malformed', { cause: error }))
      return false
    }
    this.needsHead = head.status < 200 && head.status !== 101
    this.handler.onHead?.(head, last)
    return true
  }

  private trailers(reader: BatchReader, last: boolean): boolean {
    let trailers: HeaderList
    try {
      trailers = reader.trailers()
    } catch (error) {
      this.violated(new PbtError('target-broke', 'the trailers are malformed', { cause: error }))
      return false
    }
    if (this.kind !== 'http' || this.needsHead || !last) {
      this.violated(new PbtError('protocol', `misplaced trailers on channel ${this.id}`))
      return false
    }
    this.handler.onTrailers?.(trailers)
    return true
  }

  /** The open said that nothing follows. */
  peerEnded(): void {
    this.ended()
  }

  private ended(): void {
    if (this.isOver) return
    if (this.needsHead) {
      this.violated(new PbtError('target-broke', 'the response ended before its head'))
      return
    }
    this.isPeerEnded = true
    if (this.isEndSent) this.finish()
    this.handler.onEnd?.()
  }

  private violated(error: PbtError): void {
    if (this.isOver) return
    this.host.sendControl(this.id, encodeReset('protocol', error.message))
    this.fail(error)
  }

  private finish(): void {
    this.isOver = true
    this.queue.clear()
    this.window.release()
    this.host.forget(this)
  }
}
