// Certificates that come by themselves: whether the server's own are there, and whether everything that the next one needs is.
import { type Finding, failed, notChecked, ok } from './finding.ts'

/** One of the server's own domains, as the running server tells. */
export interface OwnDomain {
  readonly domain: string
  readonly names: readonly string[]
  /** Of the certificate that is served; undefined: there is none yet. */
  readonly certificate: { readonly endsAt: Date; readonly issuer: string } | undefined
  /** Why the last try brought none. */
  readonly problem: { readonly message: string; readonly cure: string } | undefined
  /** What the preflight found. */
  readonly checks: readonly {
    readonly step: string
    readonly name: string
    readonly state: 'ok' | 'failed' | 'not-checked'
    readonly message: string
    readonly cure: string
  }[]
}

/** What is looked at. */
export interface AutomaticOptions {
  readonly baseDomain: string
  readonly acmeDirectory: string
  /** Files take precedence, and have steps of their own. */
  readonly hasFiles: boolean
  /** Undefined: no server runs that could tell. */
  readonly domains: readonly OwnDomain[] | undefined
}

/** None where no certificate comes by itself. Never throws. */
export function checkAutomatic({ baseDomain, acmeDirectory, hasFiles, domains }: AutomaticOptions): readonly Finding[] {
  if (baseDomain === 'localhost' || acmeDirectory === '') return []
  const wildcard = `*.${baseDomain}`
  if (domains === undefined) {
    const cure = 'start the server, then run the doctor again'
    return hasFiles ? [] : [notChecked(`certificate of ${wildcard}`, 'they come while the server runs', cure)]
  }
  const isMissing = !hasFiles && !domains.some(({ names }) => names.includes(wildcard))
  const noResponder = failed(
    `certificate of ${wildcard}`,
    'none comes: the DNS responder, which proves it, is off',
    'set dns-port to 53 and public-address to the addresses of this VPS, or list files in tls-cert',
  )
  return [...domains.flatMap(oneDomain), ...(isMissing ? [noResponder] : [])]
}

function oneDomain({ domain, certificate, problem, checks }: OwnDomain): readonly Finding[] {
  const step = `certificate of ${domain}`
  const found = checks
    .filter(({ state }) => state !== 'ok')
    .map(({ state, message, cure, ...check }) => ({
      ...{ step: `${check.step} of ${check.name}`, state, message, cure: cure || 'run the doctor again in a minute' },
    }))
  if (certificate !== undefined && problem === undefined)
    return [ok(step, `until ${certificate.endsAt.toISOString().slice(0, 10)}, by ${certificate.issuer}`), ...found]
  if (found.some(({ state }) => state === 'failed')) return found
  const there = certificate === undefined ? 'not there yet' : 'it could not be renewed'
  const message = problem === undefined ? `${there}: the server is getting it` : `${there}: ${problem.message}`
  return [failed(step, message, problem?.cure || 'run the doctor again in a minute'), ...found]
}
