// What the owner may do with domains: look at them, add, check, retry and remove them.
import { X509Certificate } from 'node:crypto'
import { delegationOf, MAX_DOMAINS, newDomain, type Place, recordsOf } from '../certs/acme/names.ts'
import type { DomainRecords, KeptCertificate, KeptDomain, NewDomain } from '../certs/acme/records.ts'
import { certificatesOf } from '../certs/acme/source.ts'
import { MAX_SAME_NAMES, SAME_NAMES_MS, sameNamesFreeAt } from '../certs/acme/spent.ts'
import type { Check, DnsRecord, Preflight, ProofKind } from '../certs/acme/types.ts'
import { Failure } from '../failure.ts'
import { keptAddress, parseHost } from '../relay/address.ts'
import type { KeptAddress } from './addresses.ts'
import { inUsage } from './allowlist.ts'
import type { Tell } from './event.ts'
import { domainAdded, domainRemoved } from './happenings.ts'

export type { KeptDomain } from '../certs/acme/records.ts'
export type { Check as DomainCheck, DnsRecord, ProofKind } from '../certs/acme/types.ts'

/** All looks at one domain end within this. */
const CHECK_MS = 60_000

/** A domain as it is now. */
export interface DomainView extends KeptDomain {
  /** The newest one that is valid. */
  readonly certificate: CertificateFacts | undefined
  /** All that it needs. */
  readonly records: readonly DnsRecord[]
  /** The tunnel that its address leads to, '' for none. */
  readonly tunnel: string
}

/** What people want to know of a certificate. */
export interface CertificateFacts {
  readonly notBefore: Date
  readonly notAfter: Date
  /** When it is renewed by itself. */
  readonly renewsAt: Date
  readonly issuer: string
}

/** Where domains are kept and how they are looked at. */
export interface DomainVerbsOptions {
  readonly records: DomainRecords
  readonly addresses: {
    list(): Promise<KeptAddress[]>
    add(addresses: readonly string[], note: string): Promise<boolean>
  }
  readonly place: Place
  /** Whether the tunnel of an address is open, or its client is expected back: it asks for the address again. */
  readonly isAskedFor: (address: KeptAddress) => boolean
  /** The CA's directory; '' when no certificate comes automatically. */
  readonly directory: string
  readonly hasResponder: boolean
  readonly preflight: Preflight
  /** Something has changed that a running server has to notice. Resolves when it is in force here. */
  readonly changed: () => Promise<void>
  readonly tell: Tell
}

/** How a domain is added. */
export interface AddOptions {
  /** More names for the same certificate. */
  readonly also?: readonly string[]
  readonly proof?: ProofKind | undefined
  /** Only tells what would be. */
  readonly isDry?: boolean
}

/** Domains are taken in Unicode or ASCII. All reject with Failure. */
export class DomainVerbs {
  private readonly options: DomainVerbsOptions

  constructor(options: DomainVerbsOptions) {
    this.options = options
  }

  /** Why no certificate comes automatically; '' when they do. */
  get offReason(): string {
    return this.options.directory === '' ? 'automatic certificates are off: acme-directory is not set' : ''
  }

  /** Every domain, the server's own first. */
  async list(): Promise<DomainView[]> {
    const { records, addresses, place } = this.options
    const [domains, certificates] = [await records.domains(), await records.certificates()]
    const { baseDomain } = place
    const tunnels = new Map(
      (await addresses.list()).map(kept => [keptAddress(kept.address, baseDomain).key, kept.tunnel]),
    )
    return domains.map(domain => this.view(domain, certificates, tunnels.get(domain.name) ?? ''))
  }

  /** One of them; undefined when there is none. */
  async find(name: string): Promise<DomainView | undefined> {
    return (await this.list()).find(domain => domain.name === name)
  }

  /** Keeps it and reserves its address; the certificate comes when its DNS is right. */
  async add(text: string, { also = [], proof, isDry = false }: AddOptions = {}): Promise<DomainView> {
    const { records, place, addresses, changed, tell } = this.options
    const domain = inUsage(() => newDomain([text, ...also], proof, place))
    this.checkPossible(domain)
    if (isDry) return this.view(notKept(domain), [], '')
    const kept = await records.domains()
    if (kept.length >= MAX_DOMAINS) throw tooMany()
    const other = kept.find(each => each.name === domain.name)
    if (other !== undefined || !(await records.addDomain(domain))) throw taken(domain.name)
    // One that a tunnel has already stays as it is.
    for (const name of domain.names) await addresses.add([parseHost(name, place.baseDomain).text], '')
    tell(domainAdded(domain.name))
    await changed()
    return await this.get(domain.name)
  }

  /** Looks at each prerequisite, also of a domain that is not added. */
  async *check(text: string): AsyncIterable<Check> {
    const { records, preflight, place } = this.options
    const name = await this.nameOf(text)
    const domain = (await records.domain(name)) ?? inUsage(() => newDomain([text], undefined, place))
    const { names, proof } = domain
    const delegation = delegationOf(domain, place.baseDomain)
    yield* preflight.check({ names, proof, delegation }, AbortSignal.timeout(CHECK_MS))
    yield await this.limits(domain)
  }

  /** It is tried again at once, unless the CA has said until when it will not answer. */
  async retry(text: string): Promise<DomainView> {
    const { records, changed } = this.options
    const { name, problem, nextAt } = await this.get(await this.nameOf(text))
    if (problem?.type === 'rateLimited' && nextAt !== undefined && nextAt.getTime() > Date.now()) {
      throw new Failure('limited', `the CA takes no order for "${name}" before ${nextAt.toISOString()}`, {
        cure: 'it is tried again by itself then',
      })
    }
    await records.changeDomain(name, { nextAt: null, isGivenUp: false, looks: 0, failures: 0 })
    await changed()
    return await this.get(name)
  }

  /** Its certificate is no longer served or renewed; its address stays reserved. Refused while a client asks for it. */
  async remove(text: string): Promise<DomainView> {
    const { records, changed, tell } = this.options
    const before = await this.get(await this.nameOf(text))
    if (before.isBase) {
      throw new Failure('usage', `"${before.name}" is the server's own and cannot be removed`, {
        cure: 'certificates of your own, by tls-cert and tls-key, take its place',
      })
    }
    const holder = await this.holderOf(before)
    if (holder !== undefined) throw inUse(before.name, holder)
    if (!(await records.removeDomain(before.name))) throw unknown(before.name)
    tell(domainRemoved(before.name))
    await changed()
    return before
  }

  /** The address of a client that would bring the domain back. */
  private async holderOf({ names }: KeptDomain): Promise<KeptAddress | undefined> {
    const { addresses, place, isAskedFor } = this.options
    const kept = await addresses.list()
    return kept.find(each => names.includes(keptAddress(each.address, place.baseDomain).key) && isAskedFor(each))
  }

  private checkPossible({ name, proof }: NewDomain): void {
    const { directory, hasResponder } = this.options
    if (directory === '') {
      throw new Failure('certificates-off', this.offReason, {
        cure: 'set acme-directory, or name certificate files with tls-cert and tls-key',
      })
    }
    if (proof === 'http' || hasResponder) return
    throw new Failure('certificates-off', `"${name}" has to be proved by DNS, and the DNS responder is off`, {
      cure: 'set dns-port to 53 and public-address to the addresses of this machine',
    })
  }

  /** Of what the CA allows for exactly these names. */
  private async limits(domain: Pick<KeptDomain, 'name' | 'names'>): Promise<Check> {
    const { records, directory } = this.options
    const names = [...domain.names].sort()
    const orders = await records.ordersOf(names, new Date(Date.now() - SAME_NAMES_MS))
    const ours = orders.filter(order => order.directory === directory)
    const freeAt = sameNamesFreeAt(ours, Date.now(), undefined)
    const step = { step: 'limits', name: domain.name }
    if (freeAt === undefined) {
      return { ...step, state: 'ok', message: 'the limits of the CA are not reached', cure: '' }
    }
    const when = new Date(freeAt).toISOString()
    const message = `${MAX_SAME_NAMES} certificates for exactly these names in 7 days; the next try is ${when}`
    const cure = 'if the data directory was lost, restore a backup instead of starting anew'
    return { ...step, state: 'failed', message, cure }
  }

  private view(domain: KeptDomain, certificates: readonly KeptCertificate[], tunnel: string): DomainView {
    const newest = certificatesOf(domain, certificates).find(({ notAfter }) => notAfter.getTime() > Date.now())
    const records = recordsOf(domain, this.options.place)
    return { ...domain, certificate: newest && factsOf(newest), records, tunnel }
  }

  private async get(name: string): Promise<DomainView> {
    const found = await this.find(name)
    if (found === undefined) throw unknown(name)
    return found
  }

  /** As it is kept; the server's own names stand for themselves. */
  private async nameOf(text: string): Promise<string> {
    const { place } = this.options
    const ascii = text.trim().toLowerCase().replace(/\.$/, '')
    if ((await this.options.records.domain(ascii)) !== undefined) return ascii
    return inUsage(() => parseHost(text, place.baseDomain)).key
  }
}

function factsOf({ chain, notBefore, notAfter, renewsAt }: KeptCertificate): CertificateFacts {
  return { notBefore, notAfter, renewsAt, issuer: issuerIn(chain) }
}

/** Its common name, else all of it. */
function issuerIn(chain: string): string {
  try {
    const { issuer } = new X509Certificate(chain)
    return /^CN=(.+)$/m.exec(issuer)?.[1] ?? issuer.replaceAll('\n', ', ')
  } catch {
    return ''
  }
}

function notKept(domain: NewDomain): KeptDomain {
  return {
    ...domain,
    ...{ state: 'pending', problem: undefined, failures: 0, looks: 0, nextAt: undefined, isGivenUp: false },
    createdAt: new Date(),
  }
}

function unknown(name: string): Failure {
  return new Failure('unknown-domain', `the domain "${name}" is not there`, {
    cure: '"pbt-server domain list" shows those that are; "pbt-server domain add" adds one',
  })
}

function taken(name: string): Failure {
  return new Failure('domain-taken', `the domain "${name}" is there already`, {
    cure: `"pbt-server domain check ${name}" shows what it needs; "pbt-server domain retry ${name}" tries again`,
  })
}

function inUse(name: string, { tunnel, target }: KeptAddress): Failure {
  const holder = `the tunnel "${tunnel}"${target === '' ? '' : ` (target ${target})`}`
  return new Failure('domain-in-use', `${holder} asks for "${name}" and would bring it back`, {
    cure: `stop its client, or end it with "pbt-server tunnel kill ${tunnel}"; then remove the domain`,
  })
}

function tooMany(): Failure {
  return new Failure('limited', `there are ${MAX_DOMAINS} domains, the most`, {
    cure: 'remove one with "pbt-server domain remove"',
  })
}
