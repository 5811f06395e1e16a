// Addresses as limits and lists see them: one visitor is one IPv4 address or one IPv6 /64, however it is written.
import { isIPv4, isIPv6 } from 'node:net'

/** IPv4 within IPv6 (RFC 4291, 2.5.5.2), as sockets that listen on both show it. */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** The /64 has the first four of the eight groups. */
const GROUPS = 8
const PREFIX_GROUPS = 4

/** IPv4 within IPv6 as IPv4, and no zone. */
export function bareAddress(address: string): string {
  const [bare = ''] = address.split('%')
  return MAPPED.exec(bare)?.[1] ?? bare
}

/**
 * What to count an address under: IPv4 as it is, IPv6 by its /64, because one customer gets at least that many.
 * An address that is none, such as that of a socket already closed, is counted as one visitor too.
 */
export function countedAs(address: string | undefined): string {
  const bare = bareAddress(address ?? '')
  if (isIPv4(bare)) return bare
  if (!isIPv6(bare)) return ''
  const prefix = groupsOf(bare).slice(0, PREFIX_GROUPS)
  return `${prefix.map(group => group.toString(16)).join(':')}::/64`
}

/** The eight groups of an IPv6 address without zone. */
export function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::')
  const first = parse(head)
  const last = parse(tail ?? '')
  const missing = tail === undefined ? 0 : Math.max(0, GROUPS - first.length - last.length)
  return [...first, ...Array<number>(missing).fill(0), ...last]
}

/** Groups between colons; dotted IPv4 at the end is two of them. */
function parse(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}
