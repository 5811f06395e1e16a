// Which entry of an allowlist is most like an address that it does not have: often the same network a day later.
import { parseAddress } from '@pbt/proto'

const OCTETS = 4

/** The entry whose address has most first bits in common with `peer`, of the first of them; '' when none has any. */
export function nearestEntry(entries: readonly string[], peer: string): string {
  const wanted = bitsOf(peer)
  let nearest = ''
  let most = 0
  for (const entry of entries) {
    const common = commonBits(wanted, bitsOf(entry.split('/')[0] ?? ''))
    if (common > most) [nearest, most] = [entry, common]
  }
  return nearest
}

/** '' for what is no address; of the two families they are not as many. */
function bitsOf(address: string): string {
  const groups = parseAddress(address.trim()) ?? []
  const size = groups.length === OCTETS ? 8 : 16
  return groups.map(group => group.toString(2).padStart(size, '0')).join('')
}

function commonBits(one: string, other: string): number {
  if (one.length !== other.length) return 0
  let count = 0
  while (count < one.length && one[count] === other[count]) count++
  return count
}
