// Where a name leads by the name service of this machine.
import { Resolver } from 'node:dns/promises'

/** How long the name service has, milliseconds. */
const ANSWER_MS = 3_000

/** Its addresses of both families; `dnsResolver`: who is asked, '' for the machine's. Rejects with the name service's error when it has none. */
export async function resolveHost(host: string, dnsResolver = ''): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: ANSWER_MS, tries: 1 })
  if (dnsResolver !== '') resolver.setServers([dnsResolver])
  const [v4, v6] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
  const found = [v4, v6].flatMap(each => (each.status === 'fulfilled' ? each.value : []))
  if (found.length === 0 && v4.status === 'rejected') throw v4.reason
  return found
}
