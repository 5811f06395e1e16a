// A tunnel as a process wants it, and what serves its visitors.
import type { Channel, ChannelKind, ChannelOpen } from '@pbt/proto'
import type { Endpoint } from '../config/target.ts'

/** Serves the channels of one tunnel. */
export interface Forwarder {
  /** A visitor came, with a channel of the tunnel's kind: sets `channel.handler` before it returns. Must not throw. */
  accept(channel: Channel, open: ChannelOpen, last: boolean): void
  /** The process ends: gives up what is kept for later, such as idle connections. */
  close(): void
}

/** A tunnel as this process wants it. */
export interface TunnelPlan {
  /** Unique in the process; channels name it. */
  readonly number: number
  readonly kind: ChannelKind
  /** The owner's name for it, '' for none. */
  readonly name: string
  /** Names wished for (http). */
  readonly domains: readonly string[]
  /** The public port wished for, 0 for none (tcp, udp). */
  readonly port: number
  /** Addresses and CIDR blocks that may visit, none for everybody. */
  readonly allow: readonly string[]
  /** How long a flow may be silent, 0 for the server's default (udp). */
  readonly idleTimeoutMs: number
  /** How many times what came from a visitor it may be sent, 0 for no bound, undefined for the server's default (udp). */
  readonly replyFactor: number | undefined
  /** What is served, for people and for remembering names. */
  readonly target: string
  /** Where that is; undefined when it is not to be looked after. */
  readonly endpoint?: Endpoint
  readonly forwarder: Forwarder
}
