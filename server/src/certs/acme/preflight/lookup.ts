// Looks names up for connections of the server's own at the resolver that the owner has chosen.
import type { LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { worldFor } from './system-resolvers.ts'
import { addressesIn, World } from './world.ts'

/** Both families together, milliseconds. */
const LOOKUP_MS = 8_000

/** For `connect` and `request`; undefined when the setting is empty: the system looks up. */
export function lookupFor(dnsResolver: string): LookupFunction | undefined {
  if (dnsResolver === '') return undefined
  return (host, { all, family }, callback) => {
    find(host, dnsResolver).then(
      found => {
        const fitting = found.filter(each => (family !== 4 && family !== 6 ? true : each.family === family))
        const [first] = fitting
        if (first === undefined) callback(notFound(host, dnsResolver), '', 0)
        else if (all === true) callback(null, fitting)
        else callback(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    )
  }
}

async function find(host: string, dnsResolver: string): Promise<LookupAddress[]> {
  if (isIP(host) !== 0) return [{ address: host, family: isIP(host) }]
  const world = new World(worldFor(dnsResolver), AbortSignal.timeout(LOOKUP_MS))
  const both = await Promise.all([world.resolved(host, 'A'), world.resolved(host, 'AAAA')])
  return addressesIn(both).map(address => ({ address, family: isIP(address) }))
}

function notFound(host: string, dnsResolver: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${host} was not found at ${dnsResolver} (dns-resolver)`), { code: 'ENOTFOUND' })
}
