// Why tunnels that are not open went offline, as long as this process remembers it.
import type { Ending, RelayNews } from './news.ts'

/** The most names; the one that ended longest ago makes room. */
const MAX_ENDS = 10_000

/** Why a tunnel went offline, and when. */
export interface TunnelEnd extends Ending {
  readonly at: Date
}

/** In memory only, bounded; an end is forgotten when the tunnel is online again. */
export class TunnelEnds {
  private readonly ends = new Map<string, TunnelEnd>()

  of(tunnel: string): TunnelEnd | undefined {
    return this.ends.get(tunnel)
  }

  /** The same news, from which it learns. */
  listening(news: RelayNews): RelayNews {
    return {
      ...news,
      tunnelOnline: (client, tunnel, urls) => {
        this.ends.delete(tunnel.name)
        news.tunnelOnline(client, tunnel, urls)
      },
      tunnelOffline: (client, tunnel, why) => {
        this.note(tunnel.name, why)
        news.tunnelOffline(client, tunnel, why)
      },
    }
  }

  private note(tunnel: string, why: Ending): void {
    this.ends.delete(tunnel)
    const [oldest] = this.ends.keys()
    if (this.ends.size >= MAX_ENDS && oldest !== undefined) this.ends.delete(oldest)
    this.ends.set(tunnel, { ...why, at: new Date() })
  }
}
