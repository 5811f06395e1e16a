// Tunnels, clients and what the panel knows of them, for tests of its words.
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { Client_State, ClientSchema, TunnelKind, TunnelSchema, TunnelState } from '@pbt/proto/admin/v1'
import type { Live } from '../../live/state.ts'

export const NOW = new Date(2026, 10, 27, 14, 32).getTime()
export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

export function tunnel(more: MessageInitShape<typeof TunnelSchema> = {}) {
  return create(TunnelSchema, {
    ...{ name: 'plex', kind: TunnelKind.HTTP, state: TunnelState.ONLINE, target: '127.0.0.1:32400' },
    ...{ clientId: 'n', clientLabel: 'nas', stateTime: timestampFromMs(NOW - HOUR) },
    addresses: [{ address: 'plex', url: 'https://plex.tun.mine.uk' }],
    ...more,
  })
}

export function client(more: MessageInitShape<typeof ClientSchema> = {}) {
  return create(ClientSchema, { id: 'n', label: 'nas', state: Client_State.CONNECTED, tokenId: 1n, ...more })
}

export function live(more: Partial<Live> = {}): Live {
  const empty = {
    tunnels: new Map(),
    clients: new Map(),
    addresses: new Map(),
    domains: new Map(),
    tokens: [],
    refusals: [],
    events: [],
  }
  return { number: 0n, server: undefined, clockOffMs: 0, ...empty, ...more }
}

export function named<T extends { readonly name: string }>(...all: readonly T[]): ReadonlyMap<string, T> {
  return new Map(all.map(each => [each.name, each]))
}
