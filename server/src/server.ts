// The composition root: the only place where the rooms meet, with the order of start and its reasons.
import type { TLSSocket } from 'node:tls'
import { type Clock, untilLook } from '@pbt/proto'
import { descriptorLimit } from '../../launch/descriptors.ts'
import { TokenCheck } from './access/token-check.ts'
import { TokenBook } from './access/tokens.ts'
import type { OpenApi } from './api/open.ts'
import { type AutomaticOptions, openAutomatic } from './certificates.ts'
import { openCertificates } from './certs/open.ts'
import type { Config, Settings } from './config/config.ts'
import { openDns, socketsOf } from './dns.ts'
import type { Edge } from './edge/edge.ts'
import { makeEdge, openArrivals, openEdge } from './edge/open.ts'
import { ephemeralRange } from './edge/ports/ports.ts'
import type { Log } from './observe/log.ts'
import { OpenBytes } from './observe/open-bytes.ts'
import { startTelemetry } from './observe/start-telemetry.ts'
import type { TelemetryOptions } from './observe/telemetry.ts'
import { TunnelFigures } from './observe/tunnel-figures.ts'
import { openOwner } from './open-owner.ts'
import type { Changes } from './owner/changes.ts'
import { serverStarted, serverStopping } from './owner/happenings.ts'
import { lettingIn } from './owner/let-in.ts'
import { tellingFaults } from './owner/open.ts'
import type { Owner } from './owner/owner.ts'
import { type Kept, type OnEnd, openKept, type Parts } from './parts.ts'
import { bindFailure } from './process/bind-failure.ts'
import { type Succession, serve } from './process/successor.ts'
import { usableAddresses } from './process/usable-addresses.ts'
import { AGENT, VERSION } from './process/version.ts'
import { openRelay, type Relay, type RelayOptions } from './relay/open.ts'
import { Registry } from './relay/registry.ts'
import { shutDown } from './shutdown.ts'

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

async function open(options: ServerOptions, onEnd: OnEnd, endAll: () => Promise<void>): Promise<RunningServer> {
  const { settings, log, clock, sockets = [] } = options
  const config = await usableConfig(options)
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
  const { owner, admin, changes } = await openOwner({ ...parts, settings, relay, figures, edge, standIn: late }, onEnd)
  late.changes = changes

  // Figures before the first visitor, so that none is missed.
  onEnd(await startTelemetry(telemetryOf({ ...parts, relay, edge }, options)))
  // The ports last: everything behind them is there.
  const succession = await openPorts({ ...parts, edge }, sockets, onEnd)
  late.succession = succession
  const { ports } = edge
  log.info('ready', { baseDomain: config.baseDomain, ...ports })
  events.tell(serverStarted(VERSION, config.baseDomain))
  tellFaults()
  // Port 80 answers now.
  acme?.start()
  const stop = async () => {
    await stopServing({ ...parts, relay, edge, admin, succession })
    await endAll()
  }
  return { ports, authorityFile, owner, reload: () => keyring.reload(), stop }
}

interface PortParts extends Parts {
  readonly edge: Edge
}

/** The ports of DNS and of visitors; then this process is marked as the one that serves. */
async function openPorts(
  { config, acme, edge, clock, log }: PortParts,
  sockets: readonly number[],
  onEnd: OnEnd,
): Promise<Succession> {
  const { forDns, others } = socketsOf(config, sockets, log)
  onEnd(await openDns({ config, forDns, acme, isShared: sockets.length > 0, clock, log }))
  await openEdge(edge, config, others)
  const succession = serve(config.dataDir)
  onEnd(() => succession.end())
  return succession
}

interface ServingParts extends PortParts {
  readonly relay: Relay
  readonly admin: OpenApi
  readonly succession: Succession
}

/** Resolves when no visitor and no client is left, or when their time is over. */
async function stopServing({ config, kept, arrivals, acme, relay, edge, admin, succession, clock }: ServingParts) {
  const { events } = kept
  await acme?.stop()
  events.tell(serverStopping('shutdown requested'))
  // Watchers hear of it before the stream ends.
  await events.flush(STOPPING_MS)
  const { listeners } = arrivals
  const drainMs = config.drainSeconds * 1_000
  const { sessions, links } = relay
  await shutDown({ edge, listeners, sessions, links, admin, succession, clock, drainMs })
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
    wereOpen: (tunnel, openMs) => access.wereOpen(tunnel, openMs),
    clock,
    untilRound: everyMs => untilLook(clock, everyMs),
  })
  onEnd(() => openBytes.end())
  const figures = new TunnelFigures({ tallies: access.tallies, before: records.totals(), clock })
  onEnd(() => figures.end())
  return figures
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
