// Which entry of an allowlist is most like an address that it does not have: often the same network a day later.
import { isIPv4, isIPv6 } from 'node:net'
import { bareAddress, groupsOf } from './peer-address.ts'

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

/** '' for what is no address. Of the two families no bit is common. */
function bitsOf(address: string): string {
  const bare = bareAddress(address.trim())
  if (isIPv4(bare)) return `4${bits(bare.split('.').map(Number), 8)}`
  return isIPv6(bare) ? `6${bits(groupsOf(bare), 16)}` : ''
}

function bits(groups: readonly number[], size: number): string {
  return groups.map(group => group.toString(2).padStart(size, '0')).join('')
}

function commonBits(one: string, other: string): number {
  if (one[0] !== other[0]) return 0
  let count = 0
  while (count < one.length && one[count] === other[count]) count++
  return count - 1
}
