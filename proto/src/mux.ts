// The multiplexer: channels of one session over whatever link is attached, at either end.
import { create } from '@bufbuild/protobuf'
import { Allowance } from './allowance.ts'
import type { Channel, ChannelHandler } from './channel/channel.ts'
import { ChannelTable, type OpenChannels } from './channel/channel-table.ts'
import { type ChannelHost, MuxChannel, NO_HANDLER } from './channel/mux-channel.ts'
import { openIn, openKind } from './channel/opens.ts'
import type { CreditPool } from './channel/window.ts'
import type { Clock } from './clock.ts'
import {
  BatchReader,
  BODY_CREDIT,
  BODY_HTTP_REQUEST,
  BODY_RESET,
  BODY_TCP_OPEN,
  BODY_UDP_OPEN,
} from './codec/decode.ts'
import { encodeControl, encodeOpen } from './codec/encode.ts'
import type { ChannelOpen } from './codec/heads.ts'
import { codeOf, type ErrorCode, MAX_MESSAGE_CHARS, PbtError, reasonOf } from './errors.ts'
import { IDLE_FRAMES_A_SECOND, MAX_CHANNELS, MAX_CONTROL_FRAMES, MAX_IDLE_FRAMES } from './limits.ts'
import type { Link } from './link/link.ts'
import type { MuxHandler, MuxOptions, MuxStats, SessionFrame } from './mux-handler.ts'
import type { SendPool, SendQueue } from './send/send-queue.ts'
import { Sender } from './send/sender.ts'
import { type Frame, GoAwaySchema } from './tunnel-v1.ts'

/** What a late frame or a tiny one counts of one that brings nothing. */
const SMALL_PART = 1 / 32

/** One session at either end. It outlives links: what the peer has not acknowledged is sent again on the next one. */
export class Mux implements ChannelHost {
  readonly role: 'server' | 'client'
  readonly pool: CreditPool = { grownBytes: 0 }
  readonly sending: SendPool = { unreadBytes: 0, dataBytes: 0, datagramBytes: 0 }
  isClosed = false
  private readonly table = new ChannelTable()
  readonly channels: OpenChannels = this.table

  private readonly clock: Clock
  private readonly handler: MuxHandler

  private readonly sender: Sender
  private readonly reader = new BatchReader()
  private readonly idle: Allowance

  private readonly drainedChannels: MuxChannel[] = []

  private bytesReceived = 0
  private droppedDatagrams = 0

  constructor(options: MuxOptions) {
    this.role = options.role
    this.clock = options.clock
    this.handler = options.handler
    this.idle = new Allowance(options.clock, MAX_IDLE_FRAMES, IDLE_FRAMES_A_SECOND)
    this.sender = new Sender(options.clock, {
      onFlushed: () => this.reportDrained(),
      onSilent: forMs => this.handler.onLinkSilent(forMs),
    })
  }

  get isAttached(): boolean {
    return this.sender.isAttached
  }

  /** Highest number of a counted batch received: what resume tells the peer. */
  get received(): number {
    return this.sender.received
  }

  get usualRoundTripMs(): number {
    return this.sender.usualRoundTripMs
  }

  get stats(): MuxStats {
    const { bytes, stalls } = this.table.queued
    return {
      channels: this.table.size,
      bytesSent: this.sender.bytesSent,
      bytesReceived: this.bytesReceived,
      unackedBytes: this.sender.unackedBytes,
      queuedBytes: bytes,
      datagramsDropped: this.droppedDatagrams,
      creditStalls: stalls,
      roundTripMs: this.sender.roundTripMs,
    }
  }

  /**
   * Starts or resumes on a link. `peerReceived`: what the peer says it has (0 for a new session); batches after it are
   * sent again. Throws PbtError `protocol` when it claims what was never sent or lacks what is no longer kept.
   */
  attach(link: Link, peerReceived: number): void {
    this.sender.attach(link, peerReceived)
  }

  /** The link is gone; channels wait for the next one. Closes the link. Nothing when detached. */
  detach(): void {
    this.sender.detach()
  }

  /** Asks the peer for a sign of life at once; without one within `withinMs` the link is silent. Nothing when detached. */
  probe(withinMs: number): void {
    this.sender.probe(withinMs)
  }

  /** One batch from the link. Never throws. */
  receive(batch: Uint8Array): void {
    if (this.isClosed || !this.sender.isAttached) return
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
    this.table.checkRoom(open.kind)
    const channel = new MuxChannel(this, this.table.newest + 1, open.kind, handler)
    const { tunnel, visitor } = open.kind === 'http' ? open.head : open
    channel.tunnel = tunnel
    channel.visitor = visitor
    this.table.add(channel)
    channel.sendFrame(encodeOpen(open), end)
    return channel
  }

  sendSessionFrame(frame: SessionFrame): void {
    if (this.isClosed) return
    this.sendControl(0, encodeControl(frame))
  }

  /** To be asked after `sendSessionFrame`: tells, each time it is called, whether the peer has said that it has what was sent. */
  watchTaken(): () => boolean {
    const number = this.sender.sent + 1
    return () => this.sender.acked >= number
  }

  /** Tells the peer to leave this link; does nothing when detached. */
  goAway(code: ErrorCode, message: string, reconnect: boolean, reconnectAfterMs: number): void {
    const value = create(GoAwaySchema, {
      reason: reasonOf(code),
      message: message.slice(0, MAX_MESSAGE_CHARS),
      reconnect,
      reconnectAfterMs,
    })
    this.sender.sendLinkFrame({ case: 'goAway', value })
  }

  /** The session is over: every channel is reset with the code and the link closed after what it has taken. */
  close(code: ErrorCode, message: string): void {
    if (this.isClosed) return
    this.isClosed = true
    this.sender.close()
    this.table.failAll(new PbtError(code, message))
  }

  // ChannelHost, for the mux's own channels.

  now(): number {
    return this.clock.now()
  }

  wake(queue: SendQueue): void {
    this.sender.wake(queue)
  }

  sendControl(channel: number, body: string): void {
    this.sender.sendControl(channel, body)
  }

  drained(channel: MuxChannel): void {
    this.drainedChannels.push(channel)
  }

  forget(channel: MuxChannel): void {
    this.table.delete(channel)
  }

  datagramDropped(): void {
    this.droppedDatagrams++
  }

  ownerThrew(error: unknown): void {
    this.handler.onOwnerThrew?.(error)
  }

  // Receiving.

  private process(batch: Uint8Array): void {
    const { reader } = this
    reader.read(batch)
    if (!this.sender.acknowledged(reader.ack) && reader.frames === 0) this.spendIdle()
    const isCounted = reader.number > 0
    if (isCounted) this.sender.counted(reader.number, batch.length)
    let ping: bigint | undefined
    for (let index = 0; index < reader.frames && !this.isClosed; index++) {
      reader.select(index)
      if (reader.channel !== 0) {
        if (!isCounted) throw new PbtError('protocol', `frame of channel ${reader.channel} in a batch without number`)
        this.channelFrame(reader)
      } else ping = this.sessionFrame(reader.control().body, isCounted) ?? ping
    }
    // One answer for all pings of a batch, so that a flood of them costs the sender more than us.
    if (ping !== undefined) this.sender.pinged(ping)
    if (this.sender.controlFrames > MAX_CONTROL_FRAMES) {
      throw new PbtError('limit', `peer does not read its replies: ${MAX_CONTROL_FRAMES} frames queued`)
    }
  }

  /** A frame that brings nothing came; `part` of one. */
  private spendIdle(part = 1): void {
    if (!this.idle.spend(part)) throw new PbtError('limit', 'too many empty frames')
  }

  /** What a channel's owner throws is no fault of the peer's: it costs that channel only. */
  private channelFrame(reader: BatchReader): void {
    try {
      this.dispatch(reader)
    } catch (error) {
      if (error instanceof PbtError) throw error
      const channel = this.table.get(reader.channel)
      if (channel === undefined) this.ownerThrew(error)
      else channel.ownerThrew(error)
    }
  }

  private dispatch(reader: BatchReader): void {
    const channel = this.table.get(reader.channel)
    if (channel === undefined) {
      if (reader.channel > this.table.newest) this.accept(reader)
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
    if (this.table.size >= MAX_CHANNELS) throw new PbtError('limit', `more than ${MAX_CHANNELS} channels`)
    const { channel: id, end } = reader
    const kind = openKind(reader.body)
    if (kind === undefined) throw new PbtError('protocol', `channel ${id} does not begin with an open`)
    const channel = new MuxChannel(this, id, kind, NO_HANDLER)
    this.table.add(channel)
    let open: ChannelOpen
    try {
      open = openIn(reader, kind)
    } catch (error) {
      if (!(error instanceof PbtError)) throw error
      channel.reset('protocol', error.message)
      return
    }
    const { tunnel, visitor } = open.kind === 'http' ? open.head : open
    channel.tunnel = tunnel
    channel.visitor = visitor
    this.handler.onOpen?.(channel, open, end)
    if (channel.handler === NO_HANDLER) channel.reset('internal', 'no handler took the channel')
    else if (end) channel.peerEnded()
  }

  /** The id of a ping to answer, undefined for every other frame. */
  private sessionFrame(body: Frame['body'], isCounted: boolean): bigint | undefined {
    switch (body.case) {
      case 'ping':
        this.spendIdle()
        return body.value.id
      case 'pong':
        if (!this.sender.ponged(body.value.id)) this.spendIdle()
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
      case 'tokenTaken':
      case 'startTunnel':
      case 'targetHealth':
      case 'allowPeer':
      case 'peerAllowed':
      case 'lookOutside':
      case 'lookedOutside':
      case 'measure':
      case 'measured':
        if (!isCounted) throw new PbtError('protocol', `frame "${body.case}" in a batch without number`)
        this.handler.onSessionFrame(body)
        return undefined
      case undefined:
        this.spendIdle() // a kind that a newer version knows
        return undefined
      default:
        throw new PbtError('protocol', `frame "${body.case}" is not expected here`)
    }
  }

  private violated(cause: unknown): void {
    const error = cause instanceof PbtError ? cause : new PbtError('internal', 'receiving a batch failed', { cause })
    this.goAway(error.code, error.message, false, 0)
    this.close(error.code, error.message)
    this.handler.onViolation(error)
  }

  /** Owners are told outside the writing of a batch, since they may write at once. */
  private reportDrained(): void {
    while (this.drainedChannels.length > 0) {
      const channel = this.drainedChannels.pop()
      if (!channel?.isOpen) continue
      try {
        channel.handler.onDrain?.()
      } catch (error) {
        channel.ownerThrew(error)
      }
    }
  }
}
