// The multiplexer: channels of one session over whatever link is attached, at either end.
import { create } from '@bufbuild/protobuf'
import { type Frame, GoAwaySchema, PingSchema, PongSchema } from '../gen/pbt/tunnel/v1/tunnel_pb.ts'
import { Allowance } from './allowance.ts'
import type { Channel, ChannelHandler } from './channel.ts'
import type { Clock } from './clock.ts'
import { BatchReader, BODY_CREDIT, BODY_HTTP_REQUEST, BODY_RESET, BODY_TCP_OPEN, BODY_UDP_OPEN } from './decode.ts'
import { type Batch, BatchWriter, encodeControl, encodeOpen } from './encode.ts'
import { codeOf, type ErrorCode, MAX_MESSAGE_CHARS, PbtError, reasonOf } from './errors.ts'
import type { ChannelKind, ChannelOpen } from './heads.ts'
import {
  ACK_AT_MOST_BYTES,
  ACK_DELAY_MS,
  ACK_EVERY_BYTES,
  ACK_INTERVAL_MS,
  IDLE_FRAMES_A_SECOND,
  KIB,
  MAX_CHANNELS,
  MAX_CONTROL_FRAMES,
  MAX_IDLE_FRAMES,
  MAX_UNACKED_BATCHES,
  MAX_UNACKED_BYTES,
} from './limits.ts'
import { Line } from './line.ts'
import { encodeLinkFrame, type LinkFrame } from './link-frames.ts'
import { Liveness } from './liveness.ts'
import { type ChannelHost, MuxChannel, NO_HANDLER } from './mux-channel.ts'
import { Outbox } from './outbox.ts'
import { Replay, type SentBatch } from './replay.ts'
import type { DatagramPool, SendQueue } from './send-queue.ts'
import type { CreditPool } from './window.ts'

/** A frame of the session itself, counted and replayed. */
export type SessionFrame = Extract<
  Frame['body'],
  { case: 'openTunnel' | 'tunnelOpened' | 'tunnelRefused' | 'closeTunnel' | 'tunnelClosed' | 'newToken' | 'goodbye' }
>

/** One gRPC stream, or a test's stand-in for it. */
export interface Link {
  /** Takes an encoded batch; calls `taken` once it no longer waits in the process. Must not throw. */
  write(batch: Batch, taken: () => void): void
  /** Ends the stream; no more calls of `taken` are needed. */
  close(): void
}

/** Called synchronously; must not throw. */
export interface MuxHandler {
  /** The peer opened a channel: set `channel.handler` before returning, or reset it. At the client only. */
  onOpen?(channel: Channel, open: ChannelOpen, last: boolean): void
  onSessionFrame(frame: SessionFrame): void
  /** The peer leaves this link on purpose (deployment, replaced, killed). */
  onGoAway?(goAway: { code: ErrorCode; message: string; reconnect: boolean; reconnectAfterMs: number }): void
  /** Nothing was heard for LINK_SILENCE_MS; the link has been detached and closed. */
  onLinkSilent(): void
  /** The peer broke the protocol: the mux has closed itself and told the peer why. */
  onViolation(error: PbtError): void
}

export interface MuxStats {
  channels: number
  bytesSent: number
  bytesReceived: number
  unackedBytes: number
  queuedBytes: number
  datagramsDropped: number
  /** Milliseconds, 0 before the first sample. */
  roundTripMs: number
}

export interface MuxOptions {
  role: 'server' | 'client'
  clock: Clock
  handler: MuxHandler
}

/** Bytes given to the link and not yet taken by it: more would queue where nothing can be put in order any more. */
const PIPE_BYTES = 256 * KIB
/** What a late frame or a tiny one counts of one that brings nothing. */
const SMALL_PART = 1 / 32
/** With this many frames waiting a batch goes out at once, so that the peer starts while this end goes on reading. */
const LUMP_FRAMES = 16

export class Mux implements ChannelHost {
  readonly role: 'server' | 'client'
  readonly pool: CreditPool = { grownBytes: 0 }
  readonly datagrams: DatagramPool = { waitingBytes: 0 }
  /** Highest number of a counted batch received: what resume tells the peer. */
  received = 0
  isClosed = false

  private readonly clock: Clock
  private readonly handler: MuxHandler
  private readonly channels = new Map<number, MuxChannel>()
  private lastChannel = 0

  private link: Link | undefined
  private line = new Line()
  private readonly liveness: Liveness
  private readonly reader = new BatchReader()
  private readonly writer = new BatchWriter()
  private readonly outbox = new Outbox()
  private readonly replay = new Replay()
  private sentNumber = 0
  private pipeBytes = 0
  private pingId = 0
  /** Number of the last counted batch that stood before the ping under way; undefined: none is. */
  private pingedAfter: number | undefined
  /** A ping that is answered once the link takes more. */
  private owedPong: bigint | undefined
  private readonly idle: Allowance

  private isFlushPlanned = false
  private hasFlushedThisTurn = false
  private readonly drainedChannels: MuxChannel[] = []

  private ackOwedBytes = 0
  private ackedAt = 0
  private isAckTimerSet = false

  private bytesSent = 0
  private bytesReceived = 0
  private droppedDatagrams = 0

  constructor(options: MuxOptions) {
    this.role = options.role
    this.clock = options.clock
    this.handler = options.handler
    this.idle = new Allowance(options.clock, MAX_IDLE_FRAMES, IDLE_FRAMES_A_SECOND)
    this.liveness = new Liveness(
      options.clock,
      () => this.ping(),
      () => {
        this.detach()
        this.handler.onLinkSilent()
      },
    )
  }

  get isAttached(): boolean {
    return this.link !== undefined
  }

  get usualRoundTripMs(): number {
    return this.line.smoothedRoundTripMs
  }

  get stats(): MuxStats {
    let queuedBytes = 0
    for (const channel of this.channels.values()) queuedBytes += channel.queue.bytes
    return {
      channels: this.channels.size,
      bytesSent: this.bytesSent,
      bytesReceived: this.bytesReceived,
      unackedBytes: this.replay.bytes,
      queuedBytes,
      datagramsDropped: this.droppedDatagrams,
      roundTripMs: this.line.roundTripMs,
    }
  }

  /** The number of the channel that was opened last. */
  get newestChannel(): number {
    return this.lastChannel
  }

  /** Whether a request or connection with at most this number is still open; flows of datagrams are not waited for. */
  isBusyUpTo(channel: number): boolean {
    for (const { id, kind } of this.channels.values()) if (id <= channel && kind !== 'udp') return true
    return false
  }

  /**
   * Starts or resumes on a link. `peerReceived`: what the peer says it has (0 for a new session); batches after it are
   * sent again. Throws PbtError `protocol` when it claims what was never sent or lacks what is no longer kept.
   */
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
    this.pingedAfter = undefined
    this.owedPong = undefined
    this.liveness.start()
    this.planFlush()
  }

  /** The link is gone; channels wait for the next one. Closes the link. Nothing when detached. */
  detach(): void {
    const link = this.link
    if (link === undefined) return
    this.link = undefined
    this.liveness.stop()
    link.close()
  }

  /** One batch from the link. Never throws. */
  receive(batch: Uint8Array): void {
    if (this.isClosed || this.link === undefined) return
    this.bytesReceived += batch.length
    try {
      this.process(batch)
    } catch (error) {
      this.violated(error)
    }
    this.reportDrained()
  }

  /** Opens a channel; `end`: with no body. Throws PbtError `limit` when the session has too many. Server only. */
  open(open: ChannelOpen, end: boolean, handler: ChannelHandler): Channel {
    if (this.isClosed) throw new PbtError('link-lost', 'the session is over')
    if (this.channels.size >= MAX_CHANNELS) {
      throw new PbtError('limit', `the session has ${MAX_CHANNELS} channels open, as many as can be`)
    }
    const channel = new MuxChannel(this, ++this.lastChannel, open.kind, handler)
    this.channels.set(channel.id, channel)
    channel.sendFrame(encodeOpen(open), end)
    return channel
  }

  sendSessionFrame(frame: SessionFrame): void {
    if (this.isClosed) return
    this.sendControl(0, encodeControl(frame))
  }

  /** Tells the peer to leave this link; does nothing when detached. */
  goAway(code: ErrorCode, message: string, reconnect: boolean, reconnectAfterMs: number): void {
    const value = create(GoAwaySchema, {
      reason: reasonOf(code),
      message: message.slice(0, MAX_MESSAGE_CHARS),
      reconnect,
      reconnectAfterMs,
    })
    this.sendLinkFrame({ case: 'goAway', value })
  }

  /** The session is over: every channel is reset with the code and the link closed after what it has taken. */
  close(code: ErrorCode, message: string): void {
    if (this.isClosed) return
    if (this.link !== undefined) this.flush()
    this.isClosed = true
    this.detach()
    this.replay.clear()
    const error = new PbtError(code, message)
    for (const channel of [...this.channels.values()]) channel.fail(error)
  }

  // ChannelHost, for the mux's own channels.

  now(): number {
    return this.clock.now()
  }

  wake(queue: SendQueue): void {
    this.outbox.ready(queue, this.clock.now())
    this.planFlush()
  }

  sendControl(channel: number, body: string): void {
    this.outbox.pushControl(channel, body)
    this.planFlush()
  }

  drained(channel: MuxChannel): void {
    this.drainedChannels.push(channel)
  }

  forget(channel: MuxChannel): void {
    this.channels.delete(channel.id)
  }

  datagramDropped(): void {
    this.droppedDatagrams++
  }

  // Receiving.

  private process(batch: Uint8Array): void {
    const { reader } = this
    reader.read(batch)
    if (reader.ack > this.replay.acked) this.acknowledged(reader.ack)
    else if (reader.frames === 0) this.spendIdle()
    const isCounted = reader.number > 0
    if (isCounted) {
      if (reader.number !== this.received + 1) {
        throw new PbtError('protocol', `batch ${reader.number} came after batch ${this.received}`)
      }
      this.received = reader.number
      this.oweAck(batch.length)
    }
    let ping: bigint | undefined
    for (let index = 0; index < reader.frames && !this.isClosed; index++) {
      reader.select(index)
      if (reader.channel !== 0) {
        if (!isCounted) throw new PbtError('protocol', `frame of channel ${reader.channel} in a batch without number`)
        this.channelFrame(reader)
      } else ping = this.sessionFrame(reader.control().body, isCounted) ?? ping
    }
    // One answer for all pings of a batch, so that a flood of them costs the sender more than us.
    if (ping !== undefined) {
      this.owedPong = ping
      this.sendPong()
    }
    if (this.outbox.controlFrames > MAX_CONTROL_FRAMES) {
      throw new PbtError('limit', `peer makes this end say more than it takes: ${MAX_CONTROL_FRAMES} frames wait`)
    }
  }

  /** A frame that brings nothing came; `part` of one. */
  private spendIdle(part = 1): void {
    if (!this.idle.spend(part)) throw new PbtError('limit', 'too many frames that bring nothing')
  }

  private channelFrame(reader: BatchReader): void {
    const channel = this.channels.get(reader.channel)
    if (channel === undefined) {
      if (reader.channel > this.lastChannel) this.accept(reader)
      else this.spendIdle(SMALL_PART) // a late frame of a channel that is over
      return
    }
    if (reader.isIdle) this.spendIdle()
    else if (reader.isTiny) this.spendIdle(SMALL_PART)
    switch (reader.body) {
      case BODY_CREDIT:
        channel.granted(reader.credit)
        if (reader.end) channel.frame(reader)
        return
      case BODY_RESET: {
        const { body } = reader.control()
        if (body.case !== 'reset') return
        const message = body.value.message.slice(0, MAX_MESSAGE_CHARS)
        channel.fail(new PbtError(codeOf(body.value.reason), message))
        return
      }
      case BODY_HTTP_REQUEST:
      case BODY_TCP_OPEN:
      case BODY_UDP_OPEN:
        throw new PbtError('protocol', `channel ${reader.channel} was opened twice`)
      default:
        channel.frame(reader)
    }
  }

  private accept(reader: BatchReader): void {
    if (this.role === 'server') throw new PbtError('protocol', `channel ${reader.channel} was never opened`)
    if (this.channels.size >= MAX_CHANNELS) throw new PbtError('limit', `more than ${MAX_CHANNELS} channels`)
    const { channel: id, end } = reader
    const kind = openKind(reader.body)
    if (kind === undefined) throw new PbtError('protocol', `channel ${id} begins without being opened`)
    this.lastChannel = id
    const channel = new MuxChannel(this, id, kind, NO_HANDLER)
    this.channels.set(id, channel)
    let open: ChannelOpen
    try {
      open = kind === 'http' ? { kind, head: reader.requestHead() } : addressedOpen(reader)
    } catch (error) {
      if (!(error instanceof PbtError)) throw error
      channel.reset('protocol', error.message)
      return
    }
    this.handler.onOpen?.(channel, open, end)
    if (channel.handler === NO_HANDLER) channel.reset('internal', 'nobody took the channel')
    else if (end) channel.peerEnded()
  }

  /** The id of a ping to answer, undefined for every other frame. */
  private sessionFrame(body: Frame['body'], isCounted: boolean): bigint | undefined {
    switch (body.case) {
      case 'ping':
        this.spendIdle()
        return body.value.id
      case 'pong':
        this.ponged(body.value.id)
        return undefined
      case 'goAway': {
        const { reason, message, reconnect, reconnectAfterMs } = body.value
        this.handler.onGoAway?.({ code: codeOf(reason), message, reconnect, reconnectAfterMs })
        return undefined
      }
      case 'openTunnel':
      case 'tunnelOpened':
      case 'tunnelRefused':
      case 'closeTunnel':
      case 'tunnelClosed':
      case 'newToken':
      case 'goodbye':
        if (!isCounted) throw new PbtError('protocol', `frame "${body.case}" in a batch without number`)
        this.handler.onSessionFrame(body)
        return undefined
      case undefined:
        this.spendIdle() // a kind that a newer version knows
        return undefined
      default:
        throw new PbtError('protocol', `frame "${body.case}" does not belong here`)
    }
  }

  /** Only the answer to the ping under way proves anything, and it has to acknowledge what stood before the ping. */
  private ponged(id: bigint): void {
    if (this.pingedAfter === undefined || id !== BigInt(this.pingId)) {
      this.spendIdle()
      return
    }
    if (this.replay.acked < this.pingedAfter) {
      throw new PbtError(
        'protocol',
        `peer answers pings, and has not acknowledged batch ${this.pingedAfter}, which came before`,
      )
    }
    this.pingedAfter = undefined
    this.liveness.proven(this.clock.now())
  }

  private acknowledged(number: number): void {
    const before = this.replay.bytes
    const newest = this.replay.acknowledge(number)
    if (newest === undefined) return
    const now = this.clock.now()
    this.line.acknowledged(newest, before - this.replay.bytes, now)
    this.liveness.proven(now)
    if (this.hasMore) this.planFlush()
  }

  private violated(cause: unknown): void {
    const error = cause instanceof PbtError ? cause : new PbtError('internal', 'receiving a batch failed', { cause })
    this.goAway(error.code, error.message, false, 0)
    this.close(error.code, error.message)
    this.handler.onViolation(error)
  }

  // Sending.

  private oweAck(bytes: number): void {
    this.ackOwedBytes += bytes
    if (this.isAckDue(this.clock.now())) this.planFlush()
    else if (!this.isAckTimerSet) {
      this.isAckTimerSet = true
      this.clock.after(ACK_DELAY_MS, () => {
        this.isAckTimerSet = false
        if (this.ackOwedBytes > 0) this.sendAck()
      })
    }
  }

  /** On a quick line an acknowledgement for each piece would cost the peer more than the piece. */
  private isAckDue(now: number): boolean {
    if (this.ackOwedBytes < ACK_EVERY_BYTES) return false
    return this.ackOwedBytes >= ACK_AT_MOST_BYTES || now - this.ackedAt >= ACK_INTERVAL_MS
  }

  private ackSent(now: number): void {
    this.ackOwedBytes = 0
    this.ackedAt = now
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
    this.ackSent(this.clock.now())
    this.hand(this.writer.finish(this.received, 0))
  }

  /**
   * The first flush of a turn comes before the loop looks at I/O again, so that a lone request never waits; later ones
   * of the same turn come together after the I/O that is ready, or at once when a lump of frames has gathered.
   */
  private planFlush(): void {
    if (this.link === undefined) return
    if (this.outbox.waiting >= LUMP_FRAMES && this.hasFlushedThisTurn) {
      this.flush()
      return
    }
    if (this.isFlushPlanned) return
    this.isFlushPlanned = true
    if (this.hasFlushedThisTurn) this.clock.afterIo(this.plannedFlush)
    else this.clock.soon(this.plannedFlush)
  }

  private readonly plannedFlush = (): void => {
    this.isFlushPlanned = false
    this.flush()
    this.reportDrained()
  }

  private readonly turnEnded = (): void => {
    this.hasFlushedThisTurn = false
  }

  private flush(): void {
    if (this.link === undefined) return
    if (!this.hasFlushedThisTurn) {
      this.hasFlushedThisTurn = true
      this.clock.afterIo(this.turnEnded)
    }
    const now = this.clock.now()
    this.flushReplay(now)
    while (this.mayWrite()) {
      const spare = this.line.capBytes - this.line.inFlight
      if (this.outbox.isEmpty || (spare <= 0 && this.outbox.hasOnlyBulk)) break
      this.outbox.fill(this.writer, spare, this.line.capBytes)
      if (this.writer.frames === 0) break
      this.sendBatch(now)
    }
    if (this.outbox.isEmpty && this.line.inFlight < this.line.capBytes) this.line.ranDry()
    if (this.isAckDue(now)) this.sendAck()
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
    this.ackSent(now)
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
    this.hand(batch)
  }

  private hand(batch: Batch): void {
    const { link } = this
    if (link === undefined) return
    this.bytesSent += batch.length
    this.pipeBytes += batch.length
    link.write(batch, () => {
      if (this.link !== link) return
      const wasFull = this.pipeBytes >= PIPE_BYTES
      this.pipeBytes -= batch.length
      if (!wasFull) return
      this.sendPong()
      if (this.hasMore || this.ackOwedBytes > 0) this.planFlush()
    })
  }

  private sendLinkFrame(frame: LinkFrame): void {
    if (this.link !== undefined) this.hand(encodeLinkFrame(frame, this.received))
  }

  /** Owners are told outside the writing of a batch, since they may write at once. */
  private reportDrained(): void {
    while (this.drainedChannels.length > 0) {
      const channel = this.drainedChannels.pop()
      if (channel?.isOpen) channel.handler.onDrain?.()
    }
  }
}

function openKind(body: number): ChannelKind | undefined {
  switch (body) {
    case BODY_HTTP_REQUEST:
      return 'http'
    case BODY_TCP_OPEN:
      return 'tcp'
    case BODY_UDP_OPEN:
      return 'udp'
    default:
      return undefined
  }
}

function addressedOpen(reader: BatchReader): ChannelOpen {
  const { body } = reader.control()
  if (body.case !== 'tcpOpen' && body.case !== 'udpOpen') throw new PbtError('protocol', 'malformed open')
  const { tunnel, visitor, local } = body.value
  return { kind: body.case === 'tcpOpen' ? 'tcp' : 'udp', tunnel, visitor, local }
}
