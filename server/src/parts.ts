// What the rooms of a running server are opened with: what it keeps, and what several of them share.
import type { Clock } from '@pbt/proto'
import type { TokenBook } from './access/tokens.ts'
import type { Acme } from './certs/acme/open.ts'
import type { openCertificates } from './certs/open.ts'
import type { Config } from './config/config.ts'
import type { Arrivals } from './edge/open.ts'
import { openNotify } from './notify/notify.ts'
import type { Log } from './observe/log.ts'
import { openEvents } from './owner/open.ts'
import { socketIds } from './process/inherited.ts'
import type { Registry } from './relay/registry.ts'
import { openStores } from './store/open.ts'

/** Takes what ends a part that was opened: parts are ended in the opposite order. */
export type OnEnd = (end: () => void | Promise<void>) => void

/** What is shared by more than one room. */
export interface Parts {
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

/** What is needed to open what is kept. */
export interface KeptOptions {
  readonly log: Log
  readonly clock: Clock
  /** Descriptors of listening sockets that were opened before this process. */
  readonly sockets?: readonly number[]
}

/** The database, and what is told and counted by it. */
export type Kept = Awaited<ReturnType<typeof openKept>>

/** The database first: everything else stands on it, and most of what can be wrong is wrong there. */
export async function openKept(config: Config, { log, clock, sockets = [] }: KeptOptions, onEnd: OnEnd) {
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
