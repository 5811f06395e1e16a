// The composition root: the only place where the rooms meet, with the order of start and stop and its reasons.
import type { Clock } from '@pbt/proto'
import { GRACE_MS } from '@pbt/proto'
import { TokenCheck } from './access/token-check.ts'
import { TokenBook } from './access/tokens.ts'
import { TrustedProxies } from './access/trusted-proxies.ts'
import { VisitorLimits } from './access/visitor-limits.ts'
import { usableAddresses } from './addresses.ts'
import { bindFailure } from './bind-failure.ts'
import { openKeyring } from './certs/open.ts'
import { watchChanges } from './changes.ts'
import { type Config, DEVELOPMENT_DOMAIN, showPortRange } from './config.ts'
import { CookieIsolation } from './edge/cookies.ts'
import { descriptorLimit } from './edge/descriptors.ts'
import { Edge } from './edge/edge.ts'
import { MemoryWatch, memoryLimit } from './edge/memory-watch.ts'
import { ephemeralRange, PortListeners } from './edge/ports.ts'
import { AccessLog } from './observe/access-log.ts'
import type { Log } from './observe/log.ts'
import { startTelemetry } from './observe/telemetry.ts'
import { Allowlists } from './relay/allowlists.ts'
import { addressOf, Ports, reasonOf } from './relay/ports.ts'
import { Registry } from './relay/registry.ts'
import { Reservations } from './relay/reservations.ts'
import { LinkService } from './relay/service.ts'
import { Sessions } from './relay/sessions.ts'
import { LogStore } from './store/log-store.ts'
import { openStore } from './store/store.ts'
import { serve } from './successor.ts'
import { AGENT, VERSION } from './version.ts'

/** How often a stopping server looks whether everything in flight has ended, milliseconds. */
const DRAIN_LOOK_MS = 50

/** How long a link may take to deliver its last frames, milliseconds; then its connection is cut. */
const LAST_WORDS_MS = 1_500

/** What is kept of the time to drain for visitors who came while it ran: connections end after a request or two. */
const LEAVE_MS = 5_000

export interface ServerOptions {
  readonly config: Config
  readonly log: Log
  readonly clock: Clock
  /** Descriptors of listening sockets that were opened before this process; they outlive it. */
  readonly sockets?: readonly number[]
  /** Lines of log and output that nobody read. */
  readonly linesDropped?: () => number
}

export interface RunningServer {
  /** The ports that are bound. */
  readonly ports: { readonly https: number; readonly http: number }
  /** The certificate of the development authority. */
  readonly authorityFile: string | undefined
  /** Reads the certificate files again. */
  reload(): void
  /** Ends in order: what is in flight may end within `drain-seconds`. */
  stop(): Promise<void>
}

/** Starts the server; it serves when this resolves. Rejects with Failure, and then nothing is left open. */
export async function startServer({
  config,
  log,
  clock,
  sockets = [],
  linesDropped = () => 0,
}: ServerOptions): Promise<RunningServer> {
  const { baseDomain, dataDir } = config
  // What was started, to be ended in the opposite order.
  const ends: (() => void | Promise<void>)[] = []
  const endAll = async () => {
    for (const end of ends.reverse()) await end()
  }
  try {
    // The database first: everything else stands on it, and most of what can be wrong is wrong there.
    const store = await openStore(dataDir)
    ends.push(() => store.close())
    if (store.applied.length > 0) log.info('database migrated', { migrations: store.applied })

    const keyring = openKeyring(config, log.child({ room: 'certs' }))
    ends.push(() => keyring.close())

    // What visitors do is recorded until the last of them has gone. A file that cannot be written stops nothing.
    const logLimits = { days: config.accessLogDays, bytes: config.accessLogMegabytes * 1_000_000 }
    const logStore = new LogStore({ dataDir, limits: logLimits })
    ends.push(() => logStore.close())
    const access = new AccessLog({
      write: logStore.write,
      hasRecords: config.accessLogDays > 0,
      log: log.child({ room: 'observe' }),
    })
    ends.push(() => access.close())

    // Names before anybody can ask for one: an unknown name is answered with 404, a remembered one is awaited.
    const registry = new Registry(clock)
    ends.push(() => registry.close())
    const relayLog = log.child({ room: 'relay' })
    const reservations = new Reservations(baseDomain, registry, store.names, error =>
      relayLog.error('could not write that names are in use', { error: String(error) }),
    )
    await reservations.load(GRACE_MS)
    const proxies = new TrustedProxies(config.trustedProxies, config.proxyFields)
    const limits = new VisitorLimits({
      clock,
      descriptors: descriptorLimit(),
      perAddress: config.connectionsPerAddress,
      newPerSecond: config.newConnectionsPerSecond,
      isProxy: address => proxies.trusts(address),
    })
    const edgeLog = log.child({ room: 'edge' })
    // From here on memory is for visitors: what is in use now is the program itself.
    const memory = new MemoryWatch({
      limitBytes: config.memoryLimitMegabytes * 1_000_000 || memoryLimit(),
      usage: () => process.memoryUsage(),
      collect: globalThis.gc === undefined ? undefined : () => void globalThis.gc?.(),
      connections: () => limits.open,
      onChange: isShort => {
        limits.isMemoryShort = isShort
      },
      clock,
      log: edgeLog,
    })
    ends.push(() => memory.close())
    const addresses = await usableAddresses(config.bindAddress, log)
    // Reserved ports come up with the server, so that no other program takes them.
    const listeners = new PortListeners({
      addresses,
      tunnels: registry,
      clock,
      // Where the sockets outlive the process, the next one may be there before this one ends.
      isShared: sockets.length > 0,
      limits,
      log: edgeLog,
      access,
    })
    ends.push(() => listeners.close())
    const ports = { https: config.httpsPort, http: config.httpPort }
    const portBook = new Ports({
      range: config.portRange,
      ephemeral: ephemeralRange(),
      registry,
      store: store.ports,
      listeners,
      isOwn: (protocol, number) =>
        protocol === 'tcp' &&
        [ports.https, ports.http, config.publicHttpsPort, config.publicHttpPort, config.metricsPort].includes(number),
      log: relayLog,
    })
    const { failed, outside } = await portBook.load(GRACE_MS)
    for (const { protocol, number, error } of failed) {
      log.error('cannot listen on a reserved port', { port: addressOf(protocol, number), reason: reasonOf(error) })
    }
    if (outside.length > 0) {
      const range = showPortRange(config.portRange)
      log.warn('reserved ports are kept but outside of port-range', { ports: outside, range })
    }

    const allowlists = new Allowlists({ store: store.allowlists, baseDomain, log: relayLog })
    const sessions = new Sessions({
      clock,
      log: relayLog,
      reservations,
      ports: portBook,
      allowlists,
      portUrlOf: (protocol, number) => `${protocol}://${baseDomain}:${number}`,
      urlOf: host => httpsUrl(host, config.publicHttpsPort || ports.https),
      baseDomain,
      agent: AGENT,
      random: Math.random,
    })
    const changes = await watchChanges({
      version: () => store.version(),
      changed: async () => {
        await allowlists.load()
        sessions.judgeAgain()
      },
      onError: error => log.error('cannot read what was changed in the database', { error: String(error) }),
      clock,
    })
    ends.push(() => changes.end())
    const tokens = new TokenCheck(new TokenBook(await store.tokens.live()), clock)
    const links = new LinkService({
      clock,
      log: relayLog,
      checkToken: (authorization, address) => tokens.check(authorization, address),
      join: (hello, tokenId) => sessions.join(hello, tokenId),
    })
    ends.push(() => links.close())

    const edge = new Edge({
      baseDomain,
      tunnels: registry,
      keyring,
      acceptLink: socket => links.accept(socket),
      publicHttpsPort: config.publicHttpsPort,
      servesPlainHttp: baseDomain === DEVELOPMENT_DOMAIN,
      responseTimeoutMs: config.responseTimeoutSeconds * 1_000,
      leastBodyRate: config.leastUploadRate,
      proxies,
      cookies: config.isolateCookies
        ? new CookieIsolation(baseDomain, tunnel => access.cookieStripped(tunnel))
        : undefined,
      limits,
      clock,
      log: edgeLog,
      access,
    })
    ends.push(() => edge.close())
    // Figures before the first visitor, so that none is missed.
    const stopTelemetry = await startTelemetry({
      seen: {
        tallies: access.tallies,
        access: access.figures,
        waitingRecords: () => access.waitingRecords,
        linesDropped,
        links: () => sessions.figures,
        certificates: () => keyring.ends,
        connections: () => ({
          open: edge.connectionCount + listeners.connectionCount,
          refused: edge.refusedCount + listeners.refusedCount,
        }),
      },
      durations: () => ({ counts: access.durations, sumMs: access.durationSumMs }),
      version: VERSION,
      address: (await usableAddresses([config.metricsAddress], log))[0] ?? config.metricsAddress,
      port: config.metricsPort,
      otlpEndpoint: config.otlpEndpoint,
      otlpIntervalMs: config.otlpIntervalSeconds * 1_000,
      log: log.child({ room: 'observe' }),
    }).catch((error: unknown) => {
      throw bindFailure(error, config)
    })
    ends.push(stopTelemetry)
    // The ports last: whoever reaches them finds everything behind them.
    const bound = await edge
      .listen({ port: config.httpsPort, addresses }, { port: config.httpPort, addresses }, sockets)
      .catch((error: unknown) => {
        throw bindFailure(error, config)
      })
    Object.assign(ports, bound)
    const succession = serve(dataDir)
    ends.push(() => succession.end())
    log.info('ready', { baseDomain, ...ports })

    return {
      ports,
      authorityFile: keyring.authorityFile,
      reload: () => keyring.reload(),
      stop: async () => {
        const end = clock.now() + config.drainSeconds * 1_000
        const left = () => Math.max(0, end - clock.now())
        // As long as nobody else takes new visitors they are served: what is under way may last, they need not wait for it.
        const isOpenStill = sessions.watchOpen()
        const isReplaced = () => succession.hasSuccessor()
        await until(() => isReplaced() || !isOpenStill(), clock, Math.max(0, left() - LEAVE_MS))
        // From here on no new visitors; those who are here get their answers.
        edge.drain()
        await listeners.drain(isReplaced())
        // Clients finish what they have and look for the next server.
        sessions.goAway('the server is stopping')
        // Visitors only: clients keep their links until the server closes them.
        const visitors = () => edge.connectionCount - links.connectionCount + listeners.connectionCount
        await until(() => visitors() <= 0, clock, left())
        // What is left of the visitors breaks off, and each link ends after what it still has to say.
        sessions.close('the server stopped')
        await until(() => links.connectionCount === 0, clock, LAST_WORDS_MS)
        await endAll()
      },
    }
  } catch (error) {
    await endAll()
    throw error
  }
}

function httpsUrl(host: string, port: number): string {
  return `https://${host}${port === 443 ? '' : `:${port}`}`
}

/** Resolves when the condition holds, at the latest after `limitMs`. */
function until(holds: () => boolean, clock: Clock, limitMs: number): Promise<void> {
  const end = clock.now() + limitMs
  return new Promise(resolve => {
    const look = () => {
      if (holds() || clock.now() >= end) resolve()
      else clock.after(DRAIN_LOOK_MS, look)
    }
    look()
  })
}
