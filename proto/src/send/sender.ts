// What a session sends and when: batches over the link attached, kept for replay, acknowledgements and pings.
import { create } from '@bufbuild/protobuf'
import type { Clock } from '../clock.ts'
import { type Batch, BatchWriter } from '../codec/encode.ts'
import { PbtError } from '../errors.ts'
import { KIB, MAX_UNACKED_BATCHES, MAX_UNACKED_BYTES } from '../limits.ts'
import type { Link } from '../link/link.ts'
import { encodeLinkFrame, type LinkFrame } from '../link/link-frames.ts'
import { Liveness } from '../link/liveness.ts'
import { PingSchema, PongSchema } from '../tunnel-v1.ts'
import { AckDebt } from './ack-debt.ts'
import { Line } from './line.ts'
import { Outbox } from './outbox.ts'
import { Replay, type SentBatch } from './replay.ts'
import type { SendQueue } from './send-queue.ts'

/** Bytes given to the link and not yet taken by it: more would queue where nothing can be put in order any more. */
const PIPE_BYTES = 256 * KIB
/** A batch of so many small frames is a burst, and another one is likely to follow. */
const BURST_FRAMES = 4

/** Called synchronously; must not throw. */
export interface SenderEvents {
  /** A flush that was planned is over: channels that waited for room can be told. */
  onFlushed(): void
  /** Nothing was heard for so long; the link has been detached and closed. */
  onSilent(forMs: number): void
}

/** Writes batches to the link, keeps each until it is acknowledged, and finds out when the link is dead. */
export class Sender {
  /** Highest number of a counted batch received; every batch acknowledges it. */
  received = 0
  bytesSent = 0

  private readonly clock: Clock
  private readonly events: SenderEvents
  private link: Link | undefined
  private line = new Line()
  private readonly liveness: Liveness
  private readonly debt: AckDebt
  private readonly writer = new BatchWriter()
  private readonly outbox = new Outbox()
  private readonly replay = new Replay()
  private sentNumber = 0
  /** Number of the last batch with bulk in it. */
  private lastBulk = 0
  private pipeBytes = 0
  /** Batches with bulk in them that the link has not taken. */
  private pipeBulk = 0
  private pingId = 0
  /** Number of the last counted batch that stood before the ping under way; undefined: none is. */
  private pingedAfter: number | undefined
  /** A ping that is answered once the link takes more. */
  private owedPong: bigint | undefined

  private isFlushPlanned = false
  /** The last batch was a burst. */
  private isBursting = false

  constructor(clock: Clock, events: SenderEvents) {
    this.clock = clock
    this.events = events
    this.debt = new AckDebt(clock, () => this.sendAck())
    this.liveness = new Liveness(
      clock,
      () => this.ping(),
      forMs => {
        this.detach()
        this.events.onSilent(forMs)
      },
    )
  }

  get isAttached(): boolean {
    return this.link !== undefined
  }

  get usualRoundTripMs(): number {
    return this.line.smoothedRoundTripMs
  }

  /** 0 before the first sample. */
  get roundTripMs(): number {
    return this.line.roundTripMs
  }

  get sent(): number {
    return this.sentNumber
  }

  /** The number of the last counted batch that the peer has said to have. */
  get acked(): number {
    return this.replay.acked
  }

  get unackedBytes(): number {
    return this.replay.bytes
  }

  /** Control frames that wait. */
  get controlFrames(): number {
    return this.outbox.controlFrames
  }

  /** Starts or resumes on a link; see `Mux.attach`. */
  attach(link: Link, peerReceived: number): void {
    if (peerReceived < this.replay.acked) {
      throw new PbtError('protocol', `peer lacks batch ${peerReceived + 1}, which it acknowledged before`)
    }
    this.replay.acknowledge(peerReceived)
    this.detach()
    this.link = link
    this.line = new Line()
    this.replay.rewind()
    this.pipeBytes = 0
    this.pipeBulk = 0
    this.isFlushPlanned = false
    this.pingedAfter = undefined
    this.owedPong = undefined
    this.liveness.start()
    this.planFlush()
  }

  /** Closes the link; what waits stays for the next one. Nothing when detached. */
  detach(): void {
    const link = this.link
    if (link === undefined) return
    this.link = undefined
    this.liveness.stop()
    link.close()
  }

  /** The session is over: what can go out does, the rest is given up. */
  close(): void {
    if (this.link !== undefined) this.flush()
    this.detach()
    this.replay.clear()
  }

  /** The queue has something to send. */
  wake(queue: SendQueue): void {
    this.outbox.ready(queue, this.clock.now())
    this.planFlush()
  }

  sendControl(channel: number, body: string): void {
    this.outbox.pushControl(channel, body)
    this.planFlush()
  }

  /** Pings at once; no answer within `withinMs` is a silent link. Nothing when detached. */
  probe(withinMs: number): void {
    this.liveness.probe(withinMs)
  }

  /** Goes out at once, uncounted; nothing when detached. */
  sendLinkFrame(frame: LinkFrame): void {
    if (this.link !== undefined) this.hand(encodeLinkFrame(frame, this.received))
  }

  // What the peer's batches say of sending.

  /** A counted batch came. Throws PbtError `protocol` when it is not the next one. */
  counted(number: number, bytes: number): void {
    if (number !== this.received + 1) {
      throw new PbtError('protocol', `batch ${number} came after batch ${this.received}`)
    }
    this.received = number
    if (this.debt.owe(bytes)) this.planFlush()
  }

  /** The peer has everything up to this number; false when that is nothing new. Throws PbtError `protocol`. */
  acknowledged(number: number): boolean {
    if (number <= this.replay.acked) return false
    const before = this.replay.bytes
    const newest = this.replay.acknowledge(number)
    if (newest === undefined) return true
    const now = this.clock.now()
    this.line.acknowledged(newest, before - this.replay.bytes, now)
    this.liveness.proven(now)
    if (this.hasMore) this.planFlush()
    return true
  }

  /** Answers a ping. */
  pinged(id: bigint): void {
    this.owedPong = id
    this.sendPong()
  }

  /**
   * Only the answer to the ping under way proves anything, and it has to acknowledge what stood before the ping; false for
   * any other. Throws PbtError `protocol`.
   */
  ponged(id: bigint): boolean {
    if (this.pingedAfter === undefined || id !== BigInt(this.pingId)) return false
    if (this.replay.acked < this.pingedAfter) {
      throw new PbtError(
        'protocol',
        `peer answers pings, and has not acknowledged batch ${this.pingedAfter}, which came before`,
      )
    }
    this.pingedAfter = undefined
    this.liveness.proven(this.clock.now())
    this.liveness.answered()
    return true
  }

  private ping(): void {
    this.pingedAfter = this.replay.isPending ? this.replay.acked : this.sentNumber
    this.sendLinkFrame({ case: 'ping', value: create(PingSchema, { id: BigInt(++this.pingId) }) })
  }

  /** A peer that reads nothing must not make pongs pile up: one is owed until the link takes more. */
  private sendPong(): void {
    if (this.owedPong === undefined || this.pipeBytes >= PIPE_BYTES) return
    const id = this.owedPong
    this.owedPong = undefined
    this.sendLinkFrame({ case: 'pong', value: create(PongSchema, { id }) })
  }

  private sendAck(): void {
    if (this.link === undefined || this.pipeBytes >= PIPE_BYTES) return
    this.debt.paid(this.clock.now())
    this.hand(this.writer.finish(this.received, 0))
  }

  /**
   * A link that has nothing gets the first frame before the loop looks at I/O again, so that a lone request never waits. What
   * comes while the link has something waits until that is taken: a link that keeps up takes it once the I/O that is ready
   * has been looked at, so the rest of a burst goes out in the same turn, in one batch. While burst follows burst the first
   * frame waits for that I/O too: a batch of its own costs as much as a request.
   */
  private planFlush(): void {
    if (this.link === undefined || this.isFlushPlanned) return
    this.isFlushPlanned = true
    if (this.pipeBytes > 0) return
    if (this.isBursting) this.clock.afterIo(this.plannedFlush)
    else this.clock.soon(this.plannedFlush)
  }

  private readonly plannedFlush = (): void => {
    if (!this.isFlushPlanned) return
    this.isFlushPlanned = false
    this.flush()
    this.events.onFlushed()
  }

  private flush(): void {
    if (this.link === undefined) return
    const now = this.clock.now()
    this.flushReplay(now)
    // More bulk waits until the link has taken what it has, and goes in full batches then (the rule of Nagle, RFC 896).
    const isBulkDue = this.pipeBulk === 0
    while (this.mayWrite()) {
      const spare = this.line.capBytes - this.line.inFlight
      if (this.outbox.isEmpty || (this.outbox.hasOnlyBulk && (spare <= 0 || !isBulkDue))) break
      this.outbox.fill(this.writer, isBulkDue ? spare : 0, this.line.capBytes)
      if (this.writer.frames === 0) break
      this.isBursting = this.writer.frames >= BURST_FRAMES && !this.outbox.hasFilledBulk
      if (this.outbox.hasFilledFresh && this.isBulkUnderWay) this.line.shared(now)
      this.sendBatch(now)
      if (this.outbox.hasFilledBulk) this.lastBulk = this.sentNumber
    }
    if (this.line.inFlight < this.line.capBytes) this.line.ranDry()
    if (this.debt.isDue(now)) this.sendAck()
  }

  /** What goes out now waits for bulk: in the pipe, on the line, or in the same batch. */
  private get isBulkUnderWay(): boolean {
    return this.outbox.hasFilledBulk || this.pipeBulk > 0 || this.lastBulk > this.replay.acked
  }

  private get hasMore(): boolean {
    return this.replay.isPending || !this.outbox.isEmpty
  }

  private mayWrite(): boolean {
    return (
      this.link !== undefined &&
      !this.replay.isPending &&
      this.pipeBytes < PIPE_BYTES &&
      this.replay.bytes < MAX_UNACKED_BYTES &&
      this.replay.length < MAX_UNACKED_BATCHES
    )
  }

  private flushReplay(now: number): void {
    while (this.link !== undefined && this.pipeBytes < PIPE_BYTES && this.line.inFlight < this.line.capBytes) {
      const again = this.replay.resend()
      if (again === undefined) return
      this.line.sent(again, now)
      this.hand(again.batch)
    }
  }

  private sendBatch(now: number): void {
    this.debt.paid(now)
    const batch = this.writer.finish(this.received, ++this.sentNumber)
    const sent: SentBatch = {
      number: this.sentNumber,
      batch,
      bytes: batch.length,
      sentAt: 0,
      delivered: 0,
      deliveredAt: 0,
      firstSentAt: 0,
      isAppLimited: false,
    }
    this.line.sent(sent, now)
    this.replay.push(sent)
    this.hand(batch, this.outbox.hasFilledBulk)
  }

  private hand(batch: Batch, hasBulk = false): void {
    const { link } = this
    if (link === undefined) return
    this.bytesSent += batch.length
    this.pipeBytes += batch.length
    if (hasBulk) this.pipeBulk++
    link.write(batch, () => {
      if (this.link !== link) return
      const wasFull = this.pipeBytes >= PIPE_BYTES
      this.pipeBytes -= batch.length
      if (hasBulk) this.pipeBulk--
      if (wasFull) this.sendPong()
      if (this.isFlushPlanned) this.plannedFlush()
      else if ((wasFull || (hasBulk && this.pipeBulk === 0)) && (this.hasMore || this.debt.isOwed)) this.planFlush()
    })
  }
}
