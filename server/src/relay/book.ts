// Which tunnel holds which address now, and what is remembered of each, in memory.
import { type ErrorCode, GRACE_MS } from '@pbt/proto'
import { type Address, tunnelKindFor, tunnelNameFor } from './address.ts'
import { type Affinity, isSameTarget, type LiveTunnel, type Registry } from './registry.ts'

/** A tunnel as it is kept. */
export interface TunnelRecord extends Affinity {
  readonly name: string
  /** Whom the client names with --allow; none: everybody. */
  readonly allow: readonly string[]
  readonly client?: TunnelClient
}

/** Whose it is: the client's id, and its name for people. */
export interface TunnelClient {
  readonly id: string
  readonly label: string
}

/** Why a tunnel loses an address, or its name. */
export interface Loss {
  readonly code: ErrorCode
  readonly message: string
}

/** A tunnel that holds addresses at the moment, or is about to. */
export interface Holder extends LiveTunnel {
  /** Whom the client names with --allow; none: everybody. */
  readonly allow: readonly string[]
  readonly client: TunnelClient
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
  /** Those it holds. */
  readonly addresses: readonly Address[]
  /** Gives up an address; the tunnel is over when it was the last one. */
  lose(address: Address, loss: Loss): void
  /** Has another name from now on: the address that it was named after is another tunnel's. */
  rename(name: string): void
  /** Another tunnel has its name: it is over. */
  end(loss: Loss): void
}

/** The name of a tunnel that holds addresses. */
export interface TunnelName {
  readonly text: string
  /** Its owner chose it; else it is that of an address, and goes with it. */
  readonly isChosen: boolean
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

/** In memory only: writing to the database and listening on ports is up to the callers. */
export class Book {
  private readonly registry: Registry
  /** By the address's key, those used last at the end. */
  private readonly entries = new Map<string, Entry>()
  /** By the address's key. */
  private readonly holders = new Map<string, Holder>()
  /** Tunnels that hold addresses, by their names. */
  private readonly byName = new Map<string, Holder>()
  private readonly names = new Map<Holder, TunnelName>()
  /** The keys of those that their holders have only because the owner gave them. */
  private readonly given = new Set<string>()

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

  /** The tunnel of this name that stands in the way of one that is to have it. One that is about to lose the name is none. */
  nameObstacle(name: string, addresses: readonly Address[], holder: Holder): Holder | undefined {
    const namesake = this.byName.get(name)
    if (namesake !== undefined && this.isGivingUpName(namesake, addresses)) return undefined
    return inTheWay(namesake, holder, true)
  }

  /** Its name is that of one of these addresses, and it holds others. */
  private isGivingUpName(holder: Holder, addresses: readonly Address[]): boolean {
    const name = this.names.get(holder)
    if (name === undefined || name.isChosen) return false
    const isNamedAfter = addresses.some(
      address => tunnelNameFor(address) === name.text && this.isHeldBy(address, holder),
    )
    return isNamedAfter && holder.addresses.some(({ key }) => !addresses.some(other => other.key === key))
  }

  /** The tunnel that holds it. */
  holderOf({ key }: Address): Holder | undefined {
    return this.holders.get(key)
  }

  /** The tunnel of this name that holds addresses. */
  named(name: string): Holder | undefined {
    return this.byName.get(name)
  }

  /** Those that the owner gave to the tunnel of this name. */
  mappedTo(name: string): Address[] {
    return [...this.entries.values()].filter(entry => entry.isMapped && entry.tunnel === name).map(each => each.address)
  }

  /** The name of the tunnel that the owner gave it to. */
  mappingOf({ key }: Address): string | undefined {
    const entry = this.entries.get(key)
    return entry?.isMapped === true ? entry.tunnel : undefined
  }

  /** Its holder has it only because the owner gave it. */
  isGiven({ key }: Address): boolean {
    return this.given.has(key)
  }

  /** The tunnel holds it from now on, as the owner wants; no tunnel does when this is called. Visitors are told by `online`. */
  give(address: Address, holder: Holder): void {
    this.holders.set(address.key, holder)
    this.given.add(address.key)
    holder.gain(address)
  }

  /** The tunnel that holds it loses it, and is returned when it has another name from now on; it is offline. */
  takeAway(address: Address, loss: Loss): Holder | undefined {
    const holder = this.holders.get(address.key)
    const isRenamed = holder !== undefined && this.isGivingUpName(holder, [address])
    this.holders.delete(address.key)
    this.given.delete(address.key)
    this.registry.setOffline(address.key)
    holder?.lose(address, loss)
    if (!isRenamed) return undefined
    this.rename(holder)
    return holder
  }

  /** The name of the tunnel that the owner gave the address to, unless it is this one. */
  mappedElsewhere({ key }: Address, name: string): string | undefined {
    const entry = this.entries.get(key)
    return entry?.isMapped === true && entry.tunnel !== name ? entry.tunnel : undefined
  }

  /** Every one of them is remembered as this target's. */
  isOwnedBy(affinity: Affinity, addresses: readonly Address[]): boolean {
    return addresses.every(({ key }) => isSameTarget(this.entries.get(key)?.affinity, affinity))
  }

  /** What the target of a tunnel with this name ('': that of its address) had last time and may have again, if it fits. */
  usual(holder: Holder, name: string, isFit = (_address: Address) => true): Address | undefined {
    const newestFirst = [...this.entries.values()].reverse()
    const isOwn = ({ address, tunnel }: Entry) => tunnel === (name || tunnelNameFor(address))
    // Of several tunnels to one target each keeps its own, whichever of them was opened last.
    for (const entry of [...newestFirst.filter(isOwn), ...newestFirst.filter(each => !isOwn(each))]) {
      const { address, affinity, isMapped } = entry
      if (isMapped && !isOwn(entry)) continue
      if (tunnelKindFor(address) !== holder.affinity.kind || address.kind === 'domain') continue
      if (!isSameTarget(affinity, holder.affinity) || !isFit(address)) continue
      if (this.obstacle(address, holder, false) === undefined) return address
    }
    return undefined
  }

  /**
   * The tunnel has the name, and holds the addresses; those that held them lose them. Visitors wait until `online`. Tunnels that have
   * another name from now on are returned. `given`: those that it has only because the owner gave them.
   */
  take(addresses: readonly Address[], name: TunnelName, holder: Holder, given: readonly Address[] = []): Holder[] {
    const namesake = this.byName.get(name.text)
    const renamed =
      namesake !== undefined && namesake !== holder && this.isGivingUpName(namesake, addresses) ? [namesake] : []
    for (const address of addresses) {
      const current = this.holders.get(address.key)
      if (current !== holder) {
        // No visitor may reach by this address a tunnel that no longer goes by its allowlist; who comes now waits for the next one.
        this.registry.setAwaited(address.key, GRACE_MS)
        current?.lose(address, replaced(`the address ${address.text}`))
      }
      this.holders.set(address.key, holder)
      if (given.includes(address)) this.given.add(address.key)
      else this.given.delete(address.key)
      holder.gain(address)
    }
    for (const other of renamed) this.rename(other)
    const present = this.byName.get(name.text)
    if (present !== undefined && present !== holder) present.end(replaced(`the name ${name.text}`))
    this.setName(holder, name)
    return renamed
  }

  /** After an address that it still holds. */
  private rename(holder: Holder): void {
    const free = holder.addresses.map(tunnelNameFor).find(text => !this.byName.has(text))
    const text = free ?? `${this.names.get(holder)?.text}-${this.byName.size}`
    this.forgetName(holder)
    this.setName(holder, { text, isChosen: false })
    holder.rename(text)
  }

  private setName(holder: Holder, name: TunnelName): void {
    this.byName.set(name.text, holder)
    this.names.set(holder, name)
  }

  private forgetName(holder: Holder): void {
    const name = this.names.get(holder)?.text
    if (name !== undefined && this.byName.get(name) === holder) this.byName.delete(name)
    this.names.delete(holder)
  }

  /** Visitors of the addresses that the tunnel still holds reach it from now on. */
  online(addresses: readonly Address[], holder: Holder): void {
    for (const address of addresses) if (this.isHeldBy(address, holder)) this.registry.setOnline(address.key, holder)
  }

  /** The addresses stay reserved, offline; those that it held are returned. The tunnel's name is free. */
  release(addresses: readonly Address[], holder: Holder): Address[] {
    this.forgetName(holder)
    return addresses.filter(address => {
      if (!this.isHeldBy(address, holder)) return false
      this.holders.delete(address.key)
      this.given.delete(address.key)
      this.registry.setOffline(address.key)
      return true
    })
  }

  /** The addresses could not be given to the tunnel: they belong to the tunnels that had them before, or to none. */
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

  /** The address no longer belongs to a tunnel: a tunnel that holds it loses it, and is returned when it has another name from now on. */
  forget(address: Address, loss: Loss): Holder | undefined {
    this.entries.delete(address.key)
    const renamed = this.takeAway(address, loss)
    this.registry.forget(address.key)
    return renamed
  }

  /** A machine's tunnel of this name, or a machine's address: its addresses. None when the machine has neither. */
  ofMachine(machineId: string, text: string): Address[] {
    const all = [...this.entries.values()]
    const own = all.filter(({ affinity }) => affinity?.machineId === machineId)
    // An address that the owner gave to the tunnel is of no machine by itself.
    if (own.some(({ tunnel }) => tunnel === text))
      return all.filter(each => each.tunnel === text).map(each => each.address)
    return own.filter(({ address }) => address.text === text).map(each => each.address)
  }

  /** All that is remembered, those used last at the end. */
  addresses(): Address[] {
    return [...this.entries.values()].map(({ address }) => address)
  }

  /** The same, with the name of the tunnel that has each or had it last. */
  kept(): Iterable<{ readonly address: Address; readonly tunnel: string }> {
    return this.entries.values()
  }
}

function inTheWay(current: Holder | undefined, holder: Holder, isAskedByName: boolean): Holder | undefined {
  if (current === undefined || current === holder || current.yieldsTo(holder, isAskedByName)) return undefined
  return current
}

function replaced(what: string): Loss {
  return { code: 'replaced', message: `another tunnel of this machine took ${what}` }
}
