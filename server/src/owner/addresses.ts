// What the owner may do with addresses: look at them, keep and release them, and say who may visit.
import { PbtError } from '@pbt/proto'
import { Allowlist, isSameBlock } from '../access/allowlist.ts'
import { Failure } from '../failure.ts'
import { parseAddress } from '../relay/address.ts'
import type { Tell } from './event.ts'
import { addressReleased, addressReserved, allowlistChanged } from './happenings.ts'

/** Who may visit an address: those the client says with --allow, everybody, or those of the address's own list. */
export type Access = 'client' | 'everybody' | 'listed'

/** Who may visit: `blocks` are those of `listed`, none of them: nobody. */
export interface KeptList {
  readonly access: Access
  readonly blocks: readonly string[]
}

/** An address and what is known of it. */
export interface KeptAddress extends KeptList {
  /** Its text: `app`, `app.mine.uk`, `tcp:20022`. */
  readonly address: string
  /** The tunnel that has it or had it last, '' for none. */
  readonly tunnel: string
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
  /** False when it is kept already. */
  add(address: string): Promise<boolean>
  /** False when there is no such address. */
  remove(address: string): Promise<boolean>
  /** As `change` says; what it throws is thrown on. An address that is not known is kept from then on. */
  setList(address: string, change: (before: KeptAddress | undefined) => KeptList): Promise<KeptAddress>
}

/** What the owner wants to change of an allowlist. */
export type ListChange =
  | { readonly kind: 'everybody' }
  | { readonly kind: 'nobody' }
  | { readonly kind: 'as-client' }
  | { readonly kind: 'set' | 'add' | 'remove'; readonly blocks: readonly string[] }

export interface AddressVerbsOptions {
  readonly records: AddressRecords
  readonly baseDomain: string
  /** Something has changed that a running server has to notice. Resolves when it is in force here. */
  readonly changed: () => Promise<void>
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

  /** Keeps an address for a tunnel that is to come: only one that asks for it by name gets it. */
  async reserve(text: string): Promise<KeptAddress> {
    const address = this.textOf(text)
    if (!(await this.options.records.add(address))) throw taken(await this.find(address))
    this.options.tell(addressReserved(address))
    await this.options.changed()
    return await this.find(address)
  }

  /** Gives up an address: the tunnel that has it loses it, its allowlist is forgotten, anybody may have it. */
  async release(text: string): Promise<KeptAddress> {
    const before = await this.find(this.textOf(text))
    if (!(await this.options.records.remove(before.address))) throw unknown(before.address)
    this.options.tell(addressReleased(before.address, before.tunnel))
    await this.options.changed()
    return before
  }

  /** Changes who may visit; an address that nobody has is kept from then on. */
  async allow(text: string, change: ListChange): Promise<KeptAddress> {
    if ('blocks' in change) inUsage(() => new Allowlist(change.blocks))
    const address = this.textOf(text)
    const after = await this.options.records.setList(address, before => listAfter(address, before, change))
    this.options.tell(allowlistChanged(address, wordsFor(after)))
    await this.options.changed()
    return after
  }

  private textOf(text: string): string {
    return inUsage(() => parseAddress(text, this.options.baseDomain).text)
  }

  private async find(address: string): Promise<KeptAddress> {
    const found = await this.options.records.find(address)
    if (found === undefined) throw unknown(address)
    return found
  }
}

/** Who may visit, in words. */
function wordsFor({ access, blocks }: KeptList): string {
  if (access === 'client') return 'whom its client names'
  if (access === 'everybody') return 'everybody'
  if (blocks.length === 0) return 'nobody'
  return blocks.length > 5 ? `${blocks.slice(0, 5).join(' ')} and ${blocks.length - 5} more` : blocks.join(' ')
}

function listAfter(address: string, before: KeptAddress | undefined, change: ListChange): KeptList {
  if (change.kind === 'as-client') return { access: 'client', blocks: [] }
  if (change.kind === 'everybody') return { access: 'everybody', blocks: [] }
  if (change.kind === 'nobody') return { access: 'listed', blocks: [] }
  if (change.kind === 'set') return { access: 'listed', blocks: distinct(change.blocks) }
  const now = listNow(before)
  if (now === 'everybody') throw everybodyMayCome(address, change.kind)
  if (change.kind === 'add') return { access: 'listed', blocks: distinct([...now, ...change.blocks]) }
  const missing = change.blocks.find(block => !now.some(each => isSameBlock(each, block)))
  if (missing !== undefined) throw notListed(address, missing, now)
  return { access: 'listed', blocks: now.filter(each => !change.blocks.some(block => isSameBlock(each, block))) }
}

/** What a list is changed from: the address's own, or else the client's. Nothing is known of an address that nobody used. */
function listNow(before: KeptAddress | undefined): readonly string[] | 'everybody' {
  if (before?.access === 'listed') return before.blocks
  if (before === undefined || before.access === 'everybody' || before.clientBlocks.length === 0) return 'everybody'
  return before.clientBlocks
}

function distinct(blocks: readonly string[]): string[] {
  return blocks.filter((block, index) => !blocks.slice(0, index).some(earlier => isSameBlock(earlier, block)))
}

/** What `read` returns; what it cannot read is wrong usage. */
function inUsage<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof PbtError) throw new Failure('usage', error.message, { cure: error.cure, cause: error })
    throw error
  }
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

function everybodyMayCome(address: string, kind: 'add' | 'remove'): Failure {
  return new Failure(
    'usage',
    `everybody may visit "${address}": there is no list to ${kind === 'add' ? 'add to' : 'remove from'}`,
    {
      cure: `give those who may visit from now on: pbt-server allow ${address} BLOCK...`,
    },
  )
}

function notListed(address: string, block: string, now: readonly string[]): Failure {
  const list = now.length === 0 ? 'it is empty' : `it has ${now.slice(0, 20).join(' ')}${now.length > 20 ? ' …' : ''}`
  return new Failure('usage', `"${block}" is not on the allowlist of "${address}"`, {
    cure: `give a block as it is listed; ${list}`,
  })
}
