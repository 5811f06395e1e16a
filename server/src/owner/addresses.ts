// What the owner may do with addresses: look at them, keep and release them, and say who may visit.
import { Allowlist } from '../access/allowlist.ts'
import { Failure } from '../failure.ts'
import {
  type Address,
  type PortAddress,
  type Protocol,
  parseAddress,
  portAddress,
  tunnelKindFor,
} from '../relay/address.ts'
import type { LiveConnection } from '../relay/live.ts'
import {
  checkList,
  inUsage,
  type KeptList,
  type ListChange,
  type ListEntry,
  listAfter,
  listNow,
  noteIn,
} from './allowlist.ts'
import type { Tell } from './event.ts'
import { addressMapped, addressNoted, addressReleased, addressReserved, allowlistChanged } from './happenings.ts'

export type { LiveConnection } from '../relay/live.ts'
export type { Access, KeptList, ListChange, ListEntry } from './allowlist.ts'

/** An address and what is known of it. */
export interface KeptAddress extends KeptList {
  /** Its text: `app`, `app.mine.uk`, `tcp:20022`. */
  readonly address: string
  /** The tunnel that has it or had it last, '' for none. */
  readonly tunnel: string
  /** The owner gave it to that tunnel: no other one takes it. */
  readonly isMapped: boolean
  /** The target that it led to last, '' for none. */
  readonly target: string
  /** Its client is there, or expected back. */
  readonly isExpected: boolean
  /** Whom the client of its tunnel named last with --allow; none: everybody. */
  readonly clientBlocks: readonly string[]
  readonly note: string
  readonly createdAt: Date
  readonly lastUsedAt: Date | undefined
}

/** What is kept of addresses. */
export interface AddressRecords {
  list(): Promise<KeptAddress[]>
  find(address: string): Promise<KeptAddress | undefined>
  /** Keeps all of them with this note, or none: false when one is kept already. */
  add(addresses: readonly string[], note: string): Promise<boolean>
  /** False when there is no such address. */
  remove(address: string): Promise<boolean>
  /** As `change` says; what it throws is thrown on. An address that is not known is kept from then on. */
  setList(address: string, change: (before: KeptAddress | undefined) => KeptList): Promise<KeptAddress>
  /** False when there is no such address. */
  setNote(address: string, note: string): Promise<boolean>
  /** Gives the address to a tunnel, '' for none any more; one that is not known is kept from then on. False when there is no such tunnel. */
  map(address: string, tunnel: string): Promise<boolean>
  /** Of a tunnel that there is or was: http, tcp or udp. */
  kindOf(tunnel: string): Promise<string | undefined>
}

/** Ports, as a running server has them, or as they are without one. */
export interface Ports {
  readonly first: number
  readonly last: number
  /** Why the server cannot listen there, '' when it can. */
  obstacle(protocol: Protocol, number: number): Promise<string>
}

/** Whether an address is free, and who has it. */
export interface AddressCheck {
  readonly address: string
  readonly isFree: boolean
  /** Why not, for people. */
  readonly reason: string
  readonly held: KeptAddress | undefined
}

/** What is kept of addresses, and what has to be told of a change. */
export interface AddressVerbsOptions {
  readonly records: AddressRecords
  readonly baseDomain: string
  readonly ports: Ports
  /** What is open of a tunnel in a running server. */
  readonly connectionsOf: (tunnel: string) => readonly LiveConnection[]
  /** Something has changed that a running server has to notice. Resolves when it is in force here. */
  readonly changed: () => Promise<void>
  /** A tunnel has, or is to have, this address: a certificate is to come. */
  readonly certificateWanted?: (address: Address) => void
  readonly tell: Tell
}

/** Addresses are taken in every form in which people meet them. All reject with Failure. */
export class AddressVerbs {
  private readonly options: AddressVerbsOptions

  constructor(options: AddressVerbsOptions) {
    this.options = options
  }

  /** Every address that is kept, by its text. */
  async list(): Promise<KeptAddress[]> {
    return await this.options.records.list()
  }

  /** One of them. */
  async get(text: string): Promise<KeptAddress> {
    return await this.find(this.textOf(text))
  }

  /** Whether it is free, and who has it: each of the two for `tcp+udp:20022`, the next free port for number 0. */
  async check(text: string): Promise<AddressCheck[]> {
    return await this.checks(await this.wanted(text))
  }

  /** Keeps an address, or both, for a tunnel that is to come: only one that asks for it by name gets it. `isDry`: only tells what would be. */
  async reserve(text: string, { note = '', isDry = false } = {}): Promise<KeptAddress[]> {
    const wanted = await this.wanted(text)
    for (const { isFree, held, address, reason } of await this.checks(wanted)) {
      if (isFree) continue
      throw held === undefined ? cannotBeHad(address, reason) : taken(held)
    }
    if (isDry) return wanted.map(({ text: address }) => nobodys(address, noteIn(note)))
    const texts = wanted.map(({ text: address }) => address)
    if (!(await this.options.records.add(texts, noteIn(note)))) throw taken(await this.find(texts[0] ?? ''))
    for (const address of texts) this.options.tell(addressReserved(address))
    await this.options.changed()
    return await Promise.all(texts.map(address => this.find(address)))
  }

  /** Gives up an address, or both: the tunnel that has it loses it, its allowlist is forgotten, anybody may have it. */
  async release(text: string): Promise<KeptAddress[]> {
    const released: KeptAddress[] = []
    // What is kept can be released, also what is refused today.
    const isKept = (await this.options.records.find(text)) !== undefined
    for (const address of isKept ? [text] : this.addressesIn(text).map(({ text }) => text)) {
      const before = await this.find(address)
      if (!(await this.options.records.remove(address))) throw unknown(address)
      released.push(before)
      this.options.tell(addressReleased(address, before.tunnel))
    }
    await this.options.changed()
    return released
  }

  /** Gives an address, or both, to a tunnel; '' takes it back, and it stays reserved. */
  async map(text: string, tunnel: string): Promise<KeptAddress[]> {
    const addresses = this.addressesIn(text)
    const kind = tunnel === '' ? undefined : await this.options.records.kindOf(tunnel)
    if (tunnel !== '' && kind === undefined) throw unknownTunnel(tunnel)
    const other = addresses.find(address => kind !== undefined && tunnelKindFor(address) !== kind)
    if (other !== undefined) throw anotherKind(other.text, tunnel, kind ?? '')
    for (const address of addresses) {
      if (!(await this.options.records.map(address.text, tunnel))) throw unknownTunnel(tunnel)
      this.options.tell(addressMapped(address.text, tunnel))
      if (tunnel !== '') this.options.certificateWanted?.(address)
    }
    await this.options.changed()
    return await Promise.all(addresses.map(({ text: address }) => this.find(address)))
  }

  /** What the owner wants to remember of it. */
  async setNote(text: string, note: string): Promise<KeptAddress> {
    const address = this.textOf(text)
    if (!(await this.options.records.setNote(address, noteIn(note)))) throw unknown(address)
    this.options.tell(addressNoted(address, note))
    await this.options.changed()
    return await this.find(address)
  }

  /** Changes who may visit; an address that is not kept yet is from then on. */
  async allow(text: string, change: ListChange): Promise<KeptAddress> {
    if ('blocks' in change) inUsage(() => new Allowlist(change.blocks))
    return await this.write(this.textOf(text), before => listAfter(before?.address ?? text, before, change))
  }

  /** Sets who may visit, with notes and ends. */
  async setList(text: string, list: KeptList): Promise<KeptAddress> {
    checkList(list)
    return await this.write(this.textOf(text), () => list)
  }

  /** What `setList` would cut that is open now. */
  async cutBy(text: string, list: KeptList): Promise<LiveConnection[]> {
    checkList(list)
    const { tunnel, clientBlocks } = (await this.options.records.find(this.textOf(text))) ?? {
      tunnel: '',
      clientBlocks: [],
    }
    if (tunnel === '' || list.access === 'everybody') return []
    const blocks = list.access === 'client' ? clientBlocks : list.entries.map(({ block }) => block)
    if (list.access === 'client' && blocks.length === 0) return []
    const judge = new Allowlist(blocks)
    return this.options.connectionsOf(tunnel).filter(({ peer }) => !judge.allows(peer))
  }

  /** Lets a block in besides, until it ends. Changes nothing where everybody may come, and then `isAdded` is false. */
  async allowPeer(text: string, entry: ListEntry): Promise<{ address: KeptAddress; isAdded: boolean }> {
    const { block, note, endsAt } = entry
    checkList({ access: 'listed', entries: [entry] })
    const before = await this.options.records.find(this.textOf(text))
    if (before === undefined) throw unknown(this.textOf(text))
    if (listNow(before) === 'everybody') return { address: before, isAdded: false }
    const change: ListChange = { kind: 'add', blocks: [block], note, endsAt }
    return { address: await this.allow(text, change), isAdded: true }
  }

  private async write(address: string, change: (before: KeptAddress | undefined) => KeptList): Promise<KeptAddress> {
    const after = await this.options.records.setList(address, change)
    this.options.tell(allowlistChanged(address, wordsFor(after)))
    await this.options.changed()
    return after
  }

  private async checks(addresses: readonly Address[]): Promise<AddressCheck[]> {
    return await Promise.all(
      addresses.map(async address => {
        const held = await this.options.records.find(address.text)
        if (held !== undefined) return { address: address.text, isFree: false, reason: heldBy(held), held }
        const reason = 'number' in address ? await this.obstacle(address) : ''
        return { address: address.text, isFree: reason === '', reason, held }
      }),
    )
  }

  private async obstacle({ kind, number }: PortAddress): Promise<string> {
    const { first, last } = this.options.ports
    if (number < first || number > last) return `it is outside port-range ${first}-${last}`
    return await this.options.ports.obstacle(kind, number)
  }

  /** Those that are meant; number 0 is the next port that is free for all of them. */
  private async wanted(text: string): Promise<Address[]> {
    const match = /^(tcp|udp|tcp\+udp):0$/i.exec(text.trim())
    if (match === null) return this.addressesIn(text)
    const protocols = (match[1] ?? '')
      .toLowerCase()
      .split('+')
      .map(word => (word === 'udp' ? 'udp' : 'tcp'))
    const kept = new Set((await this.options.records.list()).map(({ address }) => address))
    for (let number = this.options.ports.first; number <= this.options.ports.last; number++) {
      const addresses = protocols.map(protocol => portAddress(protocol, number))
      if (addresses.some(address => kept.has(address.text))) continue
      const obstacles = await Promise.all(addresses.map(address => this.obstacle(address)))
      if (obstacles.every(obstacle => obstacle === '')) return addresses
    }
    throw new Failure('address-taken', 'no port of port-range is free', {
      cure: '"pbt-server address list" shows those that are kept; a wider port-range has more',
    })
  }

  private addressesIn(text: string): Address[] {
    const number = /^tcp\+udp:(\d+)$/i.exec(text.trim())?.[1]
    const texts = number === undefined ? [text] : [`tcp:${number}`, `udp:${number}`]
    return texts.map(each => inUsage(() => parseAddress(each, this.options.baseDomain)))
  }

  /** An address's own text. Throws Failure `usage` for what is none. */
  textOf(text: string): string {
    return inUsage(() => parseAddress(text, this.options.baseDomain).text)
  }

  private async find(address: string): Promise<KeptAddress> {
    const found = await this.options.records.find(address)
    if (found === undefined) throw unknown(address)
    return found
  }
}

/** Who may visit, in words. */
function wordsFor({ access, entries }: KeptList): string {
  if (access === 'client') return 'the visitors that its client allows'
  if (access === 'everybody') return 'everybody'
  if (entries.length === 0) return 'nobody'
  const some = entries
    .slice(0, 5)
    .map(({ block, endsAt }) => (endsAt === undefined ? block : `${block} (until ${endsAt.toISOString()})`))
  return entries.length > 5 ? `${some.join(', ')} and ${entries.length - 5} more` : some.join(', ')
}

/** An address that would be kept. */
function nobodys(address: string, note: string): KeptAddress {
  return {
    ...{ address, tunnel: '', isMapped: false, target: '', isExpected: false },
    ...{ access: 'client', entries: [], clientBlocks: [], note, createdAt: new Date(), lastUsedAt: undefined },
  }
}

function heldBy({ tunnel, target, isExpected }: KeptAddress): string {
  if (tunnel === '') return 'it is reserved, and no tunnel has it'
  return `the tunnel "${tunnel}" ${isExpected ? 'has' : 'had'} it${target === '' ? '' : ` (target ${target})`}`
}

function unknown(address: string): Failure {
  return new Failure('unknown-address', `the address "${address}" is not kept: no tunnel has or had it`, {
    cure: '"pbt-server address list" shows those that are',
  })
}

function taken({ address, tunnel }: KeptAddress): Failure {
  const by = tunnel === '' ? 'for later' : `for the tunnel "${tunnel}"`
  return new Failure('address-taken', `the address "${address}" is kept already, ${by}`, {
    cure: `"pbt-server address release ${address}" gives it up`,
  })
}

function cannotBeHad(address: string, reason: string): Failure {
  return new Failure('address-taken', `the address "${address}" is not available: ${reason}`, {
    cure: 'choose another one; number 0 is the next free port',
  })
}

function unknownTunnel(tunnel: string): Failure {
  return new Failure('unknown-tunnel', `there is no tunnel "${tunnel.slice(0, 200)}"`, {
    cure: '"pbt-server tunnel list" shows them; reserve the address for one that is to come',
  })
}

function anotherKind(address: string, tunnel: string, kind: string): Failure {
  return new Failure('usage', `the tunnel "${tunnel}" is of kind ${kind}: the address "${address}" cannot lead to it`, {
    cure: kind === 'http' ? 'give it a name or a domain' : `give it a port such as ${kind}:20022`,
  })
}
