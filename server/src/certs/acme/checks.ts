// What a domain needs, as far as this server alone decides it; then what the world says.
import type { Check, CheckedDomain, Preflight } from './types.ts'

/** The preflight behind what needs no look outside. */
export class Checks implements Preflight {
  private readonly outside: Preflight
  private readonly hasResponder: boolean

  constructor(outside: Preflight, hasResponder: boolean) {
    this.outside = outside
    this.hasResponder = hasResponder
  }

  async *check(domain: CheckedDomain, signal: AbortSignal): AsyncIterable<Check> {
    if (domain.proof === 'delegated' && !this.hasResponder) {
      yield withoutResponder(domain.names[0] ?? '')
      return
    }
    yield* this.outside.check(domain, signal)
  }
}

function withoutResponder(name: string): Check {
  return {
    ...{ step: 'responder', name, state: 'failed' },
    message: `${name} has to be proved by DNS, and the DNS responder is off`,
    cure: 'set dns-port to 53 and public-address to the addresses of this machine',
  }
}
