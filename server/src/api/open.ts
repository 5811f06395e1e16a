// Opens the API: who may call it, what it answers, and the socket for commands.
import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Allowlist, EVERYBODY } from '../access/allowlist.ts'
import type { TokenCheck } from '../access/token-check.ts'
import type { TrustedProxies } from '../access/trusted-proxies.ts'
import { type Config, DEVELOPMENT_DOMAIN } from '../config/config.ts'
import { systemCodeOf } from '../failure.ts'
import type { Log } from '../observe/log.ts'
import type { Events } from '../owner/events.ts'
import type { Owner } from '../owner/owner.ts'
import { panelFolder } from '../process/panel-folder.ts'
import { Api } from './api.ts'
import { Door } from './door.ts'
import { Panel } from './panel/panel.ts'
import { routes } from './routes.ts'

/** What the API is built on; it owns none of it. */
export interface OpenApiOptions {
  readonly config: Config
  readonly owner: Owner
  readonly events: Events
  readonly tokens: TokenCheck
  readonly proxies: TrustedProxies
  /** A peer at this address sent a wrong token. */
  readonly refusedToken: (address: string) => void
  /** The ports at which visitors find the admin host. */
  readonly ports: () => readonly number[]
  readonly log: Log
}

/** The API, and how it ends. */
export interface OpenApi {
  readonly api: Api
  /** What the panel that is served was made of, '' for none. */
  panelBuild(): string
  /** No new connections; streams say so and end. */
  drain(): void
  end(): Promise<void>
}

/** The directory of the sockets for commands, one for each process that serves the data directory. */
export function socketDirectory(dataDir: string): string {
  return join(dataDir, 'run')
}

/** Removes the sockets of servers that were killed: nobody listens there. */
async function removeDead(directory: string): Promise<void> {
  for (const name of readdirSync(directory)) {
    if (!name.endsWith('.sock')) continue
    const path = join(directory, name)
    if (!(await listens(path))) rmSync(path, { force: true })
  }
}

function listens(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    // The system accepts for a process that is there, also for one that is stopped, as long as not too many wait.
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', error => resolve(systemCodeOf(error) !== 'ECONNREFUSED'))
  })
}

/** It answers as soon as the edge hands connections over. Rejects when the directory of the socket for commands cannot be made. */
export async function openApi({
  config,
  owner,
  events,
  tokens,
  proxies,
  refusedToken,
  ports,
  log,
}: OpenApiOptions): Promise<OpenApi> {
  const { baseDomain, dataDir, adminAllow } = config
  const admitted = adminAllow.length === 0 ? EVERYBODY : new Allowlist(adminAllow)
  const draining = new AbortController()
  const door = new Door({
    baseDomain,
    ports,
    tokens,
    proxies,
    sessionOf: cookie => {
      const session = owner.panel.sessionOf(cookie)
      return session && { id: String(session.id), tokenId: session.tokenId }
    },
    hasSession: id => owner.panel.isLoggedIn(Number(id)),
    hasToken: id => tokens.has(id),
    admits: address => admitted.allows(address),
    refusedToken,
  })
  const panel = new Panel({ folder: panelFolder(), now: () => performance.now(), log })
  // Not waited for: the ports must not wait for the panel.
  void panel.look()
  const api = new Api({
    door,
    panel,
    routes: router => routes({ owner, events, draining: draining.signal }, router),
    isDevelopment: baseDomain === DEVELOPMENT_DOMAIN,
    draining: draining.signal,
    log,
  })
  const directory = socketDirectory(dataDir)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  chmodSync(directory, 0o700)
  await removeDead(directory)
  const socket = join(directory, `${process.pid}.sock`)
  rmSync(socket, { force: true })
  // Visitors come first: without the socket, commands work on the database, and what is told here within a second.
  await api.listenLocally(socket).catch((error: unknown) => {
    log.warn('no socket for commands: they change the database, and cannot see what is open', {
      socket,
      reason: String(error),
    })
  })
  const end = async () => {
    draining.abort()
    await api.close()
    rmSync(socket, { force: true })
  }
  return { api, panelBuild: () => panel.build, drain: () => draining.abort(), end }
}
