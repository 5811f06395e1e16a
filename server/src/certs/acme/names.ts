// Which names can have a certificate automatically, how they are proved, and which DNS records that needs.
import { createHash } from 'node:crypto'
import { DEVELOPMENT_DOMAIN } from '../../config/config.ts'
import { Failure } from '../../failure.ts'
import { type Address, parseHost } from '../../relay/address.ts'
import type { NewDomain } from './records.ts'
import type { DnsRecord, ProofKind } from './types.ts'

/** Names of one certificate: what Let's Encrypt's smaller profiles take. */
export const MAX_NAMES = 25

/** Domains of one server: one person's. */
export const MAX_DOMAINS = 1_000

/** Digits of a label: 80 bits, in which no two names meet. */
const LABEL_DIGITS = 20

/** What the names of this server are, and where it is. */
export interface Place {
  readonly baseDomain: string
  /** Its public addresses, as far as they are known. */
  readonly publicAddress: readonly string[]
}

/** The zone that the DNS responder answers for. */
export function zoneOf(baseDomain: string): string {
  return `acme.${baseDomain}`
}

/** Whether the address gets a certificate of its own: the others have that of the base domain. */
export function needsOwnCertificate({ kind, text }: Address): boolean {
  return kind === 'domain' || (kind === 'name' && text.includes('.'))
}

/** A domain as the owner asks for it; its names are full, as certificates have them. Throws Failure `usage`, and PbtError for what is no name. */
export function newDomain(
  texts: readonly string[],
  proof: ProofKind | undefined,
  { baseDomain }: Pick<Place, 'baseDomain'>,
): NewDomain {
  const names = [...new Set(texts.map(text => ownName(text, baseDomain)))]
  const [name = ''] = names
  if (names.length > MAX_NAMES) {
    throw new Failure(
      'usage',
      `${names.length} names are too many for one certificate, which has at most ${MAX_NAMES}`,
      {
        cure: 'add them as several domains',
      },
    )
  }
  const wildcard = names.find(isWildcard)
  if (wildcard !== undefined && proof === 'http') {
    throw new Failure('usage', `"${wildcard}" cannot be proved over HTTP: CAs prove wildcards by DNS only`, {
      cure: 'leave out the kind of proof, or choose "delegated"',
    })
  }
  return {
    name,
    names,
    proof: proof ?? (wildcard === undefined ? 'http' : 'delegated'),
    isBase: false,
  }
}

/** What the server itself needs: for a start what can be had over HTTP, and the wildcard once there is a responder. */
export function baseDomains(baseDomain: string, hasResponder: boolean): NewDomain[] {
  const own = [baseDomain, `link.${baseDomain}`, `admin.${baseDomain}`]
  const first = { name: baseDomain, names: own, proof: 'http', isBase: true } as const
  if (!hasResponder) return [first]
  const names = [`*.${baseDomain}`, baseDomain]
  return [first, { name: `*.${baseDomain}`, names, proof: 'delegated', isBase: true }]
}

/** Every record that the domain needs, the first ones first. */
export function recordsOf(domain: Pick<NewDomain, 'names' | 'proof' | 'isBase'>, place: Place): DnsRecord[] {
  const { baseDomain } = place
  const records = domain.names
    .filter(name => !(domain.isBase && !isOutermost(name, baseDomain)))
    .flatMap(name => waysHere(name, place)[0] ?? [])
  if (domain.proof !== 'delegated') return records
  records.push({ name: zoneOf(baseDomain), type: 'NS', value: baseDomain })
  for (const [name, value] of delegationOf(domain, baseDomain)) {
    records.push({ name: `_acme-challenge.${name}`, type: 'CNAME', value })
  }
  return records
}

/** Where `_acme-challenge.<name>` has to lead, for each name without `*.`. */
export function delegationOf({ names }: Pick<NewDomain, 'names'>, baseDomain: string): Map<string, string> {
  return new Map(names.map(name => [withoutStar(name), `${labelOf(name)}.${zoneOf(baseDomain)}`]))
}

/**
 * Where the proofs of a name are answered, below `acme.<base>`: the same for the name and its wildcard, whichever domains they belong to,
 * because `_acme-challenge.<name>` can have one CNAME only.
 */
export function labelOf(name: string): string {
  return createHash('sha256').update(withoutStar(name)).digest('hex').slice(0, LABEL_DIGITS)
}

function withoutStar(name: string): string {
  return name.replace(/^\*\./, '')
}

function isWildcard(name: string): boolean {
  return name.startsWith('*.')
}

function isOutermost(name: string, baseDomain: string): boolean {
  return name === baseDomain || name === `*.${baseDomain}`
}

function ownName(text: string, baseDomain: string): string {
  const address = parseHost(text, baseDomain)
  if (address.key.endsWith('.localhost')) {
    throw new Failure('usage', `"${text}" is a name of this machine alone: no CA issues a certificate for it`, {
      cure: 'add a domain that you own, such as app.mine.uk',
    })
  }
  if (needsOwnCertificate(address)) return address.key
  throw new Failure('usage', `"${address.text}" lies below the base domain, whose own certificate covers it`, {
    cure: `nothing is to be done for ${address.key}; add a custom domain such as app.mine.uk, or *.app.${baseDomain}`,
  })
}

/**
 * The ways in which the records of a name can lead here, the best one first; each is a set of records. Nothing when no address is known. An apex
 * can have no CNAME (RFC 1034 section 3.6.2); which names are one is the registries' to know, and two labels are.
 */
export function waysHere(name: string, { baseDomain, publicAddress }: Place): DnsRecord[][] {
  const addresses = publicAddress.map((value): DnsRecord => ({ name, type: value.includes(':') ? 'AAAA' : 'A', value }))
  const ways = addresses.length === 0 ? [] : [addresses]
  // A wildcard for the base domain has those below it; what is deeper needs records of its own.
  if (isOutermost(name, baseDomain) || baseDomain === DEVELOPMENT_DOMAIN) return ways
  const alias: DnsRecord[] = [{ name, type: 'CNAME', value: baseDomain }]
  return name.split('.').length > 2 ? [alias, ...ways] : ways.length > 0 ? ways : [alias]
}
