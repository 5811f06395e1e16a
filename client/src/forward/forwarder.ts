// What serves the channels of a tunnel, whatever the target speaks.
import type { Channel, ChannelOpen } from '@pbt/proto'

/** One for each tunnel of the process, over all its sessions. */
export interface Forwarder {
  /** Takes a channel that was just opened and is of the tunnel's kind. Never throws. */
  accept(channel: Channel, open: ChannelOpen, last: boolean): void
  /** Gives up idle connections; what is under way goes on. */
  close(): void
}
