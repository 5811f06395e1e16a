// The multiplexer: channels of one session over whatever link is attached, at either end.
import type { Frame } from '../gen/pbt/tunnel/v1/tunnel_pb.ts'
import type { Channel, ChannelHandler } from './channel.ts'
import type { Clock } from './clock.ts'
import type { ErrorCode, PbtError } from './errors.ts'
import type { ChannelOpen } from './heads.ts'

/** A frame of the session itself, counted and replayed. */
export type SessionFrame = Extract<
  Frame['body'],
  { case: 'openTunnel' | 'tunnelOpened' | 'tunnelRefused' | 'closeTunnel' | 'tunnelClosed' | 'newToken' | 'goodbye' }
>

/** One gRPC stream, or a test's stand-in for it. */
export interface Link {
  /** Takes an encoded batch; calls `taken` once it no longer waits in the process. Must not throw. */
  write(batch: Uint8Array, taken: () => void): void
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

export interface Mux {
  /** Highest number of a counted batch received: what resume tells the peer. */
  readonly received: number
  readonly isAttached: boolean
  readonly isClosed: boolean
  readonly stats: MuxStats
  /**
   * Starts or resumes on a link. `peerReceived`: what the peer says it has (0 for a new session); batches after it are
   * sent again. Throws PbtError `protocol` when it cannot be so.
   */
  attach(link: Link, peerReceived: number): void
  /** The link is gone; channels wait for the next one. Closes the link. Nothing when detached. */
  detach(): void
  /** One batch from the link. Never throws. */
  receive(batch: Uint8Array): void
  /** Opens a channel; `end`: with no body. Throws PbtError `limit` when the session has too many. Server only. */
  open(open: ChannelOpen, end: boolean, handler: ChannelHandler): Channel
  sendSessionFrame(frame: SessionFrame): void
  /** Tells the peer to leave this link; does nothing when detached. */
  goAway(code: ErrorCode, message: string, reconnect: boolean, reconnectAfterMs: number): void
  /** The session is over: every channel is reset with the code, the link is flushed of what it can take and closed. */
  close(code: ErrorCode, message: string): void
}

export interface MuxOptions {
  role: 'server' | 'client'
  clock: Clock
  handler: MuxHandler
}

export interface MuxConstructor {
  new (options: MuxOptions): Mux
}
export declare const Mux: MuxConstructor
