// Tunnels and what is open in them, as the API has them.
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { ServiceImpl } from '@connectrpc/connect'
import {
  TargetHealth_State as Health,
  TunnelKind as Kind,
  TunnelState as State,
  type TargetHealthSchema,
  type TunnelSchema,
  type TunnelService,
} from '@pbt/proto/admin/v1'
import type { LiveConnection } from '../../owner/addresses.ts'
import type { Owner } from '../../owner/owner.ts'
import type { AddressOfTunnel, TunnelView } from '../../owner/tunnels.ts'
import { pageOf, textOf, Violations } from '../values.ts'
import { connectionMessage, listMessage } from './address.ts'

/** What is cut is told in full up to as many. */
const MAX_CUT = 100

/** Messages of the API over `tunnels` of the owner, which does the work. */
export function tunnelService({ tunnels, urlOf }: Pick<Owner, 'tunnels' | 'urlOf'>): ServiceImpl<typeof TunnelService> {
  const messageOf = (view: TunnelView) => tunnelMessage(view, urlOf)
  return {
    async listTunnels({ states, ...page }) {
      const wanted = statesOf(states)
      const all = (await tunnels.list()).filter(({ state }) => wanted.size === 0 || wanted.has(STATES[state]))
      const { rows, nextPageToken } = pageOf(all, page, ({ name }) => name)
      return { tunnels: rows.map(messageOf), nextPageToken }
    },
    async getTunnel({ name }) {
      return { tunnel: messageOf(await tunnels.get(textOf('name', name))) }
    },
    async killTunnel({ name, validateOnly }) {
      const { tunnel, cut } = await tunnels.kill(textOf('name', name), { isDry: validateOnly })
      return { tunnel: messageOf(tunnel), cut: cut.slice(0, MAX_CUT).map(connectionMessage), cutCount: cut.length }
    },
    async startTunnel({ name }) {
      const { tunnel, isOpening } = await tunnels.start(textOf('name', name))
      return { tunnel: messageOf(tunnel), isOpening }
    },
    async pauseTunnel({ name }) {
      return { tunnel: messageOf(await tunnels.pause(textOf('name', name))) }
    },
    async resumeTunnel({ name }) {
      return { tunnel: messageOf(await tunnels.resume(textOf('name', name))) }
    },
    async listConnections({ tunnel, ...page }) {
      const open = await tunnels.connections(tunnel)
      const keyed = open.map(connection => ({ connection, key: keyOf(connection) }))
      keyed.sort((one, other) => (one.key < other.key ? -1 : 1))
      const { rows, nextPageToken } = pageOf(keyed, page, ({ key }) => key)
      return { connections: rows.map(({ connection }) => connectionMessage(connection)), nextPageToken }
    },
    endConnection({ id }) {
      tunnels.end(textOf('id', id))
      return {}
    },
  }
}

const STATES = {
  online: State.ONLINE,
  offline: State.OFFLINE,
  paused: State.PAUSED,
  killed: State.KILLED,
  awaited: State.AWAITED,
} as const

const KINDS: Readonly<Record<string, Kind>> = { http: Kind.HTTP, tcp: Kind.TCP, udp: Kind.UDP }

/** Digits of milliseconds since 1970, until the year 2286. */
const TIME_DIGITS = 13

/** In the order of their beginnings. */
function keyOf({ startedAt, id }: LiveConnection): string {
  return `${String(startedAt.getTime()).padStart(TIME_DIGITS, '0')} ${id}`
}

function statesOf(states: readonly State[]): ReadonlySet<State> {
  const wrong = new Violations()
  const known: readonly State[] = Object.values(STATES)
  for (const [index, state] of states.entries()) {
    if (!known.includes(state)) wrong.add(`states[${index}]`, `${state} is not a tunnel state`)
  }
  wrong.check()
  return new Set(states)
}

/** For other services that tell of tunnels. */
export function tunnelMessage(
  view: TunnelView,
  urlOf: (address: string) => string,
): MessageInitShape<typeof TunnelSchema> {
  const { name, kind, state, reason, since, target, clientId, clientLabel, open, lastOnlineAt, createdAt } = view
  return {
    ...{ name, reason, target, clientId, clientLabel },
    kind: KINDS[kind] ?? Kind.UNSPECIFIED,
    state: STATES[state],
    stateTime: timestampFromDate(since),
    addresses: view.addresses.map(address => addressOf(address, urlOf)),
    ...(view.health && { health: healthMessage(view.health) }),
    clientBlocks: [...view.clientBlocks],
    openConnections: open,
    ...figuresOf(view),
    lastOnlineTime: timestampFromDate(lastOnlineAt),
    createTime: timestampFromDate(createdAt),
  }
}

function addressOf(kept: AddressOfTunnel, urlOf: (address: string) => string) {
  const { address, waiting, cure } = kept
  return { address, url: urlOf(address), waiting, cure, allowlist: listMessage(kept) }
}

function healthMessage({
  isAnswering,
  since,
  message,
}: NonNullable<TunnelView['health']>): MessageInitShape<typeof TargetHealthSchema> {
  return { state: isAnswering ? Health.ANSWERS : Health.REFUSES, time: timestampFromDate(since), message }
}

/** For other services that tell of traffic. */
export function figuresOf({ totals, traffic }: Pick<TunnelView, 'totals' | 'traffic'>) {
  return {
    ...(totals && {
      counts: {
        requests: BigInt(totals.requests),
        connections: BigInt(totals.connections + totals.flows + totals.upgrades),
        refused: BigInt(totals.refused),
        broken: BigInt(totals.broken),
        bytesIn: BigInt(totals.bytesIn),
        bytesOut: BigInt(totals.bytesOut),
      },
    }),
    ...(traffic && {
      bytesInRate: traffic.inRate,
      bytesOutRate: traffic.outRate,
      recentBytes: traffic.recent.map(BigInt),
    }),
  }
}
