// From names to addresses for one dial after another: a name service that is away for a while does not keep the link away.
import { promises as dns } from 'node:dns'
import { isIP } from 'node:net'
import type { Clock } from '@pbt/proto'

/** A name service that is well answers within this; later, the addresses that served last are tried meanwhile. */
export const LOOKUP_MS = 1_500

interface Name {
  /** One at a time: each holds one of the few threads that look names up, for many seconds when nobody answers. */
  underWay: Promise<string[]> | undefined
  /** Those of the last connection that led somewhere. */
  served: readonly string[]
}

/** For the server and a proxy on the way: names are looked up anew each time, and what served last is remembered. */
export class Lookup {
  private readonly clock: Clock
  private readonly names = new Map<string, Name>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** The addresses of a host, in the order of the system. Rejects as `dns.lookup` does when there is nothing to try. */
  async addresses(host: string): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [host]
    const name = this.name(host)
    name.underWay ??= lookUp(host).finally(() => {
      name.underWay = undefined
    })
    if (name.served.length === 0) return await name.underWay
    const late = Promise.withResolvers<readonly string[]>()
    const timer = this.clock.after(LOOKUP_MS, () => late.resolve(name.served))
    const asked = name.underWay.catch(() => name.served)
    return await Promise.race([asked, late.promise]).finally(() => timer.clear())
  }

  /** One of these addresses was the server's. */
  served(host: string, addresses: readonly string[]): void {
    this.name(host).served = addresses
  }

  private name(host: string): Name {
    const known = this.names.get(host)
    if (known !== undefined) return known
    const name = { underWay: undefined, served: [] }
    this.names.set(host, name)
    return name
  }
}

async function lookUp(host: string): Promise<string[]> {
  const all = await dns.lookup(host, { all: true })
  return all.map(({ address }) => address)
}
