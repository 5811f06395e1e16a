// The preflight over two DNS servers of our own, the zone's and a resolver: a test says what they have, looks, and judges one finding.
import assert from 'node:assert/strict'
import { after, beforeEach } from 'node:test'
import type { CaView } from '../../../src/certs/acme/preflight/clock.ts'
import { openPreflight, type PreflightOptions } from '../../../src/certs/acme/preflight/preflight.ts'
import type { AskOutside, Check, OutsideView, ProofKind } from '../../../src/certs/acme/types.ts'
import { type Fault, TestDns } from './test-dns.ts'

export const V4 = '203.0.113.7'
export const V6 = '2001:db8::7'
export const BASE = 'tunnel.example'
export const ZONE = `acme.${BASE}`
export const NAME = 'app.mine.uk'
export const LABEL = `k3f9x2.${ZONE}`
export const NOW = new Date('2026-11-28T12:00:00Z')

const ends: (() => unknown)[] = []
const cleaner = { after: (end: () => unknown) => void ends.push(end) }
after(() => {
  for (const end of ends) end()
})

/** Everything right: a custom domain over HTTP, and the base domain delegated. */
export const RIGHT = [
  'example NS ns.provider.test',
  `${BASE} NS ns.provider.test`,
  'mine.uk NS ns.provider.test',
  'ns.provider.test A 127.0.0.2',
  `${BASE} A ${V4}`,
  `${NAME} A ${V4}`,
  `${ZONE} NS ${BASE}`,
  `_acme-challenge.${BASE} CNAME ${LABEL}`,
  `_acme-challenge.${NAME} CNAME ${LABEL}`,
]
const CUTS = [ZONE]

/** What every machine asks. */
export const resolver = await TestDns.start(cleaner, '127.0.0.1', 0, true, { records: [] })
/** The servers of all zones. */
export const authority = await TestDns.start(cleaner, '127.0.0.2', resolver.port, false, { records: [] })

interface World {
  /** For both. */
  readonly records?: readonly string[]
  readonly faults?: Readonly<Record<string, Fault>>
  /** What the resolver says instead. */
  readonly resolved?: readonly string[]
  readonly resolverFaults?: Readonly<Record<string, Fault>>
}

/** What they have from now on; before each test everything is right. */
export function world({ records = RIGHT, faults = {}, resolved = records, resolverFaults = {} }: World): void {
  authority.zones = { records, faults, cuts: CUTS }
  resolver.zones = { records: resolved, faults: resolverFaults }
}
beforeEach(() => world({}))

/** Everything right but for the lines that begin so. */
export const without = (...lines: readonly string[]) => RIGHT.filter(line => !lines.some(each => line.startsWith(each)))
/** What a client sees from outside. */
export const reachable: OutsideView = { isReachable: true, isRefused: false, words: 'seen by laptop' }
export const timedOut: OutsideView = { isReachable: false, isRefused: false, words: 'laptop: timed out' }
export const refused: OutsideView = { isReachable: false, isRefused: true, words: 'laptop: refused' }

/** What is asked for, and what the server knows of itself. */
export interface Asked {
  readonly names?: readonly string[]
  readonly proof?: ProofKind
  readonly addresses?: readonly string[]
  readonly ca?: CaView | undefined
  readonly outside?: AskOutside
  readonly ownNames?: readonly string[]
  readonly accountUrl?: string
  readonly isResolverOnly?: boolean
  readonly tryMs?: number
  readonly httpPort?: number
}

/** All findings. */
export async function look(asked: Asked = {}): Promise<Check[]> {
  const { names = [NAME], proof = 'http', addresses = [V4], outside = async () => reachable, ownNames = [] } = asked
  const ca = 'ca' in asked ? asked.ca : { date: NOW, identities: ['letsencrypt.org'] }
  const options: PreflightOptions = {
    place: {
      baseDomain: BASE,
      publicAddresses: addresses,
      httpPort: asked.httpPort ?? 80,
      dnsPort: 53,
      ownNames: () => ownNames,
    },
    world: () => ({
      resolvers: [resolver],
      isResolverOnly: asked.isResolverOnly ?? false,
      authorityPort: authority.port,
      ...(asked.tryMs === undefined ? {} : { tryMs: asked.tryMs }),
    }),
    askCa: async () => ca,
    accountUrl: () => asked.accountUrl ?? '',
    askOutside: outside,
    now: () => NOW,
  }
  const delegation = new Map(names.map(name => [name.replace('*.', ''), LABEL]))
  const found: Check[] = []
  for await (const check of openPreflight(options).check({ names, proof, delegation }, AbortSignal.timeout(30_000)))
    found.push(check)
  return found
}

/** The worst finding of a step. */
export async function step(name: string, asked: Asked = {}): Promise<Check> {
  const found = await look(asked)
  const [first] = ['failed', 'waiting', 'not-checked', 'ok'].flatMap(state =>
    found.filter(check => check.step === name && check.state === state),
  )
  assert.ok(first !== undefined, `${name} in ${JSON.stringify(found)}`)
  return first
}

interface Expected {
  readonly state: Check['state']
  readonly says: RegExp
  readonly cure?: RegExp
  readonly record?: string
}

/** A finding is this, in state, words, cure ('' by default) and record (none by default). */
export function is(check: Check, { state, says, cure, record }: Expected): void {
  assert.equal(check.state, state, JSON.stringify(check))
  assert.match(check.message, says)
  assert.match(check.cure, cure ?? /^$/)
  const text = check.record && `${check.record.name} ${check.record.type} ${check.record.value}`
  assert.equal(text, record)
}

/** The base domain and its wildcard, by DNS. */
export const delegated: Asked = { names: [`*.${BASE}`, BASE], proof: 'delegated' }
