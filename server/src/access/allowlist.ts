// Which visitors may come: addresses and CIDR blocks, as sorted ranges, so that matching is a binary search.
import { PbtError, parseAddress, parseBlock } from '@pbt/proto'

const MAX_ENTRIES = 10_000
/** IPv4 addresses have as many parts. */
const OCTETS = 4

/** Blocks of one family as ranges of sort keys: disjoint, ascending. Keys have the same length, so text order is address order. */
class Ranges {
  private readonly firsts: string[] = []
  private readonly lasts: string[] = []

  constructor(ranges: (readonly [first: string, last: string])[]) {
    for (const [first, last] of ranges.sort(([left], [right]) => (left < right ? -1 : 1))) {
      const before = this.lasts.at(-1)
      if (before !== undefined && first <= before) {
        if (last > before) this.lasts[this.lasts.length - 1] = last
      } else {
        this.firsts.push(first)
        this.lasts.push(last)
      }
    }
  }

  has(key: string): boolean {
    let low = 0
    let high = this.firsts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.firsts[middle] ?? '') <= key) low = middle + 1
      else high = middle
    }
    return low > 0 && key <= (this.lasts[low - 1] ?? '')
  }
}

/** Judges the addresses that visitors come from. */
export interface Judge {
  allows(peer: string): boolean
  /** The addresses and blocks that it lets in, as they were written; undefined: all. */
  readonly entries?: readonly string[] | undefined
}

/** Lets in all, even what is no address. */
export const EVERYBODY: Judge = { allows: () => true }
/** Lets in no address. */
export const NOBODY: Judge = { allows: () => false, entries: [] }

/** Lets in the addresses and CIDR blocks of a list, which never changes. */
export class Allowlist implements Judge {
  readonly entries: readonly string[]
  private readonly v4: Ranges
  private readonly v6: Ranges

  /** `entries`: such as `203.0.113.7`, `203.0.113.0/24`, `2001:db8::/32`; none: nobody. Throws PbtError `not-allowed`. */
  constructor(entries: readonly string[]) {
    if (entries.length > MAX_ENTRIES) {
      throw new PbtError('not-allowed', `an allowlist has at most ${MAX_ENTRIES} entries, this one ${entries.length}`)
    }
    this.entries = entries
    const blocks = entries.map(blockOf)
    this.v4 = new Ranges(blocks.filter(({ isV4 }) => isV4).map(({ range }) => range))
    this.v6 = new Ranges(blocks.filter(({ isV4 }) => !isV4).map(({ range }) => range))
  }

  /** `address`: as a socket tells it. IPv4 within IPv6 is IPv4; what is no address is not allowed. */
  allows(address: string): boolean {
    const parts = parseAddress(address)
    if (parts === undefined) return false
    return (parts.length === OCTETS ? this.v4 : this.v6).has(keyOf(parts))
  }
}

/** Whether two entries are the same block, however they are written. Both are readable. */
export function isSameBlock(one: string, other: string): boolean {
  if (one === other) return true
  const [left, right] = [blockOf(one), blockOf(other)]
  return left.isV4 === right.isV4 && left.range[0] === right.range[0] && left.range[1] === right.range[1]
}

function blockOf(entry: string): { isV4: boolean; range: readonly [string, string] } {
  const block = parseBlock(entry.trim())
  if (typeof block === 'string') throw wrong(entry, block)
  const { address, prefix } = block
  const isV4 = address.length === OCTETS
  const size = isV4 ? 8 : 16
  const mask = (group: number, index: number, fill: number) => {
    const kept = Math.min(Math.max(prefix - index * size, 0), size)
    const low = 2 ** (size - kept) - 1
    return fill === 0 ? group - (group % (low + 1)) : group - (group % (low + 1)) + low
  }
  return {
    isV4,
    range: [
      keyOf(address.map((group, index) => mask(group, index, 0))),
      keyOf(address.map((group, index) => mask(group, index, 1))),
    ],
  }
}

/** Each group as one character: compares as the address does. */
function keyOf(groups: readonly number[]): string {
  return String.fromCharCode(...groups)
}

function wrong(entry: string, why: string): PbtError {
  const shown = entry.slice(0, 60).replace(/[^\x20-\x7e]/g, '?')
  return new PbtError('not-allowed', `allowlist entry "${shown}" cannot be used: ${why}`, {
    cure: 'give addresses or CIDR blocks, such as 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32',
  })
}
