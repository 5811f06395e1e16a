// The addresses that the DNS responder binds, each with a socket of its own: an answer then leaves from the address that was asked, and
// what has port 53 of another address, as systemd-resolved has that of 127.0.0.53, keeps it.
import type { NetworkInterfaceInfo } from 'node:os'
import { Failure } from '../../../failure.ts'

/** `0.0.0.0`, `::` and their other spellings. */
const EVERY = /^[0:.]+$/
/** RFC 4291, section 2.5.6: cannot be bound without its interface, and no resolver asks there. */
const LINK_LOCAL = /^fe[89ab]/i

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

/**
 * Those listed, with `0.0.0.0` replaced by every IPv4 address of the network interfaces and `::` by every address; without those of
 * loopback. Throws a Failure when an entry stands for no address at all.
 */
export function ownAddresses(listed: readonly string[], interfaces: Interfaces): readonly string[] {
  const there = Object.values(interfaces)
    .flatMap(each => each ?? [])
    .filter(({ internal, address }) => !internal && !LINK_LOCAL.test(address))
  const found = listed.flatMap(entry => {
    if (!EVERY.test(entry)) return [entry]
    const those = there.filter(({ family }) => entry.includes(':') || family === 'IPv4').map(({ address }) => address)
    if (those.length > 0) return those
    throw new Failure(
      'address-unavailable',
      `cannot answer DNS on ${entry}: no network interface has such an address`,
      {
        cure: 'start it when the network is up, or name an address of this machine with --dns-address ("ip address" shows them)',
      },
    )
  })
  return [...new Set(found)]
}
