// Where certificates that come by themselves meet the rest of the server: who orders them, who is told.
import type { Clock } from '@pbt/proto'
import { ariIdOf } from './certs/acme/issuer/ari.ts'
import { openIssuer } from './certs/acme/issuer/issuer.ts'
import type { KeyFiles } from './certs/acme/key-files.ts'
import type { DomainNews } from './certs/acme/news.ts'
import { type Acme, openAcme } from './certs/acme/open.ts'
import { lookupFor } from './certs/acme/preflight/lookup.ts'
import { preflightOver } from './certs/acme/preflight/open.ts'
import type { AcmeSource } from './certs/acme/source.ts'
import type { AskOutside } from './certs/acme/types.ts'
import type { Config } from './config/config.ts'
import type { Log } from './observe/log.ts'
import type { Tell } from './owner/event.ts'
import {
  domainAdded,
  domainFailed,
  domainIssued,
  domainOrdered,
  domainRenewed,
  domainVerified,
} from './owner/happenings.ts'
import { AGENT } from './process/version.ts'
import type { Store } from './store/store.ts'

/** What the server has for it. */
export interface AutomaticOptions {
  readonly config: Config
  readonly store: Store
  readonly keys: KeyFiles
  readonly source: AcmeSource
  readonly hasOwn: (name: string) => boolean
  /** Whether a newer process answers beside this one. */
  readonly hasStandIn: () => boolean
  readonly askOutside: AskOutside
  /** This process has changed something. Resolves when it is in force here. */
  readonly changed: () => Promise<void>
  /** Everything was read again: certificates may have come or gone, or stand elsewhere on their way. */
  readonly read: () => void
  readonly tell: Tell
  readonly clock: Clock
  readonly log: Log
}

/** Nothing is ordered before its `start`. Rejects when the database cannot be read. */
export async function openAutomatic(options: AutomaticOptions): Promise<Acme> {
  const { config, store, hasStandIn, tell, log, ...rest } = options
  return await openAcme({
    ...rest,
    config,
    records: store.domains,
    issuer: openIssuer({ userAgent: AGENT, log, lookup: lookupFor(config.dnsResolver) }),
    ariIdOf,
    looks: known => preflightOver({ config, ...known, askOutside: options.askOutside }),
    hasOthers: hasStandIn,
    news: newsTo(tell),
    log,
  })
}

function newsTo(tell: Tell): DomainNews {
  return {
    added: domain => tell(domainAdded(domain)),
    verified: domain => tell(domainVerified(domain)),
    ordered: domain => tell(domainOrdered(domain)),
    issued: (domain, notAfter) => tell(domainIssued(domain, notAfter)),
    renewed: (domain, notAfter) => tell(domainRenewed(domain, notAfter)),
    failed: (domain, problem) => tell(domainFailed(domain, problem)),
  }
}
