// What a multiplexer tells its owner, and what it is given.

import type { Channel } from './channel/channel.ts'
import type { Clock } from './clock.ts'
import type { ChannelOpen } from './codec/heads.ts'
import type { ErrorCode, PbtError } from './errors.ts'
import type { Frame } from './tunnel-v1.ts'

/** A frame of the session itself, counted and replayed. */
export type SessionFrame = Extract<
  Frame['body'],
  {
    case:
      | 'openTunnel'
      | 'tunnelOpened'
      | 'tunnelRefused'
      | 'closeTunnel'
      | 'tunnelClosed'
      | 'newToken'
      | 'goodbye'
      | 'tokenTaken'
      | 'startTunnel'
      | 'targetHealth'
      | 'allowPeer'
      | 'peerAllowed'
      | 'lookOutside'
      | 'lookedOutside'
      | 'measure'
      | 'measured'
  }
>

/** Called synchronously; must not throw. */
export interface MuxHandler {
  /** The peer opened a channel: set `channel.handler` before returning, or reset it. At the client only. */
  onOpen?(channel: Channel, open: ChannelOpen, last: boolean): void
  onSessionFrame(frame: SessionFrame): void
  /** The peer leaves this link on purpose (deployment, replaced, killed). */
  onGoAway?(goAway: { code: ErrorCode; message: string; reconnect: boolean; reconnectAfterMs: number }): void
  /** Nothing was heard for LINK_SILENCE_MS, or as long as a probe may take; the link has been detached and closed. */
  onLinkSilent(forMs: number): void
  /** The peer broke the protocol: the mux has closed itself and told the peer why. */
  onViolation(error: PbtError): void
  /** What takes part in a channel here threw, which is a fault of ours; the channel is reset. */
  onOwnerThrew?(error: unknown): void
}

/** A snapshot of one session; counters only grow while the session lasts. */
export interface MuxStats {
  channels: number
  bytesSent: number
  bytesReceived: number
  unackedBytes: number
  queuedBytes: number
  datagramsDropped: number
  /** How often data of a channel waited because the peer had not read what came before. */
  creditStalls: number
  /** Milliseconds, 0 before the first sample. */
  roundTripMs: number
}

/** What a multiplexer is given; only the server's opens channels. */
export interface MuxOptions {
  role: 'server' | 'client'
  clock: Clock
  handler: MuxHandler
}
