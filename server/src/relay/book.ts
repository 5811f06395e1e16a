// Who holds which public address now, and whose it was last: what names and ports have in common. Addresses are the
// registry's keys.
import { GRACE_MS } from '@pbt/proto'
import type { LiveTunnel, Registry, TunnelOwner } from './registry.ts'

/** A tunnel that holds addresses at the moment. */
export interface Holder extends LiveTunnel {
  /** For people: the client's label and the target. */
  readonly description: string
  /** Whether that tunnel may take an address of this one: of its own client's newer session, or, while the link is down, of its machine. */
  yieldsTo(other: Holder, clientId: string): boolean
  /** Has the address from now on; visitors are led here later. */
  gain(address: string): void
  /** Gives up an address to somebody else. */
  lose(address: string): void
}

export class Book {
  private readonly registry: Registry
  /** Addresses used by each owner, the last one first. */
  private readonly used = new Map<string, string[]>()
  private readonly owners = new Map<string, TunnelOwner>()
  private readonly holders = new Map<string, Holder>()

  constructor(registry: Registry) {
    this.registry = registry
  }

  /** Somebody has or had it. */
  isKnown(address: string): boolean {
    return this.owners.has(address) || this.holders.has(address)
  }

  isHeldBy(address: string, holder: Holder): boolean {
    return this.holders.get(address) === holder
  }

  /** Who stands in the way of this tunnel; undefined when it may take the address. */
  obstacle(address: string, holder: Holder, clientId: string): Holder | undefined {
    const current = this.holders.get(address)
    if (current === undefined || current === holder || current.yieldsTo(holder, clientId)) return undefined
    return current
  }

  /** Every one of them is remembered as this owner's. */
  owns(owner: TunnelOwner, addresses: readonly string[]): boolean {
    const key = ownerKey(owner)
    const owners = addresses.map(address => this.owners.get(address))
    return owners.every(each => each !== undefined && ownerKey(each) === key)
  }

  /** What the tunnel's target had last time and may have again, if it fits. */
  usual(holder: Holder, clientId: string, isFit = (_address: string) => true): string | undefined {
    const key = ownerKey(holder.owner)
    return this.used.get(key)?.find(address => {
      const owner = this.owners.get(address)
      const isOurs = owner !== undefined && ownerKey(owner) === key
      return isOurs && isFit(address) && this.obstacle(address, holder, clientId) === undefined
    })
  }

  /** The tunnel holds the address; whoever held it loses it. Visitors are told by `online`, until then they wait. */
  take(address: string, holder: Holder): void {
    const current = this.holders.get(address)
    if (current !== undefined && current !== holder) {
      // Nobody may reach by this address a tunnel that no longer goes by its allowlist.
      this.registry.setAwaited(address, GRACE_MS)
      current.lose(address)
    }
    this.holders.set(address, holder)
    holder.gain(address)
  }

  /** Visitors of the addresses that the tunnel still holds reach it from now on. */
  online(addresses: readonly string[], holder: Holder): void {
    for (const address of addresses) if (this.isHeldBy(address, holder)) this.registry.setOnline(address, holder)
  }

  /** The address stays reserved, offline; nothing when somebody else holds it. Tells whether it did. */
  release(address: string, holder: Holder): boolean {
    if (!this.isHeldBy(address, holder)) return false
    this.holders.delete(address)
    this.registry.setOffline(address)
    return true
  }

  /** The address could not be given to the tunnel: it is whose it was before, or nobody's. */
  abandon(address: string, holder: Holder): void {
    if (this.release(address, holder) && !this.isKnown(address)) this.registry.forget(address)
  }

  /** The addresses are the owner's from now on, the first one before those it had. */
  remember(owner: TunnelOwner, addresses: readonly string[]): void {
    if (addresses.length === 0) return
    const key = ownerKey(owner)
    const before = this.used.get(key) ?? []
    this.used.set(key, [...addresses, ...before.filter(address => !addresses.includes(address))])
    for (const address of addresses) this.owners.set(address, owner)
  }
}

/** One text for each owner. */
export function ownerKey(owner: TunnelOwner): string {
  return JSON.stringify([owner.machineId, owner.kind, owner.target])
}
