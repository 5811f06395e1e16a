// Addresses as limits see them: one visitor is one IPv4 address or one IPv6 /64, however it is written.
import { bareAddress, parseAddress } from '@pbt/proto'

/** IPv4 addresses have as many parts. */
const OCTETS = 4
/** The /64 has the first four of the eight groups. */
const PREFIX_GROUPS = 4

/**
 * What to count an address under: IPv4 as it is, IPv6 by its /64, because one customer gets at least that many.
 * An address that is none, such as that of a socket already closed, is counted as one visitor too.
 */
export function countedAs(address: string | undefined): string {
  const parts = parseAddress(address ?? '')
  if (parts === undefined) return ''
  if (parts.length === OCTETS) return bareAddress(address ?? '')
  const prefix = parts.slice(0, PREFIX_GROUPS)
  return `${prefix.map(group => group.toString(16)).join(':')}::/64`
}

/** The address of `203.0.113.7:50123` or `[2001:db8::1]:50123`. */
export function peerIn(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}
