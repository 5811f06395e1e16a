// Programs that all tests of a file share, and a client with many tunnels: half a test's time is to start its programs.
import { join } from 'node:path'
import { after } from 'node:test'
import { ask, statusOf, type Told } from '../../../client/src/tunnels/ask.ts'
import {
  type Cleaner,
  type Program,
  type RunningServer,
  type ServerOptions,
  scratch,
  startClient,
  startServer,
  startTunnel,
  type TunnelOptions,
} from './programs.ts'

/** A client tells by itself when a tunnel does not come; only a failure ever waits for this. */
const ONLINE_MS = 30_000
const IDLE_MS = 30_000

/** What `make` makes, for all tests of this file: made when the first asks for it, and ended, the newest first, after the last.
 *  Called at the top of a file. */
export function shared<T>(make: (file: Cleaner) => Promise<T>): () => Promise<T> {
  const ends: (() => unknown)[] = []
  let made: Promise<T> | undefined
  after(async () => {
    for (const end of ends.reverse()) await end()
  })
  return async () => {
    made ??= make({ after: end => void ends.push(end) })
    return await made
  }
}

/** One client with a tunnel for each of these specs of `pbt up`, all online, and the first address of each, in their order. */
export async function startTunnels(
  t: Cleaner,
  server: RunningServer,
  specs: readonly string[],
  options: TunnelOptions = {},
): Promise<{ client: Program; urls: URL[]; ports: number[] }> {
  const { client } = await startClient(t, server, ['up', ...specs], options)
  const online = await client.until(() => {
    const events = client.events.filter(({ event }) => event === 'online')
    return events.length < specs.length ? undefined : events
  }, 'all tunnels')
  const urls = online
    .sort((one, other) => Number(one.number) - Number(other.number))
    .map(each => new URL(String((each.urls as unknown[])[0])))
  return { client, urls, ports: urls.map(({ port }) => Number(port)) }
}

/** What a tunnel is, as a file of tunnels has it: `{ http: 3000, domain: 'app' }`. */
export type Tunnel = Readonly<Record<string, string | number | readonly string[]>>

/** A server and a client that all tests of a file share: `house`. Each call of `pbt` has the client's tunnel `app` lead to another target,
 *  with these options of `pbt http`. */
export function sharedPbt(options: TunnelOptions & ServerOptions = {}) {
  const house = shared(async t => {
    const home = options.home ?? join(scratch(t), 'client')
    const server = await startServer(t, options)
    // With a tunnel of its own, so that it stays whatever becomes of the others.
    const client = await startTunnel(t, server, 9, { ...options, domain: 'stays', home })
    return { server, client, home }
  })
  const pbt = async (target: number | string, tunnel: Tunnel = {}) => {
    const rooms = await house()
    await openTunnel(rooms.home, rooms.client, { http: target, domain: 'app', ...tunnel })
    return rooms
  }
  return { house, pbt }
}

/** Opens a tunnel of a client of this home that runs, in place of one of its name, and tells its first address. */
export async function openTunnel(home: string, client: Program, tunnel: Tunnel): Promise<URL> {
  const told = await askForTunnel(home, client, tunnel)
  if (!Array.isArray(told.urls)) throw new Error(`the tunnel did not open: ${JSON.stringify(told)}`)
  return new URL(String(told.urls[0]))
}

/** Asks a client that runs for a tunnel, and tells what became of it: the client's event, `online` or `error` most often. */
export async function askForTunnel(home: string, client: Program, tunnel: Tunnel): Promise<Told> {
  const told: Told[] = []
  await ask(home, client.pid, { request: 'add', tunnel }, line => told.push(line), { silenceMs: ONLINE_MS })
  return told.at(-1) ?? {}
}

/** Resolves when nothing of any visitor is under way at the client: what its requests used is free for others. */
export async function untilIdle(home: string, client: Program): Promise<void> {
  const deadline = performance.now() + IDLE_MS
  for (;;) {
    const status = await statusOf(home, client.pid)
    if (status?.kind === 'answered' && status.snapshot.tunnels.every(({ open }) => open === 0)) return
    if (performance.now() > deadline) throw new Error(`not idle: ${JSON.stringify(status)}`)
  }
}
