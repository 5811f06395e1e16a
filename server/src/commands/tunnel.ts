// `pbt-server tunnel`: which tunnels there are, ending and starting them, and turning their visitors away for a while.
import { TunnelKind as Kind, TunnelState as State, type Tunnel } from '@pbt/proto/admin/v1'
import { withApi, withEachApi } from './api.ts'
import { type Command, everyPage, timeIn } from './command.ts'
import type { TunnelItem } from './events.ts'

const NAME: NonNullable<Command['positionals']> = [['<name>', 'its name, as "pbt-server tunnel list" shows it']]

const list: Command = {
  name: 'tunnel list',
  summary: 'list tunnels: their clients, their visitors, and why one cannot be reached',
  run: async ({ settings }, output) => {
    const lists = await withEachApi(settings, api =>
      everyPage(async pageToken => {
        const { tunnels: rows, nextPageToken } = await api.tunnels.listTunnels({ pageToken })
        return { rows, nextPageToken }
      }),
    )
    output({ list: 'tunnel', items: merged(lists).map(itemOf) })
  },
}

/** Beside a stand-in each server knows its own sessions: a tunnel is as the one tells that has it. */
function merged(lists: readonly (readonly Tunnel[])[]): Tunnel[] {
  const byName = new Map<string, Tunnel>()
  for (const tunnel of lists.flat()) {
    const other = byName.get(tunnel.name)
    if (other === undefined || other.state === State.OFFLINE || other.state === State.AWAITED)
      byName.set(tunnel.name, tunnel)
  }
  return [...byName.values()]
}

const kill: Command = {
  name: 'tunnel kill',
  summary: 'end a tunnel now; it stays down until its command is run again or it is started',
  positionals: NAME,
  run: async ({ settings, values }, output) => {
    const { tunnel, cutCount } = await withApi(settings, api => api.tunnels.killTunnel({ name: String(values.name) }))
    if (tunnel !== undefined) output({ event: 'killed', ...itemOf(tunnel), cut: cutCount })
  },
}

const start: Command = {
  name: 'tunnel start',
  summary: 'let an ended tunnel come back',
  positionals: NAME,
  run: async ({ settings, values }, output) => {
    const { tunnel, isOpening } = await withApi(settings, api => api.tunnels.startTunnel({ name: String(values.name) }))
    if (tunnel !== undefined) output({ event: 'started', ...itemOf(tunnel), isOpening })
  },
}

const pause: Command = {
  name: 'tunnel pause',
  summary: 'refuse new visitors of a tunnel until it is resumed; connected ones stay',
  positionals: NAME,
  run: async ({ settings, values }, output) => {
    const { tunnel } = await withApi(settings, api => api.tunnels.pauseTunnel({ name: String(values.name) }))
    if (tunnel !== undefined) output({ event: 'paused', ...itemOf(tunnel) })
  },
}

const resume: Command = {
  name: 'tunnel resume',
  summary: 'let visitors in again',
  positionals: NAME,
  run: async ({ settings, values }, output) => {
    const { tunnel } = await withApi(settings, api => api.tunnels.resumeTunnel({ name: String(values.name) }))
    if (tunnel !== undefined) output({ event: 'unpaused', ...itemOf(tunnel) })
  },
}

/** Every subcommand of `pbt-server tunnel`. */
export const TUNNEL_COMMANDS: readonly Command[] = [list, kill, start, pause, resume]

const STATES = new Map<State, TunnelItem['state']>([
  [State.ONLINE, 'online'],
  [State.OFFLINE, 'offline'],
  [State.PAUSED, 'paused'],
  [State.KILLED, 'killed'],
  [State.AWAITED, 'awaited'],
])

const KINDS = new Map<Kind, TunnelItem['kind']>([
  [Kind.HTTP, 'http'],
  [Kind.TCP, 'tcp'],
  [Kind.UDP, 'udp'],
])

function itemOf(tunnel: Tunnel): TunnelItem {
  const { name, kind, state, reason, stateTime, addresses, target, clientLabel, openConnections } = tunnel
  return {
    ...{ tunnel: name, kind: KINDS.get(kind) ?? '', state: STATES.get(state) ?? 'offline', reason },
    since: timeIn(stateTime),
    urls: addresses.filter(({ waiting }) => waiting === '').map(({ url }) => url),
    waiting: addresses
      .filter(({ waiting }) => waiting !== '')
      .map(({ url, waiting, cure }) => ({ url, reason: waiting, cure })),
    ...{ target, client: clientLabel, open: openConnections },
    bytesIn: Number(tunnel.counts?.bytesIn ?? 0n),
    bytesOut: Number(tunnel.counts?.bytesOut ?? 0n),
  }
}
