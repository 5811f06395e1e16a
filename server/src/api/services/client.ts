// Clients, as the API has them.
import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { ServiceImpl } from '@connectrpc/connect'
import { type ClientSchema, type ClientService, Client_State as State } from '@pbt/proto/admin/v1'
import type { ClientView } from '../../owner/clients.ts'
import type { Owner } from '../../owner/owner.ts'
import { eventMessage } from '../events.ts'
import { durationOf, pageOf, pageSizeOf, textOf, Violations } from '../values.ts'

const STATES = { connected: State.CONNECTED, awaited: State.AWAITED, gone: State.GONE } as const

/** Messages of the API over `clients` of the owner, which does the work. */
export function clientService({ clients }: Pick<Owner, 'clients'>): ServiceImpl<typeof ClientService> {
  return {
    async listClients(request) {
      const { rows, nextPageToken } = pageOf(await clients.list(), request, ({ label, id }) => `${label}\n${id}`)
      return { clients: rows.map(clientMessage), nextPageToken }
    },
    async getClient({ id, pageSize, pageToken }) {
      const size = pageSizeOf(pageSize, 100, 1_000)
      const before = numberIn(pageToken)
      const client = await clients.get(textOf('id', id))
      const history = await clients.history(id, before, size)
      const last = history.length < size ? undefined : history.at(-1)
      return {
        client: clientMessage(client),
        history: history.map(eventMessage),
        nextPageToken: last === undefined ? '' : String(last.number),
      }
    },
    async disconnectClient({ id }) {
      await clients.disconnect(textOf('id', id))
      return {}
    },
    async forgetClient({ id }) {
      await clients.forget(textOf('id', id))
      return {}
    },
  }
}

/** For other services that tell of clients. */
export function clientMessage(client: ClientView): MessageInitShape<typeof ClientSchema> {
  const { id, label, machineId, agent, isOutdated, address, roundTripMs, since, tokenId, tunnels, lastSeenAt } = client
  return {
    ...{ id, label, machineId, agent, isOutdated, publicAddress: address },
    ...{ state: STATES[client.state], tokenId: BigInt(tokenId), tunnels: [...tunnels] },
    ...(roundTripMs !== undefined && { roundTrip: durationOf(roundTripMs) }),
    stateTime: timestampFromDate(since),
    lastSeenTime: timestampFromDate(lastSeenAt),
  }
}

/** The number of the event before which a page begins. */
function numberIn(pageToken: string): number {
  if (pageToken === '') return Number.MAX_SAFE_INTEGER
  if (/^\d{1,15}$/.test(pageToken)) return Number(pageToken)
  const wrong = new Violations()
  wrong.add('page_token', 'it is not a page token of this server; leave it out to start again')
  wrong.check()
  return 0
}
