// The composition root: the only place where the rooms meet, with the order of start and its reasons.
import type { TLSSocket } from 'node:tls'
import { bareAddress, type Clock } from '@pbt/proto'
import { descriptorLimit } from '../../launch/descriptors.ts'
import { TokenCheck } from './access/token-check.ts'
import { TokenBook } from './access/tokens.ts'
import { type OpenApi, openApi } from './api/open.ts'
import { type AutomaticOptions, openAutomatic } from './certificates.ts'
import type { Acme } from './certs/acme/open.ts'
import { openCertificates } from './certs/open.ts'
import type { Config, Settings } from './config/config.ts'
import { openDns, socketsOf } from './dns.ts'
import type { Edge } from './edge/edge.ts'
import { type Arrivals, makeEdge, openArrivals, openEdge } from './edge/open.ts'
import { ephemeralRange } from './edge/ports/ports.ts'
import { openNotify } from './notify/notify.ts'
import type { Log } from './observe/log.ts'
import { OpenBytes } from './observe/open-bytes.ts'
import { logRefused } from './observe/refused-line.ts'
import { startTelemetry } from './observe/start-telemetry.ts'
import type { TelemetryOptions } from './observe/telemetry.ts'
import { TunnelFigures } from './observe/tunnel-figures.ts'
import { Changes } from './owner/changes.ts'
import { allowlistEnded, serverStarted, serverStopping } from './owner/happenings.ts'
import { lettingIn } from './owner/let-in.ts'
import { openEvents, tellingFaults } from './owner/open.ts'
import type { Owner } from './owner/owner.ts'
import { bindFailure } from './process/bind-failure.ts'
import { socketIds } from './process/inherited.ts'
import { type Succession, serve } from './process/successor.ts'
import { usableAddresses } from './process/usable-addresses.ts'
import { AGENT, VERSION } from './process/version.ts'
import { openRelay, type Relay, type RelayOptions } from './relay/open.ts'
import { Registry } from './relay/registry.ts'
import { shutDown } from './shutdown.ts'
import { openStores } from './store/open.ts'
import { verbsOver } from './verbs.ts'

/** How long a stopping server waits until that is written, milliseconds. */
const STOPPING_MS = 500

export interface ServerOptions {
  readonly settings: Settings
  readonly log: Log
  readonly clock: Clock
  /** Descriptors of listening sockets that were opened before this process; they outlive it. */
  readonly sockets?: readonly number[]
  /** Lines of log and output that were dropped. */
  readonly linesDropped?: () => number
}

export interface RunningServer {
  /** The ports that are bound. */
  readonly ports: { readonly https: number; readonly http: number }
  /** The certificate of the development authority. */
  readonly authorityFile: string | undefined
  /** What its owner may do. */
  readonly owner: Owner
  /** Reads the certificate files again. */
  reload(): void
  /** Ends in order: what is in flight may end within `drain-seconds`. */
  stop(): Promise<void>
}

/** Starts the server; it serves when this resolves. Rejects with Failure, and then nothing is left open. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  // What was started, to be ended in the opposite order.
  const ends: (() => void | Promise<void>)[] = []
  const endAll = async () => {
    for (const end of ends.reverse()) await end()
  }
  try {
    return await open(options, end => ends.push(end), endAll)
  } catch (error) {
    await endAll()
    throw bindFailure(error, options.settings.config)
  }
}

type OnEnd = (end: () => void | Promise<void>) => void

async function open(options: ServerOptions, onEnd: OnEnd, endAll: () => Promise<void>): Promise<RunningServer> {
  const { log, clock, sockets = [] } = options
  const config = await usableConfig(options)
  const { baseDomain, dataDir } = config
  const kept = await openKept(config, options, onEnd)
  const { store, access, events } = kept
  const late: Late = {}
  const served = () => {
    late.relay?.sessions.tellAgain()
    tellFaults()
  }
  const certificates = openCertificates(config, log.child({ room: 'certs' }), served)
  const { keyring, authorityFile, automatic } = certificates
  onEnd(() => keyring.close())
  const tellFaults = tellingFaults(() => keyring.faults, events.tell)
  // What is there already serves from the first visitor on.
  const acme =
    automatic && (await openAutomatic(automaticOf(options, kept, { ...certificates, ...automatic }, late, served)))
  onEnd(() => acme?.stop())

  // Addresses before anybody can ask for one: an unknown one is answered with 404, a remembered one is awaited.
  const registry = new Registry(clock)
  onEnd(() => registry.close())
  const visiting = { config, registry, access, clock, log: log.child({ room: 'edge' }) }
  const arrivals = openArrivals({ ...visiting, sockets, descriptors: descriptorLimit() })
  onEnd(arrivals.end)
  const tokens = new TokenBook(await store.tokens.live())
  const httpsPort = () => config.publicHttpsPort || edge.ports.https
  const parts = { config, kept, registry, arrivals, keyring, acme, tokens, httpsPort, clock, log }
  const relay = await relayOf({ ...parts, letIn: lettingIn(() => owner.addresses) })
  late.relay = relay
  onEnd(() => relay.end())
  const figures = openFigures(kept, relay, clock, onEnd)
  const acceptLink = (socket: TLSSocket) => relay.links.accept(socket)
  const acceptAdmin = (socket: TLSSocket) => admin.api.accept(socket)
  const challenge = (token: string) => acme?.answerTo(token)
  const edge = makeEdge({ ...visiting, keyring, arrivals, acceptLink, acceptAdmin, challenge })
  onEnd(() => edge.close())
  const { owner, admin, changes } = await openOwner(
    { ...parts, settings: options.settings, relay, figures, edge, standIn: late },
    onEnd,
  )
  late.changes = changes

  // Figures before the first visitor, so that none is missed.
  onEnd(await startTelemetry(telemetryOf({ ...parts, relay, edge }, options)))
  // The ports last: everything behind them is there.
  const { forDns, others } = socketsOf(config, sockets, log)
  onEnd(await openDns({ config, forDns, acme, isShared: sockets.length > 0, clock, log }))
  await openEdge(edge, config, others)
  const succession = serve(dataDir)
  late.succession = succession
  onEnd(() => succession.end())
  const { ports } = edge
  log.info('ready', { baseDomain, ...ports })
  events.tell(serverStarted(VERSION, baseDomain))
  tellFaults()
  // Port 80 answers now.
  acme?.start()
  const stop = async () => {
    await acme?.stop()
    events.tell(serverStopping('shutdown requested'))
    // Watchers hear of it before the stream ends.
    await events.flush(STOPPING_MS)
    const { listeners } = arrivals
    const drainMs = config.drainSeconds * 1_000
    const { sessions, links } = relay
    await shutDown({ edge, listeners, sessions, links, admin, succession, clock, drainMs })
    await endAll()
  }
  return { ports, authorityFile, owner, reload: () => keyring.reload(), stop }
}

/** What is there only once others are. */
interface Late {
  relay?: Relay
  changes?: Changes
  succession?: Succession
}

function automaticOf(
  { settings: { config }, clock, log }: ServerOptions,
  { store, events }: Kept,
  found: Pick<AutomaticOptions, 'keys' | 'source' | 'hasOwn'>,
  late: Late,
  read: () => void,
): AutomaticOptions {
  return {
    ...{ config, store, ...found, read, tell: events.tell, clock, log: log.child({ room: 'certs' }) },
    hasStandIn: () => late.succession?.hasSuccessor() === true,
    changed: async () => await late.changes?.now(),
    askOutside: async (place, signal) => await late.relay?.sessions.lookOutside(place, config.publicAddress, signal),
  }
}

/** With the addresses that this machine has. */
async function usableConfig({ settings: { config }, log }: ServerOptions): Promise<Config> {
  const [metricsAddress = config.metricsAddress] = await usableAddresses([config.metricsAddress], log)
  return { ...config, bindAddress: await usableAddresses(config.bindAddress, log), metricsAddress }
}

type Kept = Awaited<ReturnType<typeof openKept>>

/** The database first: everything else stands on it, and most of what can be wrong is wrong there. */
async function openKept(config: Config, { log, clock, sockets = [] }: ServerOptions, onEnd: OnEnd) {
  const { dataDir, accessLogDays, accessLogMegabytes } = config
  // What visitors do is recorded until the last of them has gone. With it the data directory: no other server has it but a stand-in.
  const { end: endStores, ...stores } = await openStores({
    dataDir,
    sockets: socketIds(sockets),
    accessLogDays,
    accessLogBytes: accessLogMegabytes * 1_000_000,
    log,
  })
  onEnd(endStores)
  // What happens from here on is told, until the last client has gone.
  const { store, access, turnedAway } = stores
  const { visitRefused, end: endEvents, ...told } = await openEvents({ store, turnedAway, clock, log })
  onEnd(endEvents)
  access.onRefused = visitRefused
  const notifier = openNotify({ config, events: told.events, clock, log: log.child({ room: 'notify' }) })
  onEnd(() => notifier.end())
  return { ...stores, ...told }
}

interface Parts {
  readonly config: Config
  readonly kept: Kept
  readonly registry: Registry
  readonly arrivals: Arrivals
  readonly keyring: ReturnType<typeof openCertificates>['keyring']
  /** Certificates that come by themselves. */
  readonly acme: Acme | undefined
  readonly tokens: TokenBook
  readonly httpsPort: () => number
  readonly clock: Clock
  readonly log: Log
}

async function relayOf({
  config,
  kept,
  registry,
  arrivals,
  keyring,
  acme,
  tokens,
  httpsPort,
  letIn,
  clock,
  log,
}: Parts & Pick<RelayOptions, 'letIn'>): Promise<Relay> {
  const { store, news } = kept
  return await openRelay({
    registry,
    store: store.addresses,
    tunnels: store.tunnels,
    listeners: arrivals.listeners,
    keyring,
    certificates: acme,
    baseDomain: config.baseDomain,
    httpsPort,
    portRange: config.portRange,
    ephemeral: ephemeralRange(),
    ownPorts: [
      config.httpsPort,
      config.httpPort,
      config.publicHttpsPort,
      config.publicHttpPort,
      config.metricsPort,
      config.dnsPort,
    ],
    tokens: new TokenCheck(tokens, clock),
    tokenUsed: id => {
      store.tokens.used(id).catch((error: unknown) => log.error('could not save that a token is in use', { error }))
    },
    letIn,
    agent: AGENT,
    news,
    clock,
    log: log.child({ room: 'relay' }),
  })
}

/** The figures of tunnels, what is open included. */
function openFigures({ access, records }: Kept, relay: Relay, clock: Clock, onEnd: OnEnd): TunnelFigures {
  const openBytes = new OpenBytes({
    open: () => relay.sessions.openChannels(),
    carried: (tunnel, bytesIn, bytesOut) => access.carried(tunnel, bytesIn, bytesOut),
    clock,
  })
  onEnd(() => openBytes.end())
  const figures = new TunnelFigures({ tallies: access.tallies, before: records.totals(), clock })
  onEnd(() => figures.end())
  return figures
}

interface OwnerParts extends Parts {
  readonly settings: Settings
  readonly relay: Relay
  readonly figures: TunnelFigures
  readonly edge: Edge
  readonly standIn: { readonly succession?: Succession }
}

/** The owner's verbs, what makes their changes felt, and the API. */
async function openOwner(parts: OwnerParts, onEnd: OnEnd): Promise<{ owner: Owner; admin: OpenApi; changes: Changes }> {
  const { config, settings, kept, arrivals, keyring, acme, tokens, relay, figures, edge, standIn, clock, log } = parts
  const { store, access, records, turnedAway, events, refusals } = kept
  const adminTokens = new TokenCheck(tokens, clock)
  const tellRefused = (what: 'token' | 'login', address: string) => {
    const peer = bareAddress(address)
    logRefused(log, what, peer)
    turnedAway.note(peer, '', `${what}-refused`)
    refusals.refused({ peer, tunnel: '', rule: `${what}-refused` })
  }
  const owner = verbsOver({
    settings: { ...settings, config },
    store,
    records,
    tokens,
    check: adminTokens,
    loginRefused: ({ address }) => tellRefused('login', address),
    onError: error => log.error('could not save when a panel session was last used', { error: String(error) }),
    changed: () => changes.now(),
    tell: events.tell,
    checks: acme?.checks,
    certificateWanted: address => acme?.wanted(address),
    clock,
    running: {
      ...{ relay, figures, access, log: { records: access, refusals: turnedAway }, events, keyring },
      ports: () => edge.ports,
      listens: (protocol, number) => arrivals.listeners.isListening(protocol, number),
      hasStandIn: () => standIn.succession?.hasSuccessor() === true,
      panelBuild: () => admin.panelBuild(),
      startedAt: new Date(),
    },
  })
  const changes = await watchChanges(parts, owner)
  onEnd(() => changes.end())
  const admin = await openApi({
    config,
    owner,
    events,
    tokens: adminTokens,
    proxies: arrivals.proxies,
    refusedToken: address => tellRefused('token', address),
    ports: () => [edge.ports.https, config.publicHttpsPort].filter(port => port !== 0),
    log: log.child({ room: 'api' }),
  })
  onEnd(admin.end)
  return { owner, admin, changes }
}

async function watchChanges({ kept, tokens, relay, acme, clock, log }: OwnerParts, owner: Owner): Promise<Changes> {
  const { store, events } = kept
  return await Changes.watch({
    version: () => store.version(),
    read: async () => {
      await owner.panel.load()
      relay.sessions.keepTokens(tokens)
      await relay.reload()
      await acme?.load()
      for (const { address, block } of await store.addresses.takeEnded()) events.tell(allowlistEnded(address, block))
      await events.look()
    },
    nextEnd: async () => earliest(await store.addresses.nextEnd(), await store.tokens.nextEnd()),
    onError: error => log.error('cannot read changes in the database', { error: String(error) }),
    clock,
  })
}

function telemetryOf(
  { config, kept: { access }, arrivals, keyring, log, relay, edge }: Parts & { relay: Relay; edge: Edge },
  { linesDropped = () => 0 }: ServerOptions,
): TelemetryOptions {
  const { listeners } = arrivals
  return {
    seen: {
      tallies: access.tallies,
      access: access.figures,
      waitingRecords: () => access.waitingRecords,
      linesDropped,
      links: () => relay.sessions.figures,
      certificates: () => keyring.ends,
      connections: () => ({
        open: edge.connectionCount + listeners.connectionCount,
        refused: edge.refusedCount + listeners.refusedCount,
      }),
    },
    durations: () => ({ counts: access.durations, sumMs: access.durationSumMs }),
    version: VERSION,
    address: config.metricsAddress,
    port: config.metricsPort,
    otlpEndpoint: config.otlpEndpoint,
    otlpIntervalMs: config.otlpIntervalSeconds * 1_000,
    log: log.child({ room: 'observe' }),
  }
}

function earliest(one: Date | undefined, other: Date | undefined): Date | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return one < other ? one : other
}
