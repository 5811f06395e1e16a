// Which addresses have shown at a port that they receive what is sent to them, and by which ids: a flow from one of them that says
// such an id is believed at once. Another address that says it is not: a peer that was given an id can write it on forged datagrams.
import type { Handshake } from '../handshakes.ts'

/** Addresses of a port that handshakes have proven; the one whose proof is oldest makes room. At most 2 MiB with their ids. */
const MAX_PROVEN_ADDRESSES = 1_024
/** Ids of an address by which it is known, since many may share it; the oldest makes room. */
const MAX_PROVEN_IDS = 16

/** An id by which a visitor has shown that it receives what is sent to its address. */
export interface Proof {
  readonly handshake: Handshake
  readonly id: string
  /** In the clock's time. */
  readonly until: number
}

/** Proofs by address, bounded in number; each ends at its own time. */
export class ProvenAddresses {
  /** Both in the order of their last proof. */
  private readonly proofs = new Map<string, Map<string, Proof>>()

  /** Addresses, with those whose time is over and was not looked at since. */
  get size(): number {
    return this.proofs.size
  }

  /** Again: until then. */
  add(address: string, proof: Proof): void {
    const ids = this.proofs.get(address) ?? new Map<string, Proof>()
    ids.delete(proof.id)
    ids.set(proof.id, proof)
    dropFirst(ids, MAX_PROVEN_IDS)
    this.proofs.delete(address)
    this.proofs.set(address, ids)
    dropFirst(this.proofs, MAX_PROVEN_ADDRESSES)
  }

  /** What this datagram from the address proves. */
  find(address: string, datagram: Buffer, now: number): Proof | undefined {
    const ids = this.proofs.get(address)
    if (ids === undefined) return undefined
    for (const [id, proof] of ids) {
      if (proof.until <= now) ids.delete(id)
      else if (proof.handshake.isFor(datagram, id)) return proof
    }
    if (ids.size === 0) this.proofs.delete(address)
    return undefined
  }
}

/** The first goes when there are more than so many. */
function dropFirst(map: Map<string, unknown>, most: number): void {
  if (map.size <= most) return
  const [first] = map.keys()
  if (first !== undefined) map.delete(first)
}
