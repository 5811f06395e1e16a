// Opens what visitors arrive at: first what limits them and the ports of TCP and UDP tunnels, at last the doors for HTTP.
import type { Clock } from '@pbt/proto'
import { TrustedProxies } from '../access/trusted-proxies.ts'
import { VisitorLimits } from '../access/visitor-limits.ts'
import { type Config, DEVELOPMENT_DOMAIN } from '../config/config.ts'
import type { AccessLog } from '../observe/access-log.ts'
import type { Log } from '../observe/log.ts'
import type { Keyring } from '../relay/keyring.ts'
import type { Registry } from '../relay/registry.ts'
import { Edge, type EdgeOptions } from './edge.ts'
import { CookieIsolation } from './fields/cookies.ts'
import { MemoryWatch, memoryLimit } from './memory-watch.ts'
import { PortListeners } from './ports/ports.ts'

interface Common {
  readonly config: Config
  readonly registry: Registry
  readonly access: AccessLog
  readonly clock: Clock
  readonly log: Log
}

/** What all visitors have in common. */
export interface Arrivals {
  readonly limits: VisitorLimits
  readonly proxies: TrustedProxies
  readonly listeners: PortListeners
  end(): Promise<void>
}

/** What has to be known before visitors can be limited. */
export interface ArrivalsOptions extends Common {
  /** Descriptors of listening sockets that outlive this process. */
  readonly sockets: readonly number[]
  /** How many descriptors this process may have. */
  readonly descriptors: number
}

/** From here on memory is for visitors: what is in use now is the program itself. */
export function openArrivals(options: ArrivalsOptions): Arrivals {
  const { config, registry, access, clock, log, sockets, descriptors } = options
  const proxies = new TrustedProxies(config.trustedProxies, config.proxyFields)
  const limits = new VisitorLimits({
    clock,
    descriptors,
    perAddress: config.connectionsPerAddress,
    newPerSecond: config.newConnectionsPerSecond,
    isProxy: address => proxies.trusts(address),
  })
  const memory = new MemoryWatch({
    limitBytes: config.memoryLimitMegabytes * 1_000_000 || memoryLimit(),
    usage: () => process.memoryUsage(),
    collect: globalThis.gc === undefined ? undefined : () => void globalThis.gc?.(),
    connections: () => limits.open,
    onChange: isShort => {
      limits.isMemoryShort = isShort
    },
    clock,
    log,
  })
  const listeners = new PortListeners({
    addresses: config.bindAddress,
    tunnels: registry,
    clock,
    // Where the sockets outlive the process, the next one may be there before this one ends.
    isShared: sockets.length > 0,
    limits,
    log,
    access,
  })
  const end = async () => {
    await listeners.close()
    memory.close()
  }
  return { limits, proxies, listeners, end }
}

/** What the HTTP ports need; each accepted socket belongs to the callback's owner. */
export interface DoorOptions extends Common {
  readonly keyring: Keyring
  readonly arrivals: Arrivals
  readonly acceptLink: EdgeOptions['acceptLink']
  readonly acceptAdmin: EdgeOptions['acceptAdmin']
  readonly challenge?: EdgeOptions['challenge']
}

/** The doors for HTTP, closed as yet. */
export function makeEdge(options: DoorOptions): Edge {
  const { config, registry, access, clock, log, keyring, arrivals, acceptLink, acceptAdmin, challenge } = options
  const { baseDomain } = config
  return new Edge({
    baseDomain,
    tunnels: registry,
    keyring,
    acceptLink,
    acceptAdmin,
    ...(challenge && { challenge }),
    publicHttpsPort: config.publicHttpsPort,
    servesPlainHttp: baseDomain === DEVELOPMENT_DOMAIN,
    responseTimeoutMs: config.responseTimeoutSeconds * 1_000,
    leastBodyRate: config.leastUploadRate,
    proxies: arrivals.proxies,
    cookies: config.isolateCookies
      ? new CookieIsolation(baseDomain, tunnel => access.cookieStripped(tunnel))
      : undefined,
    limits: arrivals.limits,
    clock,
    log,
    access,
  })
}

/** Opens the doors. Rejects with the system's error. */
export async function openEdge(edge: Edge, config: Config, sockets: readonly number[]): Promise<void> {
  const { bindAddress: addresses, httpsPort, httpPort } = config
  await edge.listen({ port: httpsPort, addresses }, { port: httpPort, addresses }, sockets)
}
