// From names to addresses for one dial after another: a name service that is away for a while does not keep the link away.
import { promises as dns } from 'node:dns'
import { isIP } from 'node:net'
import type { Clock, Timer } from '@pbt/proto'

/**
 * A name service that is well answers within this; later, the addresses that served last are tried meanwhile. Together with noticing
 * another network (1 s) and probing the link (0.7 s) it makes two seconds.
 */
export const LOOKUP_MS = 250
/** One that says nothing is asked again so often. The system does so after 5 s only, and asks the one that was there before. */
export const ASK_AGAIN_EVERY_MS = 1_000

interface Name {
  /** One at a time. */
  underWay: Promise<string[]> | undefined
  /** One at a time too: each holds one of the few threads that look names up, for many seconds when nobody answers. */
  bySystem: Promise<string[]> | undefined
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
    name.underWay ??= this.ask(host, name).finally(() => {
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

  private async ask(host: string, name: Name): Promise<string[]> {
    name.bySystem ??= lookUp(host).finally(() => {
      name.bySystem = undefined
    })
    const again = new AskAgain(this.clock, host)
    return await Promise.race([name.bySystem, again.answer]).finally(() => again.end())
  }

  private name(host: string): Name {
    const known = this.names.get(host)
    if (known !== undefined) return known
    const name = { underWay: undefined, bySystem: undefined, served: [] }
    this.names.set(host, name)
    return name
  }
}

/** Beside the system's own look-up, when that says nothing: a name service that is back is heard within a second. */
class AskAgain {
  /** Settles with addresses, or never. */
  readonly answer: Promise<string[]>
  private readonly clock: Clock
  private readonly host: string
  private resolve: (addresses: string[]) => void = () => {}
  private resolver: dns.Resolver | undefined
  private timer: Timer

  constructor(clock: Clock, host: string) {
    this.clock = clock
    this.host = host
    this.answer = new Promise(resolve => {
      this.resolve = resolve
    })
    this.timer = clock.after(ASK_AGAIN_EVERY_MS, () => this.ask())
  }

  end(): void {
    this.timer.clear()
    this.resolver?.cancel()
  }

  private ask(): void {
    this.resolver?.cancel()
    // A new one each time reads again whom the system asks.
    const resolver = new dns.Resolver({ timeout: ASK_AGAIN_EVERY_MS, tries: 1 })
    this.resolver = resolver
    this.timer = this.clock.after(ASK_AGAIN_EVERY_MS, () => this.ask())
    const all = [resolver.resolve6(this.host), resolver.resolve4(this.host)]
    void Promise.allSettled(all).then(answers => {
      const addresses = answers.flatMap(answer => (answer.status === 'fulfilled' ? answer.value : []))
      // That a name does not exist is for the system to say, which knows other sources too.
      if (addresses.length > 0) this.resolve(addresses)
    })
  }
}

async function lookUp(host: string): Promise<string[]> {
  const all = await dns.lookup(host, { all: true })
  return all.map(({ address }) => address)
}
