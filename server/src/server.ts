// The composition root: the only place where the rooms meet, with the order of start and its reasons.
import { bareAddress, type Clock } from '@pbt/proto'
import { descriptorLimit } from '../../launch/descriptors.ts'
import { TokenCheck } from './access/token-check.ts'
import { TokenBook } from './access/tokens.ts'
import { openApi } from './api/open.ts'
import { openCertificates } from './certs/open.ts'
import type { Settings } from './config/config.ts'
import { makeEdge, openArrivals, openEdge } from './edge/open.ts'
import { ephemeralRange } from './edge/ports/ports.ts'
import { openNotify } from './notify/notify.ts'
import type { Log } from './observe/log.ts'
import { OpenBytes } from './observe/open-bytes.ts'
import { logRefused } from './observe/refused-line.ts'
import { startTelemetry } from './observe/start-telemetry.ts'
import { TunnelFigures } from './observe/tunnel-figures.ts'
import { Changes } from './owner/changes.ts'
import { serverStarted, serverStopping } from './owner/happenings.ts'
import { openEvents, tellingFaults } from './owner/open.ts'
import type { Owner } from './owner/owner.ts'
import { bindFailure } from './process/bind-failure.ts'
import { socketIds } from './process/inherited.ts'
import { type Succession, serve } from './process/successor.ts'
import { usableAddresses } from './process/usable-addresses.ts'
import { AGENT, VERSION } from './process/version.ts'
import { openRelay } from './relay/open.ts'
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

async function open(
  { settings, log, clock, sockets = [], linesDropped = () => 0 }: ServerOptions,
  onEnd: (end: () => void | Promise<void>) => void,
  endAll: () => Promise<void>,
): Promise<RunningServer> {
  const wanted = settings.config
  const [metricsAddress = wanted.metricsAddress] = await usableAddresses([wanted.metricsAddress], log)
  const config = { ...wanted, bindAddress: await usableAddresses(wanted.bindAddress, log), metricsAddress }
  const { baseDomain, dataDir } = config
  // The database first: everything else stands on it, and most of what can be wrong is wrong there.
  // What visitors do is recorded until the last of them has gone. With it the data directory: no other server has it but a stand-in.
  const {
    store,
    access,
    records,
    turnedAway,
    end: endStores,
  } = await openStores({
    dataDir,
    sockets: socketIds(sockets),
    accessLogDays: config.accessLogDays,
    accessLogBytes: config.accessLogMegabytes * 1_000_000,
    log,
  })
  onEnd(endStores)
  // What happens from here on is told, until the last client has gone.
  const telling = { store, turnedAway, clock, log }
  const { events, refusals, news, visitRefused, end: endEvents } = await openEvents(telling)
  const { tell } = events
  onEnd(endEvents)
  access.onRefused = visitRefused
  const notifier = openNotify({ config, events, clock, log: log.child({ room: 'notify' }) })
  onEnd(() => notifier.end())
  const { keyring, authorityFile } = openCertificates(config, log.child({ room: 'certs' }), () => {
    relay.sessions.tellAgain()
    tellFaults()
  })
  onEnd(() => keyring.close())
  const tellFaults = tellingFaults(() => keyring.faults, tell)

  // Addresses before anybody can ask for one: an unknown one is answered with 404, a remembered one is awaited.
  const registry = new Registry(clock)
  onEnd(() => registry.close())
  const visiting = { config, registry, access, clock, log: log.child({ room: 'edge' }) }
  const arrivals = openArrivals({ ...visiting, sockets, descriptors: descriptorLimit() })
  onEnd(arrivals.end)
  const tokens = new TokenBook(await store.tokens.live())
  const httpsPort = () => config.publicHttpsPort || edge.ports.https
  const relay = await openRelay({
    registry,
    store: store.addresses,
    tunnels: store.tunnels,
    listeners: arrivals.listeners,
    keyring,
    baseDomain,
    httpsPort,
    portRange: config.portRange,
    ephemeral: ephemeralRange(),
    ownPorts: [config.httpsPort, config.httpPort, config.publicHttpsPort, config.publicHttpPort, config.metricsPort],
    tokens: new TokenCheck(tokens, clock),
    tokenUsed: id => {
      store.tokens.used(id).catch((error: unknown) => log.error('could not save that a token is in use', { error }))
    },
    agent: AGENT,
    news,
    clock,
    log: log.child({ room: 'relay' }),
  })
  onEnd(() => relay.end())
  const openBytes = new OpenBytes({
    open: () => relay.sessions.openChannels(),
    carried: (tunnel, bytesIn, bytesOut) => access.carried(tunnel, bytesIn, bytesOut),
    clock,
  })
  onEnd(() => openBytes.end())
  const figures = new TunnelFigures({ tallies: access.tallies, before: records.totals(), clock })
  onEnd(() => figures.end())
  const edge = makeEdge({
    ...visiting,
    keyring,
    arrivals,
    acceptLink: socket => relay.links.accept(socket),
    acceptAdmin: socket => api.accept(socket),
  })
  onEnd(() => edge.close())

  const adminTokens = new TokenCheck(tokens, clock)
  const tellRefused = (what: 'token' | 'login', address: string) => {
    const peer = bareAddress(address)
    logRefused(log, what, peer)
    turnedAway.note(peer, '', `${what}-refused`)
    refusals.refused({ peer, tunnel: '', rule: `${what}-refused` })
  }
  const standIn: { succession?: Succession } = {}
  const owner = verbsOver({
    settings: { ...settings, config },
    store,
    records,
    tokens,
    check: adminTokens,
    loginRefused: ({ address }) => tellRefused('login', address),
    onError: error => log.error('could not save when a panel session was last used', { error: String(error) }),
    changed: () => changes.now(),
    tell,
    clock,
    running: {
      ...{ relay, figures, access, log: { records: access, refusals: turnedAway }, events, keyring },
      ports: () => edge.ports,
      hasStandIn: () => standIn.succession?.hasSuccessor() === true,
      startedAt: new Date(),
    },
  })
  const changes = await Changes.watch({
    version: () => store.version(),
    read: async () => {
      tokens.replace(await store.tokens.live())
      relay.sessions.keepTokens(tokens)
      await owner.panel.load()
      await relay.reload()
      await events.look()
    },
    nextEnd: async () => earliest(await store.addresses.nextEnd(), await store.tokens.nextEnd()),
    onError: error => log.error('cannot read changes in the database', { error: String(error) }),
    clock,
  })
  onEnd(() => changes.end())
  const { api, drain, end } = await openApi({
    config,
    owner,
    events,
    tokens: adminTokens,
    proxies: arrivals.proxies,
    refusedToken: address => tellRefused('token', address),
    ports: () => [edge.ports.https, config.publicHttpsPort].filter(port => port !== 0),
    log: log.child({ room: 'api' }),
  })
  onEnd(end)

  // Figures before the first visitor, so that none is missed.
  const { listeners } = arrivals
  const stopTelemetry = await startTelemetry({
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
  })
  onEnd(stopTelemetry)
  // The ports last: everything behind them is there.
  await openEdge(edge, config, sockets)
  const succession = serve(dataDir)
  standIn.succession = succession
  onEnd(() => succession.end())
  const { ports } = edge
  log.info('ready', { baseDomain, ...ports })
  tell(serverStarted(VERSION, baseDomain))
  tellFaults()
  const { sessions, links } = relay
  const stop = async () => {
    tell(serverStopping('shutdown requested'))
    // Watchers hear of it before the stream ends.
    await events.flush(STOPPING_MS)
    const drainMs = config.drainSeconds * 1_000
    await shutDown({ edge, listeners, sessions, links, admin: { api, drain }, succession, clock, drainMs })
    await endAll()
  }
  return { ports, authorityFile, owner, reload: () => keyring.reload(), stop }
}

function earliest(one: Date | undefined, other: Date | undefined): Date | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return one < other ? one : other
}
