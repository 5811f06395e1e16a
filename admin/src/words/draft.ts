// An allowlist while it is edited: nothing is applied before it is saved.

import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { type AllowEntry, type Allowlist, Allowlist_Access } from '@pbt/proto/admin/v1'

export interface DraftEntry {
  readonly block: string
  readonly note: string
  readonly endTime: Timestamp | undefined
}

/** Who may come in: everybody, or only these. */
export interface Draft {
  readonly isOpen: boolean
  readonly entries: readonly DraftEntry[]
}

/** What is in force now, as a draft to begin with. */
export function draftOf(list: Allowlist | undefined): Draft {
  if (list === undefined || list.access === Allowlist_Access.EVERYBODY) return { isOpen: true, entries: [] }
  if (list.access === Allowlist_Access.LISTED) return { isOpen: false, entries: list.entries.map(entryOf) }
  const entries = list.clientBlocks.map(block => ({
    block,
    note: 'from the command that opened the tunnel',
    endTime: undefined,
  }))
  return { isOpen: entries.length === 0, entries }
}

function entryOf({ block, note, endTime }: AllowEntry): DraftEntry {
  return { block, note, endTime }
}

export function areSame(left: Draft, right: Draft): boolean {
  if (left.isOpen || right.isOpen) return left.isOpen === right.isOpen
  const text = ({ entries }: Draft) =>
    entries
      .map(({ block, endTime }) => `${block} ${endTime?.seconds ?? ''}`)
      .toSorted()
      .join('\n')
  return text(left) === text(right)
}

/** As the API takes it. */
export function listOf({ isOpen, entries }: Draft) {
  if (isOpen) return { access: Allowlist_Access.EVERYBODY, entries: [] }
  return {
    access: Allowlist_Access.LISTED,
    entries: entries.map(({ block, note, endTime }) => ({ block, note, ...(endTime && { endTime }) })),
  }
}

/**
 * The network of a public IPv6 address: browsers change the rest of their address every day (RFC 8981 section 3.8), the network stays.
 * Undefined for all others.
 */
export function networkOf(address: string): string | undefined {
  // Of 2000::/3, which is all that is given out.
  if (!/^[23][0-9a-f]{3}:[0-9a-f:]+$/i.test(address)) return undefined
  const [before = '', after] = address.split('::')
  const [head, tail] = [before, after ?? ''].map(part => part.split(':').filter(Boolean)) as [string[], string[]]
  const zeros = after === undefined ? [] : Array(Math.max(0, 8 - head.length - tail.length)).fill('0')
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(':')}::/64`
}

/** What is wrong with a block that was typed; '' when nothing is. The server judges again. */
export function blockProblem(text: string): string {
  const [address = '', bits, ...more] = text.split('/')
  const isSix = address.includes(':')
  const isFour = /^\d{1,3}(\.\d{1,3}){3}$/.test(address) && address.split('.').every(part => Number(part) <= 255)
  if (!isFour && !(isSix && /^[0-9a-f:.]+$/i.test(address)))
    return 'Not an address or block: write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32'
  if (more.length > 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= (isSix ? 128 : 32)))) {
    return `After / stands a number from 0 to ${isSix ? 128 : 32}`
  }
  return ''
}
