// Certificates that come by themselves: what is kept of them, who answers for them, and who orders them.
import { readFileSync } from 'node:fs'
import type { Clock } from '@pbt/proto'
import type { Config } from '../../config/config.ts'
import { DEVELOPMENT_DOMAIN } from '../../config/config.ts'
import type { Log } from '../../observe/log.ts'
import type { Address } from '../../relay/address.ts'
import { Challenges } from './challenges.ts'
import { Checks } from './checks.ts'
import { ThisProcess } from './holder.ts'
import type { KeyFiles } from './key-files.ts'
import { Missing } from './missing.ts'
import { baseDomains, labelOf, MAX_DOMAINS, needsOwnCertificate, newDomain, zoneOf } from './names.ts'
import type { DomainNews } from './news.ts'
import { Orders } from './orders.ts'
import type { KeptCertificate, KeptDomain, OrderRecords } from './records.ts'
import { type AcmeSource, certificatesOf } from './source.ts'
import type { Authority, Issuer, Preflight, TxtSource } from './types.ts'

/** The settings that it goes by. */
export type AcmeSettings = Pick<
  Config,
  'baseDomain' | 'publicAddress' | 'dnsPort' | 'acmeDirectory' | 'acmeCa' | 'acmeEmail' | 'acmeProfile'
>

/** What the looks at DNS may want to know. */
export interface Known {
  readonly ownNames: () => readonly string[]
  /** The account's URL at the CA; '' when there is none yet. */
  readonly accountUrl: () => string
}

/** What it is made of. */
export interface AcmeOptions {
  readonly config: AcmeSettings
  readonly records: OrderRecords
  readonly keys: KeyFiles
  readonly source: AcmeSource
  readonly issuer: Issuer
  readonly ariIdOf: (chain: string) => string
  /** What looks at DNS and ports; it is told what is known here. */
  readonly looks: (known: Known) => Preflight
  /** Whether the owner's own files cover a name, where a `*` stands for any label. */
  readonly hasOwn: (name: string) => boolean
  /** Whether another process of this server may be asked instead of this one. */
  readonly hasOthers: () => boolean
  /** Something has changed. Resolves when it is in force here. */
  readonly changed: () => Promise<void>
  /** Everything was read again: certificates may have come or gone, or stand elsewhere on their way. */
  readonly read: () => void
  readonly news: DomainNews
  readonly clock: Clock
  readonly log: Log
}

/** Answers from the database's last reading; makes orders from `start` on. */
export interface Acme {
  /** For the DNS responder. */
  readonly txt: TxtSource
  /** What a domain needs, looked at before each order. */
  readonly checks: Preflight
  /** The key authorization for a token of HTTP-01; undefined: it is none of this server's. */
  answerTo(token: string): string | undefined
  /** Reads everything again. */
  load(): Promise<void>
  /** Why an address has no certificate, and what to do. */
  missing(address: Address): { readonly reason: string; readonly cure: string }
  /** A tunnel has this address, or is to have it: a certificate is to come. Waits for nothing, never throws. */
  wanted(address: Address): void
  start(): void
  /** Ends what is under way; the next process goes on. Never rejects. */
  stop(): Promise<void>
}

/** Everything that is kept is known when this resolves. Rejects when the database cannot be read. */
export async function openAcme(options: AcmeOptions): Promise<Acme> {
  const { config, records, source, clock, log } = options
  const { baseDomain } = config
  const challenges = new Challenges({ records, zone: zoneOf(baseDomain), hasOthers: options.hasOthers, clock })
  const missing = new Missing({ ...config, hasResponder: config.dnsPort !== 0 })
  let accountUrl = ''
  const looks = options.looks({ ownNames: () => missing.names, accountUrl: () => accountUrl })
  const checks = new Checks(looks, config.dnsPort !== 0)
  const orders = ordersOf(options, challenges, checks)
  await keepBase(options)
  const load = async () => {
    const [domains, certificates] = [await records.domains(), await records.certificates()]
    const labels = domains.flatMap(({ names }) => names.map(labelOf))
    challenges.load(await records.challenges(), labels)
    missing.load(domains)
    accountUrl = (await records.account(config.acmeDirectory))?.url ?? ''
    source.load(domains, certificates)
    options.read()
    orders.look()
  }
  await load()
  return {
    txt: challenges,
    checks,
    answerTo: token => challenges.answerTo(token),
    load,
    missing: address => missing.of(address),
    wanted: address => {
      if (!needsOwnCertificate(address) || missing.has(address) || options.hasOwn(address.key)) return
      add(address, options).catch((error: unknown) => {
        log.error('cannot save that a domain needs a certificate', { name: address.text, error: String(error) })
      })
    },
    start: () => orders.start(),
    stop: () => orders.stop(),
  }
}

function ordersOf(options: AcmeOptions, challenges: Challenges, checks: Preflight): Orders {
  const { config } = options
  const me = new ThisProcess()
  return new Orders({
    ...options,
    challenges,
    preflight: checks,
    authority: () => authorityIn(config),
    directory: config.acmeDirectory,
    ...{ baseDomain: config.baseDomain, email: config.acmeEmail, profile: config.acmeProfile },
    isWanted: (domain, certificates) =>
      !domain.names.every(options.hasOwn) && !isStandIn(domain, certificates, config.baseDomain),
    holder: me.holder,
    isGone: holder => me.isGone(holder),
    now: Date.now,
    random: Math.random,
  })
}

/** Throws when the file of roots cannot be read. */
function authorityIn({ acmeDirectory: directory, acmeCa }: AcmeSettings): Authority {
  return { directory, ca: acmeCa === '' ? '' : readFileSync(acmeCa, 'utf8') }
}

/** What the server started with is needed no more once the wildcard is there, and again when that is about to end. */
function isStandIn(domain: KeptDomain, certificates: readonly KeptCertificate[], baseDomain: string): boolean {
  if (!domain.isBase || domain.proof !== 'http') return false
  const [wildcard] = certificatesOf({ names: [`*.${baseDomain}`, baseDomain] }, certificates)
  if (wildcard === undefined) return false
  const [from, until] = [wildcard.notBefore.getTime(), wildcard.notAfter.getTime()]
  return until - Date.now() > (until - from) / 6
}

/** The server's own names, where the owner's files do not cover them. No CA knows localhost. */
async function keepBase({ config, records, hasOwn }: AcmeOptions): Promise<void> {
  const { baseDomain, dnsPort } = config
  const all = baseDomain === DEVELOPMENT_DOMAIN ? [] : baseDomains(baseDomain, dnsPort !== 0)
  const wanted = all.filter(({ names }) => !names.every(hasOwn))
  for (const { name, isBase } of await records.domains()) {
    if (isBase && !wanted.some(each => each.name === name)) await records.removeDomain(name)
  }
  for (const domain of wanted) await records.addDomain(domain)
}

async function add({ text }: Address, { config, records, changed, news }: AcmeOptions): Promise<void> {
  if ((await records.domains()).length >= MAX_DOMAINS) throw new Error(`there are ${MAX_DOMAINS} domains, the most`)
  const domain = newDomain([text], undefined, config)
  if (!(await records.addDomain(domain))) return
  news.added(domain.name)
  await changed()
}
