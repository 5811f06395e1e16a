// What DNS says of a name: by a resolver, as most of the world sees it, and by the servers of its own zone, as a CA sees it.
import { randomBytes } from 'node:crypto'
import type { Answer } from 'dns-packet'
import { ask, type Query, type RecordType, type Reply, type Server, serverText } from './exchange.ts'

/** Aliases that are followed, one behind the other. */
const MAX_ALIASES = 8
/** Servers of one zone that are asked. */
const MAX_SERVERS = 4
/** Records of one answer that count. */
const MAX_RECORDS = 50
/** Levels above a name that may be a zone of their own. */
const MAX_LEVELS = 12

/** What a look-up came to. `by`: who said so, to be shown. */
export type Found =
  | { readonly kind: 'found'; readonly records: readonly Answer[]; readonly by: string }
  /** There is none: a definite answer. `ttlSeconds`: how long resolvers may remember that. */
  | { readonly kind: 'none'; readonly isName: boolean; readonly by: string; readonly ttlSeconds: number }
  | { readonly kind: 'failed'; readonly rcode: string; readonly by: string }
  | { readonly kind: 'silent'; readonly how: string; readonly by: string }

export interface WorldOptions {
  /** Asked in order. */
  readonly resolvers: readonly Server[]
  /** Everything goes to the resolvers, as the owner has said; else a zone's own servers are asked too. */
  readonly isResolverOnly: boolean
  /** The port of a zone's own servers. */
  readonly authorityPort?: number
  /** How long a server has for each try, milliseconds. */
  readonly tryMs?: number
}

interface Zone {
  readonly name: string
  readonly servers: readonly Server[]
}

/** One look at the world: what was found once is not asked again. Never rejects. */
export class World {
  private readonly options: WorldOptions
  private readonly signal: AbortSignal
  private readonly asked = new Map<string, Promise<Found>>()
  private readonly zones = new Map<string, Promise<Zone | undefined>>()

  constructor(options: WorldOptions, signal: AbortSignal) {
    this.options = options
    this.signal = signal
  }

  /** What a resolver says. `isUnchecked`: also what DNSSEC finds forged. */
  async resolved(name: string, type: RecordType, isUnchecked = false): Promise<Found> {
    const query = { name, type, isRecursive: true, isUnchecked }
    return await this.once(`${name} ${type} ${isUnchecked}`, () => this.askAny(this.options.resolvers, query))
  }

  /** What the servers of its own zone say, or a resolver where they cannot be found or may not be asked. */
  async own(name: string, type: RecordType): Promise<Found> {
    return await this.once(`${name} ${type} own`, async () => {
      let at = name
      // An alias whose end is nowhere is what there is.
      let last: Found | undefined
      for (let aliases = 0; aliases < MAX_ALIASES; aliases++) {
        const zone = await this.zoneOf(at)
        if (zone === undefined) return await this.resolved(name, type)
        const found = await this.askAny(zone.servers, { name: at, type, isRecursive: false })
        const [alias] = found.kind === 'found' && type !== 'CNAME' ? found.records : []
        if (alias?.type !== 'CNAME') return found.kind === 'none' && last !== undefined ? last : found
        if (found.kind === 'found') last = found
        at = alias.data.toLowerCase()
      }
      return { kind: 'failed', rcode: 'a loop of aliases', by: name }
    })
  }

  /** The servers that `name` is delegated to, by those of the zone above it: NS records, as far as there are any. */
  async delegation(name: string): Promise<Found> {
    const zone = await this.zoneOf(parentOf(name))
    if (zone === undefined) return await this.resolved(name, 'NS')
    return await this.once(`${name} delegation`, () =>
      this.askAny(zone.servers, { name, type: 'NS', isRecursive: false }, true),
    )
  }

  /** Whether a name beside this one, which nobody can have created, has an address: then a wildcard answers for all. */
  async isWildcardBeside(name: string): Promise<boolean> {
    const other = `pbt-${randomBytes(6).toString('hex')}.${parentOf(name)}`
    return (await this.own(other, 'A')).kind === 'found' || (await this.own(other, 'AAAA')).kind === 'found'
  }

  /** Who is asked for this name, to be shown. */
  async serversOf(name: string): Promise<string> {
    const zone = await this.zoneOf(name)
    return (zone?.servers ?? this.options.resolvers).map(serverText).join(', ')
  }

  /** The zone that the name is in, with the addresses of its servers; undefined when a resolver has to be asked instead. */
  private async zoneOf(name: string): Promise<Zone | undefined> {
    if (this.options.isResolverOnly) return undefined
    let at = name
    for (let level = 0; level < MAX_LEVELS && at !== ''; level++) {
      const zone = await this.zoneAt(at)
      if (zone !== undefined) return zone.servers.length > 0 ? zone : undefined
      at = parentOf(at)
    }
    return undefined
  }

  private zoneAt(name: string): Promise<Zone | undefined> {
    const known = this.zones.get(name)
    if (known !== undefined) return known
    const asking = this.readZone(name)
    this.zones.set(name, asking)
    return asking
  }

  private async readZone(name: string): Promise<Zone | undefined> {
    const found = await this.resolved(name, 'NS')
    if (found.kind !== 'found') return undefined
    const names = found.records.flatMap(each =>
      each.type === 'NS' && each.name.toLowerCase() === name ? [each.data.toLowerCase()] : [],
    )
    if (names.length === 0) return undefined
    const port = this.options.authorityPort ?? 53
    const addresses = await Promise.all(
      names.slice(0, MAX_SERVERS).map(async each => {
        const both = await Promise.all([this.resolved(each, 'A'), this.resolved(each, 'AAAA')])
        return addressesIn(both)
      }),
    )
    // One of each name first: a name server may have an address that this machine cannot reach.
    const all = [...addresses.flatMap(each => each.slice(0, 1)), ...addresses.flatMap(each => each.slice(1))]
    return { name, servers: all.slice(0, MAX_SERVERS).map(address => ({ address, port })) }
  }

  private once(key: string, look: () => Promise<Found>): Promise<Found> {
    const known = this.asked.get(key)
    if (known !== undefined) return known
    const asking = look()
    this.asked.set(key, asking)
    return asking
  }

  /** The first that says something definite; else what the last one said. */
  private async askAny(servers: readonly Server[], query: Query, isReferral = false): Promise<Found> {
    let found: Found = { kind: 'silent', how: 'there is no server to ask', by: 'this machine' }
    for (const server of servers.slice(0, MAX_SERVERS)) {
      found = judged(await ask(server, query, this.signal, this.options.tryMs), query, serverText(server), isReferral)
      if (found.kind === 'found' || found.kind === 'none') return found
    }
    return found
  }
}

/** The addresses among records of both types. */
export function addressesIn(found: readonly Found[]): string[] {
  return found.flatMap(each =>
    each.kind === 'found'
      ? each.records.flatMap(record => (record.type === 'A' || record.type === 'AAAA' ? [record.data] : []))
      : [],
  )
}

/** `b.example` for `a.b.example`; '' above the top. */
export function parentOf(name: string): string {
  const dot = name.indexOf('.')
  return dot < 0 ? '' : name.slice(dot + 1)
}

/** `isReferral`: NS records beside the answer count too, as the servers of the zone above give them. */
function judged(reply: Reply, { name, type }: Query, by: string, isReferral: boolean): Found {
  if (reply.kind === 'silent') return { kind: 'silent', how: reply.how, by }
  const { rcode, answers, authorities } = reply
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') return { kind: 'failed', rcode, by }
  const records = chain(name, type, answers.slice(0, MAX_RECORDS))
  if (records.length > 0) return { kind: 'found', records, by }
  const referred = isReferral ? chain(name, 'NS', authorities.slice(0, MAX_RECORDS)) : []
  if (referred.length > 0) return { kind: 'found', records: referred, by }
  const soa = authorities.find(each => each.type === 'SOA')
  const ttlSeconds = soa?.type === 'SOA' ? Math.min(soa.ttl ?? 0, soa.data.minimum ?? 0) : 0
  return { kind: 'none', isName: rcode === 'NOERROR', by, ttlSeconds }
}

/**
 * The records of a name, behind its aliases: what else an answer contains is nobody's business. An alias whose end is not in the
 * answer is the last record.
 */
function chain(name: string, type: RecordType, answers: readonly Answer[]): Answer[] {
  let at = name.toLowerCase()
  let alias: Answer | undefined
  for (let aliases = 0; aliases < MAX_ALIASES; aliases++) {
    const ofName = answers.filter(each => each.name.toLowerCase() === at)
    const records = ofName.filter(each => each.type === type)
    if (records.length > 0) return records
    const next = ofName.find(each => each.type === 'CNAME')
    if (next?.type !== 'CNAME') break
    alias = next
    at = next.data.toLowerCase()
  }
  return alias === undefined ? [] : [alias]
}
