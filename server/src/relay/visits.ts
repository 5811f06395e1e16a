// The channels that visitors of one tunnel have open, with whose they are.
import type { Channel, PbtError } from '@pbt/proto'

/** Looked through for closed ones when there are this many, and then each time their number has doubled. */
const FIRST_SWEEP = 256

export class Visits {
  private readonly visitors = new Map<Channel, string>()
  private sweepAt = FIRST_SWEEP

  get size(): number {
    return this.visitors.size
  }

  /** `visitor`: address and port. Closed channels are dropped by the way: to be told of each end would cost every request. */
  add(channel: Channel, visitor: string): Channel {
    if (this.visitors.size >= this.sweepAt) {
      for (const each of this.visitors.keys()) if (!each.isOpen) this.visitors.delete(each)
      this.sweepAt = Math.max(FIRST_SWEEP, 2 * this.visitors.size)
    }
    this.visitors.set(channel, visitor)
    return channel
  }

  /** Resets the open channels of those addresses at both ends and tells how many they were. */
  cut(isCut: (address: string) => boolean, error: PbtError): number {
    let count = 0
    for (const [channel, visitor] of this.visitors) {
      if (!channel.isOpen || !isCut(addressIn(visitor))) continue
      const { handler } = channel
      channel.reset(error.code, error.message)
      handler.onReset(error)
      count++
    }
    return count
  }
}

/** The address of `203.0.113.7:50123` or `[2001:db8::1]:50123`. */
function addressIn(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}
