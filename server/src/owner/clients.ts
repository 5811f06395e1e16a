// What the owner may do with clients: look at them and what happened to them, cut one off, and forget one.
import { PROTOCOL_MINOR } from '@pbt/proto'
import { Failure } from '../failure.ts'
import type { LiveClient } from '../relay/sessions.ts'
import type { ClientRecords, KeptClient } from './client-records.ts'
import type { KeptEvent, Tell } from './event.ts'
import { clientDisconnected, clientForgotten } from './happenings.ts'

/** connected; awaited: it lost the link and may resume; gone. */
export type ClientState = 'connected' | 'awaited' | 'gone'

/** A client and what is known of it. */
export interface ClientView {
  readonly id: string
  /** As it calls itself. */
  readonly label: string
  readonly machineId: string
  readonly state: ClientState
  /** Program and version. */
  readonly agent: string
  /** Older than what this server understands best. */
  readonly isOutdated: boolean
  /** Where it comes from, or came from last. */
  readonly address: string
  /** To the client and back; undefined: not connected, or not measured yet. */
  readonly roundTripMs: number | undefined
  /** Since when it is in this state. */
  readonly since: Date
  /** The token that it showed. */
  readonly tokenId: number
  /** The names of its tunnels that are open. */
  readonly tunnels: readonly string[]
  readonly lastSeenAt: Date
}

/** The clients that have a session with this process. */
export interface LiveClients {
  clients(): readonly LiveClient[]
  client(id: string): LiveClient | undefined
  /** False: it has none. */
  disconnect(id: string, message: string): boolean
}

/** What is kept of clients, and those that are connected. */
export interface ClientVerbsOptions {
  readonly records: ClientRecords
  /** Undefined: no server runs here. */
  readonly live: LiveClients | undefined
  /** What happened to a client before an event's number, the newest first. */
  readonly history: (id: string, before: number, most: number) => Promise<readonly KeptEvent[]>
  readonly tell: Tell
}

/** All reject with Failure. */
export class ClientVerbs {
  private readonly options: ClientVerbsOptions

  constructor(options: ClientVerbsOptions) {
    this.options = options
  }

  /** Every client: those that are connected, and those that were, by label and id. */
  async list(): Promise<ClientView[]> {
    const { records, live } = this.options
    const views = new Map((await records.list()).map(kept => [kept.id, gone(kept)]))
    // One that has just come may not be written yet.
    for (const client of live?.clients() ?? []) views.set(client.clientId, present(client))
    return [...views.values()].sort(byLabel)
  }

  /** One of them. */
  async get(id: string): Promise<ClientView> {
    const found = await this.find(id)
    if (found === undefined) throw unknown(id)
    return found
  }

  /** One of them, as it is now; undefined: there is no such client. */
  async find(id: string): Promise<ClientView | undefined> {
    const live = this.options.live?.client(id)
    if (live !== undefined) return present(live)
    const kept = await this.options.records.find(id)
    return kept === undefined ? undefined : gone(kept)
  }

  /** What happened to it before an event's number, the newest first, at most `most`; as long as events are kept. */
  async history(id: string, before: number, most: number): Promise<readonly KeptEvent[]> {
    return await this.options.history(id, before, most)
  }

  /** Ends its session: what is open over it is cut, and it connects again by itself. */
  async disconnect(id: string): Promise<void> {
    const client = await this.get(id)
    if (client.state === 'gone') {
      throw new Failure('client-gone', `${client.label} is not connected`, {
        cure: 'look at the list of clients for those that are',
      })
    }
    // Told before its session tells that it is over.
    this.options.tell(clientDisconnected({ clientId: id, label: client.label }))
    this.options.live?.disconnect(id, 'the owner ended the connection')
  }

  /** Strikes it from the list; should it ever connect again it is there again. */
  async forget(id: string): Promise<void> {
    const client = await this.get(id)
    if (client.state !== 'gone') {
      throw new Failure(
        'client-connected',
        `${client.label} is ${stateOf(client)}: only one that is gone can be forgotten`,
        {
          cure: 'stop pbt on that machine, or end its token, and wait until it is gone',
        },
      )
    }
    if (!(await this.options.records.forget(id))) throw unknown(id)
    this.options.tell(clientForgotten({ clientId: id, label: client.label }))
  }
}

/** A client that has a session. */
export function present({ clientId, since, isConnected, roundTripMs, ...client }: LiveClient): ClientView {
  const { machineId, label, agent, minor, address, tokenId, tunnels } = client
  return {
    ...{ id: clientId, label, machineId, agent, address, tokenId, tunnels, since },
    state: isConnected ? 'connected' : 'awaited',
    isOutdated: minor < PROTOCOL_MINOR,
    roundTripMs: isConnected && roundTripMs > 0 ? roundTripMs : undefined,
    lastSeenAt: isConnected ? new Date() : since,
  }
}

function gone({ id, label, machineId, agent, minor, address, tokenId, lastSeenAt }: KeptClient): ClientView {
  return {
    ...{ id, label, machineId, agent, address, tokenId, lastSeenAt, tunnels: [], since: lastSeenAt },
    state: 'gone',
    isOutdated: minor < PROTOCOL_MINOR,
    roundTripMs: undefined,
  }
}

function byLabel(one: ClientView, other: ClientView): number {
  const key = (view: ClientView) => `${view.label}\n${view.id}`
  return key(one) < key(other) ? -1 : 1
}

function stateOf({ state }: ClientView): string {
  return state === 'connected' ? 'connected' : 'expected back'
}

function unknown(id: string): Failure {
  return new Failure('unknown-client', `there is no client ${id.slice(0, 200)}`, {
    cure: 'look at the list of clients: those seen longest ago may have gone from it',
  })
}
