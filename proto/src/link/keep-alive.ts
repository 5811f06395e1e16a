// When TCP asks whether a peer that says nothing is still there.

/** TCP looks for a peer that has been silent for so long (RFC 9293 section 3.8.4): a dead one is found within 40 s. */
const KEEPALIVE_MS = 30_000

/**
 * Silence in ms after which one connection's peer is looked for: half of KEEPALIVE_MS to all of it, another for each.
 * Thousands of connections that came together would ask in the same moment, more than the system's queue holds, again every
 * second, and connections whose probe is lost ten times are cut.
 */
export function keepAliveDelayMs(): number {
  return KEEPALIVE_MS - Math.floor((Math.random() * KEEPALIVE_MS) / 2)
}
