// Who may visit an address: lists, and what a change makes of them.
import { PbtError } from '@pbt/proto'
import { Allowlist, isSameBlock } from '../access/allowlist.ts'
import { Failure } from '../failure.ts'

/** Who may visit an address: those the client says with --allow, everybody, or those of the address's own list. */
export type Access = 'client' | 'everybody' | 'listed'

/** A block of addresses that may visit. */
export interface ListEntry {
  readonly block: string
  readonly note: string
  /** It goes by itself then; undefined: it stays. */
  readonly endsAt: Date | undefined
}

/** Who may visit: `entries` are those of `listed`, none of them: nobody. */
export interface KeptList {
  readonly access: Access
  readonly entries: readonly ListEntry[]
}

/** What the owner wants to change of an allowlist. */
export type ListChange =
  | { readonly kind: 'everybody' }
  | { readonly kind: 'nobody' }
  | { readonly kind: 'as-client' }
  | { readonly kind: 'set' | 'remove'; readonly blocks: readonly string[] }
  | {
      readonly kind: 'add'
      readonly blocks: readonly string[]
      readonly note?: string
      readonly endsAt?: Date | undefined
    }

/** What is known of an address before a change. */
export interface ListedAddress extends KeptList {
  /** Whom its client named last with --allow; none: everybody. */
  readonly clientBlocks: readonly string[]
}

const MAX_NOTE_CHARS = 500

/** A note as it is kept. Throws Failure `usage` when it is too long. */
export function noteIn(note: string): string {
  if (note.length <= MAX_NOTE_CHARS) return note
  throw new Failure('usage', `a note has at most ${MAX_NOTE_CHARS} characters, this one ${note.length}`, {
    cure: 'shorten it',
  })
}

/** Throws Failure `usage` for what is no address and no CIDR block. */
export function checkBlock(block: string): void {
  inUsage(() => new Allowlist([block]))
}

/** Throws Failure `usage` for a list that cannot be kept. */
export function checkList({ access, entries }: KeptList): void {
  if (access !== 'listed' && entries.length > 0) {
    throw new Failure('usage', 'only a list has entries', {
      cure: 'set the access to "listed", or leave the entries out',
    })
  }
  inUsage(() => new Allowlist(entries.map(({ block }) => block)))
  for (const { block, note, endsAt } of entries) {
    noteIn(note)
    if (endsAt === undefined || endsAt.getTime() > Date.now()) continue
    throw new Failure('usage', `the end of "${block}" has passed`, { cure: 'give a time to come, or none' })
  }
}

/** What the change makes of what was before. Throws Failure `usage`. */
export function listAfter(address: string, before: ListedAddress | undefined, change: ListChange): KeptList {
  if (change.kind === 'as-client') return { access: 'client', entries: [] }
  if (change.kind === 'everybody') return { access: 'everybody', entries: [] }
  if (change.kind === 'nobody') return { access: 'listed', entries: [] }
  if (change.kind === 'set')
    return { access: 'listed', entries: distinct(change.blocks.map(block => entryFor(before, block))) }
  const now = listNow(before)
  if (now === 'everybody') throw everybodyMayCome(address, change.kind)
  if (change.kind === 'add') {
    const { note = '', endsAt } = change
    const added = distinct(change.blocks.map(block => ({ block, note, endsAt })))
    const isListed = ({ block }: ListEntry) => now.some(each => isSameBlock(each.block, block))
    // One that is there already keeps its place, and is as it was said last.
    const kept = now.map(entry => {
      const again = added.find(({ block }) => isSameBlock(block, entry.block))
      return again === undefined ? entry : { ...again, block: entry.block }
    })
    return { access: 'listed', entries: [...kept, ...added.filter(entry => !isListed(entry))] }
  }
  const missing = change.blocks.find(block => !now.some(each => isSameBlock(each.block, block)))
  if (missing !== undefined)
    throw notListed(
      address,
      missing,
      now.map(({ block }) => block),
    )
  const isRemoved = ({ block }: ListEntry) => change.blocks.some(each => isSameBlock(block, each))
  return { access: 'listed', entries: now.filter(entry => !isRemoved(entry)) }
}

/** A block that stays keeps its note and its end. */
function entryFor(before: ListedAddress | undefined, block: string): ListEntry {
  const known = before?.access === 'listed' ? before.entries.find(each => each.block === block) : undefined
  return known ?? { block, note: '', endsAt: undefined }
}

/** What a list is changed from: the address's own, or else the client's. Nothing is known of an address that was never used. */
export function listNow(before: ListedAddress | undefined): readonly ListEntry[] | 'everybody' {
  if (before?.access === 'listed') return before.entries
  if (before === undefined || before.access === 'everybody' || before.clientBlocks.length === 0) return 'everybody'
  return before.clientBlocks.map(block => ({ block, note: '', endsAt: undefined }))
}

function distinct(entries: readonly ListEntry[]): ListEntry[] {
  return entries.filter(
    ({ block }, index) => !entries.slice(0, index).some(earlier => isSameBlock(earlier.block, block)),
  )
}

/** What `read` returns; what it cannot read is wrong usage. */
export function inUsage<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof PbtError) throw new Failure('usage', error.message, { cure: error.cure, cause: error })
    throw error
  }
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
