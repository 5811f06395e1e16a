// The list of addresses: tcp and udp of one number are one row.
import { type Address, Allowlist_Access } from '@pbt/proto/admin/v1'
import { hasWords } from './has-words.ts'
import { counted, millis } from './time.ts'

export type AddressKind = 'name' | 'port' | 'domain'

export interface AddressRow {
  /** As the API takes it: app, app.mine.uk, tcp:20022 or tcp+udp:20022. */
  readonly address: string
  readonly url: string
  readonly kind: AddressKind
  /** name, domain, tcp, udp or tcp + udp. */
  readonly kindWord: string
  readonly tunnels: readonly string[]
  readonly holder: string
  readonly note: string
  readonly isInUse: boolean
  /** Milliseconds; undefined: never. */
  readonly lastUsed: number | undefined
  /** Who may come in. */
  readonly audience: string
  readonly isOpen: boolean
}

const UNUSED_MS = 90 * 24 * 3_600_000

/** All of them as rows, in no order. */
export function addressRows(addresses: Iterable<Address>): readonly AddressRow[] {
  const rows = new Map<string, AddressRow>()
  for (const address of addresses) {
    const [, protocol = '', number = ''] = /^(tcp|udp):(\d+)$/.exec(address.address) ?? []
    const key = number === '' ? address.address : `port ${number}`
    const row = rowOf(address, protocol)
    const other = rows.get(key)
    rows.set(key, other === undefined ? row : both(other, row, number))
  }
  return [...rows.values()]
}

function rowOf(address: Address, protocol: string): AddressRow {
  const kind: AddressKind =
    protocol !== '' ? 'port' : address.address.replace(/^\*\./, '').includes('.') ? 'domain' : 'name'
  const { access, entries = [], clientBlocks = [] } = address.allowlist ?? {}
  const listed =
    access === Allowlist_Access.LISTED ? entries.length : access === Allowlist_Access.CLIENT ? clientBlocks.length : 0
  const isOpen = access !== Allowlist_Access.LISTED && listed === 0
  return {
    ...{ address: address.address, url: address.url, kind, kindWord: protocol || kind, isOpen },
    tunnels: address.tunnel === '' ? [] : [address.tunnel],
    ...{ holder: address.holder, note: address.note, isInUse: address.isInUse, lastUsed: millis(address.lastUsedTime) },
    audience: isOpen ? 'everybody' : listed === 0 ? 'nobody' : counted(listed, 'address', 'addresses'),
  }
}

function both(left: AddressRow, right: AddressRow, number: string): AddressRow {
  const times = [left.lastUsed, right.lastUsed].filter(time => time !== undefined)
  return {
    ...left,
    address: `tcp+udp:${number}`,
    kindWord: 'tcp + udp',
    tunnels: [...new Set([...left.tunnels, ...right.tunnels])],
    holder: left.holder || right.holder,
    note: left.note || right.note,
    isInUse: left.isInUse || right.isInUse,
    lastUsed: times.length === 0 ? undefined : Math.max(...times),
    audience: left.audience === right.audience ? left.audience : `tcp ${left.audience}, udp ${right.audience}`,
    isOpen: left.isOpen && right.isOpen,
  }
}

/** Not used for 90 days, or never. */
export function isUnused({ isInUse, lastUsed }: AddressRow, now: number): boolean {
  return !isInUse && (lastUsed === undefined || now - lastUsed > UNUSED_MS)
}

/** Whether a row is what is looked for. */
export function isFound({ address, url, tunnels, note, holder }: AddressRow, words: string): boolean {
  return hasWords([address, url, ...tunnels, note, holder], words)
}
