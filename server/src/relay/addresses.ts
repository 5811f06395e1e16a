// Which addresses a tunnel gets, whatever their kind: those asked for, those its target had last time, or new ones.
import { PbtError } from '@pbt/proto'
import {
  type Address,
  keptAddress,
  type PortAddress,
  type Protocol,
  parseHost,
  portAddress,
  tunnelNameFor,
} from './address.ts'
import { Book, type Holder, type TunnelRecord } from './book.ts'
import { Mappings } from './mappings.ts'
import { PortChoice, type PortChoiceOptions, whyNotListening } from './port-choice.ts'
import { randomLabel } from './random-name.ts'
import type { Affinity, Registry } from './registry.ts'
import type { Steering } from './steering.ts'

/** What is remembered of an address over restarts. */
export interface StoredAddress {
  /** An address's text. */
  readonly address: string
  /** The name of the tunnel that has it or had it last, '' for none. */
  readonly tunnel: string
  /** The target that had it last. */
  readonly affinity: Affinity | undefined
  /** The owner gave it to that tunnel. */
  readonly isMapped: boolean
  /** Its client was there when this was last written. */
  readonly isExpected: boolean
}

/** What the addresses need remembered; acknowledged means on disk. */
export interface AddressStore {
  /** Every one, the one used last at the end. */
  load(): Promise<StoredAddress[]>
  /** The addresses, by their texts, now belong to this tunnel, whose client is there; all or none. */
  claim(tunnel: TunnelRecord, addresses: readonly string[]): Promise<void>
  /** Their client has gone permanently: no client is expected back after a restart. */
  setUnexpected(addresses: readonly string[]): Promise<void>
}

/** Where addresses are kept and looked up, and which ports may be given. */
export interface AddressesOptions extends PortChoiceOptions {
  readonly baseDomain: string
  readonly registry: Registry
  /** Which tunnels the owner has ended. */
  readonly steering: Pick<Steering, 'isKilled' | 'lift'>
  readonly store: AddressStore
}

/** Of the addresses that are remembered. */
export interface LoadedAddresses {
  /** Ports that could not be listened on. */
  readonly failed: readonly { readonly address: PortAddress; readonly error: unknown }[]
  /** Ports that are kept, but no tunnel may have them today: not listened on. */
  readonly outside: readonly PortAddress[]
}

/** What a tunnel asks for. */
export interface Wish {
  /** The name that its owner chose for it, '' for none. */
  readonly name: string
  /** Labels or full names (http). */
  readonly domains: readonly string[]
  /** 0 for any (tcp, udp). */
  readonly port: number
  /** The owner asked for it just now; else a program opens it by itself. */
  readonly isAskedByOwner?: boolean
}

/** What it got. */
export interface Claimed {
  readonly name: string
  readonly addresses: readonly Address[]
}

const MAX_DOMAINS = 32
const RANDOM_ATTEMPTS = 50

/** Gives tunnels their names, domains and ports; what was given is on disk before the client is told. */
export class Addresses {
  private readonly options: AddressesOptions
  private readonly book: Book
  private readonly ports: PortChoice
  private readonly mappings: Mappings

  constructor(options: AddressesOptions) {
    this.options = options
    this.book = new Book(options.registry)
    this.ports = new PortChoice(options, this.book)
    this.mappings = new Mappings({
      book: this.book,
      log: options.log,
      claim: (tunnel, addresses) => options.store.claim(tunnel, addresses),
      renamed: holder => this.writeName(holder),
    })
  }

  /**
   * Reads what is remembered, and listens on ports, so that no other program takes them; addresses whose clients were there are awaited for
   * `graceMs`. Once, at start.
   */
  async load(graceMs: number): Promise<LoadedAddresses> {
    const { registry, store, steering } = this.options
    const failed: { address: PortAddress; error: unknown }[] = []
    const outside: PortAddress[] = []
    for (const stored of await store.load()) {
      const address = this.kept(stored)
      if ('number' in address && !this.ports.isInRange(address.number)) {
        outside.push(address)
        continue
      }
      if (stored.isExpected && !steering.isKilled(stored.tunnel)) registry.setAwaited(address.key, graceMs)
      else registry.setOffline(address.key)
      if ('number' in address) {
        await this.ports.listen(address).catch((error: unknown) => failed.push({ address, error }))
      }
    }
    return { failed, outside }
  }

  /** Reads again what the owner has changed: addresses that are reserved from now on, and those that were released. */
  async reload(): Promise<void> {
    const { store, baseDomain } = this.options
    // Those known before it is read are on disk, or were released; what is claimed meanwhile may be missing in what is read.
    const known = new Map(this.book.addresses().map(address => [address.text, address]))
    for (const stored of await store.load()) {
      const address = keptAddress(stored.address, baseDomain)
      if (!known.delete(stored.address) && !this.book.isKnown(address)) {
        await this.reserve(this.kept(stored))
        this.mappings.follow(address, undefined, stored)
        continue
      }
      const before = this.book.mappingOf(address)
      const isSame = before === (stored.isMapped ? stored.tunnel : undefined)
      if (!isSame) this.book.remember([address], stored.affinity, stored.tunnel, stored.isMapped)
      this.mappings.follow(address, before, stored)
    }
    for (const address of known.values()) {
      const renamed = this.book.forget(address, {
        code: 'tunnel-closed',
        message: `the owner released the address ${address.text}`,
      })
      if (renamed !== undefined) this.writeName(renamed)
      if ('number' in address) this.ports.unlistenIfFree(address)
    }
  }

  /** No client is awaited at the addresses of tunnels that the owner has ended. */
  endAwaited(): void {
    const { registry, steering } = this.options
    for (const { address, tunnel } of this.book.kept()) {
      if (!steering.isKilled(tunnel) || this.book.holderOf(address) !== undefined) continue
      if (registry.lookup(address.key).state === 'awaited') registry.setOffline(address.key)
    }
  }

  /** The addresses of a machine's tunnel of this name, or the machine's address; none when it has neither. */
  ofMachine(machineId: string, text: string): string[] {
    return this.book
      .ofMachine(machineId, text)
      .map(address => address.text)
      .sort()
  }

  /** The client of a tunnel that this address leads to is expected back after a restart. */
  isAwaited(text: string): boolean {
    return this.options.registry.lookup(keptAddress(text, this.options.baseDomain).key).state === 'awaited'
  }

  /** Why the server cannot listen on a port that no tunnel has, '' when it can. */
  async obstacleOf(protocol: Protocol, number: number): Promise<string> {
    const address = portAddress(protocol, number)
    if (this.book.isKnown(address)) return 'a tunnel has it'
    try {
      await this.ports.listen(address)
    } catch (error) {
      return whyNotListening(error)
    }
    this.ports.unlistenIfFree(address)
    return ''
  }

  private async reserve(address: Address): Promise<void> {
    this.options.registry.setOffline(address.key)
    if (!('number' in address) || !this.ports.isInRange(address.number)) return
    await this.ports.listen(address).catch((error: unknown) => {
      this.options.log.error('cannot listen on a reserved port', { port: address.text, reason: whyNotListening(error) })
    })
  }

  private kept({ address: text, affinity, tunnel, isMapped }: StoredAddress): Address {
    const address = keptAddress(text, this.options.baseDomain)
    this.book.remember([address], affinity, tunnel, isMapped)
    return address
  }

  /**
   * Gives the tunnel its name and its addresses; they lead to it when this resolves. Rejects with PbtError `name-taken`, `name-invalid`,
   * `name-reserved`, `port-taken`, `port-invalid`, `killed` or `limit`, and then nothing has changed.
   */
  async claim(holder: Holder, protocol: Protocol | undefined, wish: Wish): Promise<Claimed> {
    const { affinity } = holder
    const asked = protocol === undefined ? this.names(holder, wish) : [await this.port(holder, protocol, wish)]
    const [first] = asked
    if (first === undefined) throw new PbtError('internal', 'a tunnel has no address')
    const name = { text: wish.name || tunnelNameFor(first), isChosen: wish.name !== '' }
    if (this.options.steering.isKilled(name.text)) {
      if ('number' in first) this.ports.unlistenIfFree(first)
      if (wish.isAskedByOwner !== true) throw endedByOwner(name.text)
      await this.options.steering.lift(name.text)
      // Others may have taken what was chosen meanwhile.
      return await this.claim(holder, protocol, { ...wish, isAskedByOwner: false })
    }
    const given = this.mappings.of(name.text, affinity.kind, asked)
    const addresses = [...asked, ...given]
    try {
      for (const address of asked) this.checkFree(address, name.text, holder, wish)
      this.checkName(name.text, asked, holder)
    } catch (error) {
      if ('number' in first) this.ports.unlistenIfFree(first)
      throw error
    }
    // Taken before the write, so that no other tunnel gets them meanwhile.
    const renamed = this.book.take(addresses, name, holder, given)
    try {
      await this.options.store.claim(
        { ...affinity, name: name.text, allow: holder.allow, client: holder.client },
        addresses.map(({ text }) => text),
      )
    } catch (error) {
      if (!this.book.isOwnedBy(affinity, addresses)) {
        this.book.abandon(addresses, holder)
        if ('number' in first) this.ports.unlistenIfFree(first)
        throw error
      }
      // Whose they are is on disk: only when they were used last is not.
      const fields = { addresses: addresses.map(({ text }) => text), error: String(error) }
      this.options.log.error('could not save that addresses are in use', fields)
    }
    this.book.remember(addresses, affinity, name.text)
    this.book.online(addresses, holder)
    for (const other of renamed) this.writeName(other)
    return { name: name.text, addresses }
  }

  /**
   * The tunnel is closed: its addresses stay reserved, offline. `isComingBack`: after a restart of the server its client is awaited. Rejects
   * when that could not be written.
   */
  async close(holder: Holder, addresses: readonly Address[], isComingBack: boolean): Promise<void> {
    const held = this.book.release(addresses, holder)
    if (!isComingBack && held.length > 0) await this.options.store.setUnexpected(held.map(({ text }) => text))
  }

  private names(holder: Holder, { name, domains }: Wish): Address[] {
    if (domains.length > MAX_DOMAINS) {
      throw new PbtError('name-invalid', `a tunnel has at most ${MAX_DOMAINS} names, ${domains.length} were asked for`)
    }
    if (domains.length === 0) return [this.book.usual(holder, name) ?? this.newName()]
    const byKey = new Map(domains.map(text => parseHost(text, this.options.baseDomain)).map(each => [each.key, each]))
    return [...byKey.values()]
  }

  private newName(): Address {
    for (let attempt = 0; attempt < RANDOM_ATTEMPTS; attempt++) {
      const address = parseHost(randomLabel(), this.options.baseDomain)
      if (!this.book.isKnown(address)) return address
    }
    throw new PbtError('name-taken', 'no free random name was found', { cure: 'choose one with --domain' })
  }

  private async port(holder: Holder, protocol: Protocol, { name, port }: Wish): Promise<PortAddress> {
    if (port === 0) return await this.ports.any(holder, protocol, name)
    return await this.ports.wanted(protocol, port)
  }

  /** Another tunnel has taken the address that this one was named after. */
  private writeName(holder: Holder): void {
    const { affinity, allow, name, addresses, client } = holder
    this.book.remember(addresses, affinity, name)
    const texts = addresses.map(({ text }) => text)
    this.options.store.claim({ ...affinity, name, allow, client }, texts).catch((error: unknown) => {
      this.options.log.error('could not save the new name of a tunnel', { tunnel: name, error: String(error) })
    })
  }

  private checkName(name: string, addresses: readonly Address[], holder: Holder): void {
    const obstacle = this.book.nameObstacle(name, addresses, holder)
    if (obstacle === undefined) return
    throw new PbtError('name-taken', `tunnel "${name}" is open already: ${obstacle.description}`, {
      cure: 'stop that tunnel, or choose another name with --name',
      mayPass: !obstacle.isAttached,
    })
  }

  private checkFree(address: Address, name: string, holder: Holder, { domains, port }: Wish): void {
    const isPort = 'number' in address
    const what = isPort ? `${address.kind} port ${address.number}` : `name "${address.text}"`
    const code = isPort ? 'port-taken' : 'name-taken'
    const another = isPort ? 'choose another port with --reserve-port' : 'choose another name with --domain'
    const mapped = this.book.mappedElsewhere(address, name)
    if (mapped !== undefined) {
      throw new PbtError(code, `${what} is kept for the tunnel "${mapped}"`, {
        cure: `open it with --name "${mapped}", or ${another}`,
      })
    }
    const obstacle = this.book.obstacle(address, holder, domains.length > 0 || port > 0)
    if (obstacle === undefined) return
    throw new PbtError(code, `${what} is taken by ${obstacle.description}`, {
      cure: `stop that tunnel, or ${another}`,
      mayPass: !obstacle.isAttached,
    })
  }
}

function endedByOwner(tunnel: string): PbtError {
  return new PbtError('killed', `the owner ended the tunnel "${tunnel}" on the server`, {
    cure: `run its command again, or "pbt-server tunnel start ${tunnel}" on the server`,
  })
}
