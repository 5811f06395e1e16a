// What a client is told of an address that has no certificate yet: what is missing, and the record to create.
import type { Address } from '../../relay/address.ts'
import { needsOwnCertificate } from './names.ts'
import type { KeptDomain } from './records.ts'

const NONE = 'no certificate covers it yet'

/** Knows the domains as they were read last. */
export class Missing {
  private readonly baseDomain: string
  private readonly hasResponder: boolean
  private readonly byName = new Map<string, KeptDomain>()

  constructor({ baseDomain, hasResponder }: { readonly baseDomain: string; readonly hasResponder: boolean }) {
    this.baseDomain = baseDomain
    this.hasResponder = hasResponder
  }

  load(domains: readonly KeptDomain[]): void {
    this.byName.clear()
    for (const domain of domains) for (const name of domain.names) this.byName.set(name, domain)
  }

  /** Of the domains whose certificates are in order, and which so lead here. */
  get names(): string[] {
    return [...this.byName].filter(([, { state }]) => state === 'issued' || state === 'renewing').map(([name]) => name)
  }

  /** Whether a certificate is to come for it. */
  has({ key }: Address): boolean {
    return this.byName.has(key)
  }

  of(address: Address): { reason: string; cure: string } {
    if (!needsOwnCertificate(address)) return this.ofBase()
    const domain = this.byName.get(address.key)
    return domain === undefined ? { reason: `${NONE}: it will be ordered`, cure: '' } : standing(domain)
  }

  private ofBase(): { reason: string; cure: string } {
    const wildcard = this.byName.get(`*.${this.baseDomain}`)
    if (wildcard !== undefined) return standing(wildcard)
    if (this.hasResponder) return { reason: NONE, cure: `name a certificate for *.${this.baseDomain} with tls-cert` }
    return {
      reason: `${NONE}: the wildcard *.${this.baseDomain} needs the DNS responder, which is off`,
      cure: `set dns-port to 53 on the server, or name a certificate for *.${this.baseDomain} with tls-cert`,
    }
  }
}

/** A client waits for as long as it takes; the words are the owner's to act on. */
function standing({ state, problem }: KeptDomain): { reason: string; cure: string } {
  if (problem !== undefined) {
    const link = problem.link === '' ? '' : ` ${problem.link}`
    return { reason: `${NONE}: ${problem.message}`, cure: `${problem.cure}${link}` }
  }
  if (state === 'issuing' || state === 'renewing') return { reason: `${NONE}: it is ordered`, cure: '' }
  return { reason: `${NONE}: its DNS is being checked`, cure: '' }
}
