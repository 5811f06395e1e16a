// How much one network may ask. What it asks above that is sent to TCP, where an address cannot be forged: a CA that a flood names as its
// source still gets its answer.
import { Allowance, type Clock, parseAddress } from '@pbt/proto'

/** Answers over UDP to one network in the long run, and at once; a resolver for millions asks a handful for one order. */
const ANSWERS_A_SECOND = 50
const ANSWERS_AT_ONCE = 100
/** Networks counted at once; the one that was counted first makes room. About 1 MiB. */
const MAX_NETWORKS = 10_000

/** IPv4 by its /24, IPv6 by its /56: what one customer or one forger usually has. */
export function networkOf(address: string): string {
  const parts = parseAddress(address)
  if (parts === undefined) return ''
  if (parts.length === 4) return parts.slice(0, 3).join('.')
  const [first = 0, second = 0, third = 0, fourth = 0] = parts
  return [first, second, third, fourth & 0xff00].map(part => part.toString(16)).join(':')
}

/** Counts by network, in memory only. */
export class NetworkRates {
  private readonly clock: Clock
  private readonly byNetwork = new Map<string, Allowance>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Networks counted at the moment. */
  get size(): number {
    return this.byNetwork.size
  }

  /** Whether this address may have one more full answer now. */
  allows(address: string): boolean {
    const network = networkOf(address)
    const known = this.byNetwork.get(network)
    if (known !== undefined) return known.spend(1)
    const allowance = new Allowance(this.clock, ANSWERS_AT_ONCE, ANSWERS_A_SECOND)
    this.byNetwork.set(network, allowance)
    this.makeRoom()
    return allowance.spend(1)
  }

  private makeRoom(): void {
    if (this.byNetwork.size <= MAX_NETWORKS) return
    const [oldest] = this.byNetwork.keys()
    if (oldest !== undefined) this.byNetwork.delete(oldest)
  }
}
