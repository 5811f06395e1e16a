// How many sockets to targets there may be at once, in all tunnels of the process: pure counting, the sockets are others'.

/**
 * Descriptors kept for what is not a connection to a target: the event loop's own and the standard streams (some 25), the
 * link and the one that takes its place, looking up names, the token's file, and `pbt status`.
 */
export const KEPT_DESCRIPTORS = 64

/** How many sockets to targets there may be with this many descriptors. */
export function placesFor(descriptors: number): number {
  return Math.max(1, descriptors - KEPT_DESCRIPTORS)
}

/** Each place that is taken has to be given back once; idle connections are closed when none is left. */
export class Places {
  private readonly most: number
  private readonly lenders = new Set<() => boolean>()
  private taken = 0

  constructor(most: number) {
    this.most = most
  }

  /**
   * Takes a place for a socket that is about to be made; false when there is none. Whoever got one calls `give` once the
   * socket is closed. A connection that idles gives way: its descriptor is free at once, its place a little later.
   */
  take(): boolean {
    if (this.taken >= this.most && !this.reclaim()) return false
    this.taken++
    return true
  }

  give(): void {
    this.taken--
  }

  /** `giveUp` ends one connection that idles, or is false when none does. Returns what takes the offer back. */
  lend(giveUp: () => boolean): () => void {
    this.lenders.add(giveUp)
    return () => this.lenders.delete(giveUp)
  }

  private reclaim(): boolean {
    for (const giveUp of this.lenders) if (giveUp()) return true
    return false
  }
}
