// Who holds which address now, and what is remembered of each, in memory.
import { GRACE_MS } from '@pbt/proto'
import { type Address, tunnelKindFor } from './address.ts'
import type { LiveTunnel, Registry } from './registry.ts'

/** A tunnel as it is kept. */
export interface TunnelRecord {
  readonly name: string
  /** http, tcp or udp. */
  readonly kind: string
  readonly machineId: string
  readonly target: string
}

/** A target of a machine: it gets again the addresses that it had. */
export type Affinity = Omit<TunnelRecord, 'name'>

/** A tunnel that holds addresses at the moment, or is about to. */
export interface Holder extends LiveTunnel {
  readonly affinity: Affinity
  /** For people: the client's label and the target. */
  readonly description: string
  /** Its client has a link; else it may come back, or not. */
  readonly isAttached: boolean
  /**
   * Whether that tunnel may take what this one holds: a newer one of the same machine, when it asks for it by name or this one has no
   * link. Nothing goes to another machine.
   */
  yieldsTo(other: Holder, isAskedByName: boolean): boolean
  /** Has the address from now on; visitors are led here later. */
  gain(address: Address): void
  /** Gives up an address to another tunnel. */
  lose(address: Address): void
  /** Another tunnel has its name: it is over. */
  replaced(): void
}

/** What is remembered of an address. */
interface Entry {
  readonly address: Address
  affinity: Affinity | undefined
  /** The name of the tunnel that has it or had it last, '' for none. */
  tunnel: string
  /** No other tunnel may have it. */
  isMapped: boolean
}

export class Book {
  private readonly registry: Registry
  /** By the address's key, those used last at the end. */
  private readonly entries = new Map<string, Entry>()
  /** By the address's key. */
  private readonly holders = new Map<string, Holder>()
  /** Tunnels that hold addresses, by their names. */
  private readonly byName = new Map<string, Holder>()
  private readonly names = new Map<Holder, string>()

  constructor(registry: Registry) {
    this.registry = registry
  }

  /** It is reserved, or a tunnel holds it. */
  isKnown({ key }: Address): boolean {
    return this.entries.has(key) || this.holders.has(key)
  }

  isHeldBy({ key }: Address, holder: Holder): boolean {
    return this.holders.get(key) === holder
  }

  /** The tunnel that stands in the way of this one; undefined when it may take the address. */
  obstacle({ key }: Address, holder: Holder, isAskedByName: boolean): Holder | undefined {
    return inTheWay(this.holders.get(key), holder, isAskedByName)
  }

  /** The tunnel of this name that stands in the way of one that is to have it. */
  nameObstacle(name: string, holder: Holder): Holder | undefined {
    return inTheWay(this.byName.get(name), holder, true)
  }

  /** The name of the tunnel that the owner gave the address to, unless it is this one. */
  mappedElsewhere({ key }: Address, name: string): string | undefined {
    const entry = this.entries.get(key)
    return entry?.isMapped === true && entry.tunnel !== name ? entry.tunnel : undefined
  }

  /** Every one of them is remembered as this target's. */
  isOwnedBy(affinity: Affinity, addresses: readonly Address[]): boolean {
    return addresses.every(({ key }) => isSame(this.entries.get(key)?.affinity, affinity))
  }

  /** What the tunnel's target had last time and may have again, if it fits. */
  usual(holder: Holder, isFit = (_address: Address) => true): Address | undefined {
    for (const { address, affinity, isMapped } of [...this.entries.values()].reverse()) {
      if (isMapped || tunnelKindFor(address) !== holder.affinity.kind || address.kind === 'domain') continue
      if (!isSame(affinity, holder.affinity) || !isFit(address)) continue
      if (this.obstacle(address, holder, false) === undefined) return address
    }
    return undefined
  }

  /** The tunnel has the name, and holds the addresses; those that held them lose them. Visitors are told by `online`. */
  take(addresses: readonly Address[], name: string, holder: Holder): void {
    for (const address of addresses) {
      const current = this.holders.get(address.key)
      if (current !== undefined && current !== holder) {
        // Nobody may reach by this address a tunnel that no longer goes by its allowlist.
        this.registry.setAwaited(address.key, GRACE_MS)
        current.lose(address)
      }
      this.holders.set(address.key, holder)
      holder.gain(address)
    }
    const namesake = this.byName.get(name)
    if (namesake !== undefined && namesake !== holder) namesake.replaced()
    this.byName.set(name, holder)
    this.names.set(holder, name)
  }

  /** Visitors of the addresses that the tunnel still holds reach it from now on. */
  online(addresses: readonly Address[], holder: Holder): void {
    for (const address of addresses) if (this.isHeldBy(address, holder)) this.registry.setOnline(address.key, holder)
  }

  /** The addresses stay reserved, offline; those that it held are returned. The tunnel's name is free. */
  release(addresses: readonly Address[], holder: Holder): Address[] {
    const name = this.names.get(holder)
    if (name !== undefined && this.byName.get(name) === holder) this.byName.delete(name)
    this.names.delete(holder)
    return addresses.filter(address => {
      if (!this.isHeldBy(address, holder)) return false
      this.holders.delete(address.key)
      this.registry.setOffline(address.key)
      return true
    })
  }

  /** The addresses could not be given to the tunnel: they are whose they were before, or nobody's. */
  abandon(addresses: readonly Address[], holder: Holder): void {
    for (const address of this.release(addresses, holder)) {
      if (!this.isKnown(address)) this.registry.forget(address.key)
    }
  }

  /** The addresses are this target's and tunnel's from now on, used last, the first one last of all. */
  remember(addresses: readonly Address[], affinity: Affinity | undefined, tunnel: string, isMapped?: boolean): void {
    for (const address of [...addresses].reverse()) {
      const before = this.entries.get(address.key)
      this.entries.delete(address.key)
      this.entries.set(address.key, { address, affinity, tunnel, isMapped: isMapped ?? before?.isMapped === true })
    }
  }

  /** The address is nobody's any more. Who holds it is told so: the tunnel, if there is one, is returned. */
  forget(address: Address): Holder | undefined {
    const holder = this.holders.get(address.key)
    this.entries.delete(address.key)
    this.holders.delete(address.key)
    this.registry.forget(address.key)
    return holder
  }

  /** All that is remembered, those used last at the end. */
  addresses(): Address[] {
    return [...this.entries.values()].map(({ address }) => address)
  }
}

function inTheWay(current: Holder | undefined, holder: Holder, isAskedByName: boolean): Holder | undefined {
  if (current === undefined || current === holder || current.yieldsTo(holder, isAskedByName)) return undefined
  return current
}

function isSame(one: Affinity | undefined, other: Affinity): boolean {
  return one?.machineId === other.machineId && one.kind === other.kind && one.target === other.target
}
