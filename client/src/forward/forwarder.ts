// What serves the channels of an HTTP tunnel, whatever the target speaks.
import type { Channel, RequestHead } from '@pbt/proto'

export interface HttpForwarder {
  /** Takes a channel that was just opened. Never throws. */
  accept(channel: Channel, head: RequestHead, last: boolean): void
  /** Gives up idle connections; requests under way go on. */
  close(): void
}
