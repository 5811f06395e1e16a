// The addresses to listen on, as far as this machine's kernel has their family.
import { once } from 'node:events'
import { createServer, isIPv6 } from 'node:net'
import { systemCodeOf } from '../failure.ts'
import type { Log } from '../observe/log.ts'

/** Every address, of IPv4 too. */
const ANY = '::'
const ANY_IPV4 = '0.0.0.0'

/**
 * Those that can be listened on: without IPv6 in the kernel "every address" is every one of IPv4, and others of IPv6 are passed
 * over, which is told once. If none is left they are as they were, and listening tells what is wrong.
 */
export async function usableAddresses(wanted: readonly string[], log: Log): Promise<readonly string[]> {
  if (!wanted.some(isIPv6) || (await hasIpv6())) return wanted
  const found = new Set(
    wanted.map(address => (address === ANY ? ANY_IPV4 : address)).filter(address => !isIPv6(address)),
  )
  if (found.size === 0) return wanted
  const addresses = [...found]
  log.warn('this machine has no IPv6: listening on IPv4 alone', { addresses })
  return addresses
}

async function hasIpv6(): Promise<boolean> {
  const server = createServer()
  try {
    const listening = once(server, 'listening')
    server.listen({ port: 0, host: ANY })
    await listening
    return true
  } catch (error) {
    return !['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes(systemCodeOf(error))
  } finally {
    server.close()
  }
}
