// Addresses as limits count them: one visitor is one IPv4 address or one IPv6 /64, however it is written.
import { isIPv4, isIPv6 } from 'node:net'

/** IPv4 within IPv6 (RFC 4291, 2.5.5.2), as sockets that listen on both show it. */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** The /64 has the first four of the eight groups. */
const GROUPS = 8
const PREFIX_GROUPS = 4

/**
 * What to count an address under: IPv4 as it is, IPv6 by its /64, because one customer gets at least that many.
 * An address that is none, such as that of a socket already closed, is counted as one visitor too.
 */
export function countedAs(address: string | undefined): string {
  if (address === undefined) return ''
  const mapped = MAPPED.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (isIPv4(address)) return address
  const [bare = ''] = address.split('%')
  return isIPv6(bare) ? `${groupsOf(bare).slice(0, PREFIX_GROUPS).join(':')}::/64` : ''
}

function groupsOf(address: string): string[] {
  const [head = '', tail] = address.split('::')
  const first = head === '' ? [] : head.split(':')
  // Dotted IPv4 at the end stands for two groups, which lie behind the prefix.
  const last = tail === undefined || tail === '' ? [] : tail.replace(/\d+\.\d+\.\d+\.\d+$/, '0:0').split(':')
  const missing = tail === undefined ? 0 : Math.max(0, GROUPS - first.length - last.length)
  return [...first, ...Array<string>(missing).fill('0'), ...last].map(group => Number.parseInt(group, 16).toString(16))
}
