// The owner's verbs, over the parts of a server that runs, or over its database alone.
import { type Clock, PROTOCOL_MAJOR, PROTOCOL_MINOR } from '@pbt/proto'
import type { TokenCheck } from './access/token-check.ts'
import type { TokenBook } from './access/tokens.ts'
import { Checks } from './certs/acme/checks.ts'
import { preflightOver } from './certs/acme/preflight/open.ts'
import type { Preflight } from './certs/acme/types.ts'
import type { CertificateEnd } from './certs/source.ts'
import { describeSettings, type Settings, showPortRange } from './config/config.ts'
import type { AccessLog } from './observe/access-log.ts'
import type { TunnelFigures } from './observe/tunnel-figures.ts'
import { AddressVerbs } from './owner/addresses.ts'
import { ClientVerbs } from './owner/clients.ts'
import { DomainVerbs } from './owner/domains.ts'
import type { Tell } from './owner/event.ts'
import type { Events } from './owner/events.ts'
import { type ExplainedTunnel, ExplainVerb } from './owner/explain.ts'
import { type LiveLog, LogVerbs } from './owner/log.ts'
import { MetricsVerbs } from './owner/metrics.ts'
import type { Owner } from './owner/owner.ts'
import { PanelVerbs, type Visitor } from './owner/panel.ts'
import { restingPorts } from './owner/ports.ts'
import { ServerVerbs } from './owner/server-info.ts'
import { TokenVerbs } from './owner/tokens.ts'
import { TunnelVerbs } from './owner/tunnels.ts'
import { resolveHost } from './process/resolve.ts'
import { VERSION } from './process/version.ts'
import { type Address, keptAddress, type Protocol } from './relay/address.ts'
import type { Keyring } from './relay/keyring.ts'
import type { Relay } from './relay/open.ts'
import { urlOf as visitorUrl } from './relay/urls.ts'
import type { LogStore } from './store/log-store.ts'
import type { Store } from './store/store.ts'

/** What a server has that runs. */
export interface RunningParts {
  readonly relay: Relay
  readonly figures: TunnelFigures
  readonly access: AccessLog
  readonly log: LiveLog
  readonly events: Events
  readonly keyring: Keyring & {
    readonly faults: readonly string[]
    readonly ends: readonly CertificateEnd[]
  }
  /** The ports that are bound. */
  readonly ports: () => { readonly https: number; readonly http: number }
  /** Whether the port of a TCP or UDP tunnel is listened on. */
  readonly listens: (protocol: Protocol, number: number) => boolean
  readonly hasStandIn: () => boolean
  readonly panelBuild: () => string
  readonly startedAt: Date
}

/** What the owner's commands work on: the database, and a server if one runs in this process. */
export interface VerbOptions {
  readonly settings: Settings
  readonly store: Store
  readonly records: LogStore
  readonly tokens: TokenBook
  /** Judges who logs in. */
  readonly check: TokenCheck
  readonly loginRefused: (visitor: Visitor) => void
  readonly onError: (error: unknown) => void
  /** Something has changed that a running server has to notice. Resolves when it is in force here. */
  readonly changed: () => Promise<void>
  readonly tell: Tell
  /** What looks at domains; undefined: no certificate comes automatically, or no server runs. */
  readonly checks?: Preflight | undefined
  /** A tunnel has, or is to have, this address. */
  readonly certificateWanted?: (address: Address) => void
  readonly clock: Clock
  /** Undefined: no server runs. */
  readonly running: RunningParts | undefined
}

/** All that the owner can ask for; without `running` it is done in the database alone. */
export function verbsOver(options: VerbOptions): Owner {
  const { settings, store, records, tell, running } = options
  const { baseDomain } = settings.config
  const addresses = () => store.addresses.list()
  const urlOf = (address: string) => visitorUrl(keptAddress(address, baseDomain), baseDomain, httpsPortOf(options))
  const tunnels = tunnelsOver(options)
  const domains = domainsOver(options)
  return {
    addresses: addressesOver(options),
    clients: new ClientVerbs({
      records: store.clients,
      live: running?.relay.sessions,
      history: (id, before, most) => (running?.events ?? store.events).ofClient(id, before, most),
      tell,
    }),
    domains,
    tunnels,
    tokens: tokensOver(options),
    panel: panelOver(options, () => urlOf('admin')),
    log: new LogVerbs({ records, live: running?.log, addresses }),
    metrics: new MetricsVerbs(records),
    server: serverOver(options),
    explain: explainOver(options, tunnels, domains),
    urlOf,
  }
}

function addressesOver({ settings, store, certificateWanted, changed, tell, running }: VerbOptions): AddressVerbs {
  const { baseDomain, portRange, httpsPort, httpPort, publicHttpsPort, publicHttpPort, metricsPort } = settings.config
  const own = [httpsPort, httpPort, publicHttpsPort, publicHttpPort, metricsPort]
  return new AddressVerbs({
    records: store.addresses,
    baseDomain,
    ports: running?.relay.ports ?? restingPorts(portRange, own),
    certificateWanted: certificateWanted ?? (() => {}),
    connectionsOf: tunnel => (tunnel === '' ? [] : (running?.relay.live.connections(tunnel) ?? [])),
    changed,
    tell,
  })
}

function tunnelsOver({ store, changed, tell, running }: VerbOptions): TunnelVerbs {
  return new TunnelVerbs({
    records: store.tunnels,
    addresses: () => store.addresses.list(),
    live: running?.relay.live,
    figures: running?.figures,
    waitingAt: address => running?.relay.waitingAt(address),
    changed,
    tell,
  })
}

function tokensOver({ store, changed, tell, running }: VerbOptions): TokenVerbs {
  return new TokenVerbs({
    records: store.tokens,
    live: running && {
      clients: () => running.relay.sessions.clients(),
      offer: (id, token, ms) => running.relay.tokenOffer.offer(id, token, ms),
    },
    changed,
    tell,
  })
}

function explainOver(options: VerbOptions, tunnels: TunnelVerbs, domains: DomainVerbs): ExplainVerb {
  const { settings, store, running } = options
  const { baseDomain, dnsResolver, publicAddress } = settings.config
  return new ExplainVerb({
    baseDomain,
    addresses: () => store.addresses.list(),
    tunnel: name => explained(tunnels, name),
    running: running && {
      covers: host => running.keyring.covers(host, host),
      waitingAt: address => running.relay.waitingAt(address),
      httpsPort: () => httpsPortOf(options),
      listens: running.listens,
    },
    resolve: host => resolveHost(host, dnsResolver),
    domainSteps: name => domains.check(name),
    publicAddresses: publicAddress,
  })
}

/** As visitors come by it. */
function httpsPortOf({ settings, running }: VerbOptions): number {
  const { publicHttpsPort, httpsPort } = settings.config
  return publicHttpsPort || (running?.ports().https ?? httpsPort)
}

function domainsOver({ settings, store, checks, changed, tell, running }: VerbOptions): DomainVerbs {
  const { baseDomain, publicAddress, acmeDirectory, dnsPort } = settings.config
  return new DomainVerbs({
    records: store.domains,
    addresses: store.addresses,
    place: { baseDomain, publicAddress },
    isAskedFor: ({ address, tunnel, isExpected }) =>
      running === undefined
        ? isExpected
        : running.relay.live.tunnels().has(tunnel) || running.relay.live.isAwaited(address),
    directory: acmeDirectory,
    hasResponder: dnsPort !== 0,
    preflight: checks ?? new Checks(restingLooks(settings), dnsPort !== 0),
    changed,
    tell,
  })
}

/** Looks of a command, when no server runs. */
function restingLooks({ config }: Settings): Preflight {
  return preflightOver({ config, ownNames: () => [], accountUrl: () => '' })
}

async function explained(tunnels: TunnelVerbs, name: string): Promise<ExplainedTunnel | undefined> {
  const tunnel = await tunnels.find(name)
  if (tunnel === undefined) return undefined
  const { health, ...rest } = tunnel
  return { ...rest, health: health && { answers: health.isAnswering, message: health.message, at: health.since } }
}

function panelOver(options: VerbOptions, url: () => string): PanelVerbs {
  const { store, tokens, check, loginRefused: refused, onError, clock, tell, running } = options
  return new PanelVerbs({
    ...{ records: store.panelSessions, tokens, check, refused, onError, clock, tell },
    endOf: hash => store.tokens.endOf(hash),
    url: () => (running === undefined ? undefined : url()),
  })
}

function serverOver({ settings, running }: VerbOptions): ServerVerbs {
  const { baseDomain, portRange, dataDir } = settings.config
  return new ServerVerbs({
    fixed: {
      ...{ version: VERSION, nodeVersion: process.version },
      ...{ protocolMajor: PROTOCOL_MAJOR, protocolMinor: PROTOCOL_MINOR, baseDomain, dataDir },
      ...{ portRange: showPortRange(portRange), startedAt: running?.startedAt, settings: describeSettings(settings) },
    },
    ports: () => running?.ports() ?? { https: 0, http: 0 },
    hasStandIn: () => running?.hasStandIn() ?? false,
    panelBuild: () => running?.panelBuild() ?? '',
    certificateFaults: () => running?.keyring.faults ?? [],
    certificateEnds: () => running?.keyring.ends ?? [],
    lostRecords: () => running?.access.figures.dropped ?? 0,
  })
}
