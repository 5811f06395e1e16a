// What the owner may see of the tunnels that are open, and do to what is open in them.
import { type Channel, type Clock, PbtError } from '@pbt/proto'
import { Feature } from '@pbt/proto/tunnel/v1'
import { peerIn } from '../access/peer-address.ts'
import type { Addresses } from './addresses.ts'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'
import type { TargetHealth } from './tunnel.ts'
import type { TunnelEnd, TunnelEnds } from './tunnel-ends.ts'

/** A tunnel whose client is there, or expected back. */
export interface LiveTunnelView {
  readonly name: string
  /** Its client has a link; else it lost it and may resume. */
  readonly isConnected: boolean
  /** Since when. */
  readonly since: Date
  readonly clientId: string
  readonly clientLabel: string
  readonly target: string
  /** Whom the client names with --allow; none: everybody. */
  readonly clientBlocks: readonly string[]
  readonly health: TargetHealth | undefined
  /** Requests, connections and flows. */
  readonly open: number
}

/** A request, connection or flow that is open. */
export interface LiveConnection {
  /** The session and the channel. */
  readonly id: string
  readonly tunnel: string
  /** http, websocket, upgrade, tcp or udp. */
  readonly kind: string
  /** The visitor's address. */
  readonly peer: string
  readonly startedAt: Date
  readonly bytesIn: number
  readonly bytesOut: number
  /** Method and path of a request. */
  readonly summary: string
}

/** Where open tunnels are found, and why others have ended. */
export interface LiveTunnelsOptions {
  readonly sessions: Sessions
  readonly addresses: Addresses
  readonly ends: TunnelEnds
  readonly clock: Clock
}

const ID = /^([0-9a-f]{32})-(\d{1,15})$/

/** Lists open tunnels and connections for the owner, and ends single connections. */
export class LiveTunnels {
  private readonly options: LiveTunnelsOptions

  constructor(options: LiveTunnelsOptions) {
    this.options = options
  }

  /** Those that are open, by their names. Looks at every channel: to be asked now and then. */
  tunnels(): ReadonlyMap<string, LiveTunnelView> {
    const all = new Map<string, LiveTunnelView>()
    for (const session of this.options.sessions.all()) {
      const traffic = session.mux.channels.byTunnel()
      for (const tunnel of session.tunnels.open()) {
        const { name, client, affinity, allow, health, onlineAt } = tunnel
        all.set(name, {
          ...{ name, health, clientId: client.id, clientLabel: client.label, target: affinity.target },
          isConnected: session.isAttached,
          since: onlineAt > session.since ? onlineAt : session.since,
          clientBlocks: allow,
          open: traffic.get(tunnel.index)?.channels ?? 0,
        })
      }
    }
    return all
  }

  /** Why one that is not open went offline, as far as this process knows. */
  endOf(tunnel: string): TunnelEnd | undefined {
    return this.options.ends.of(tunnel)
  }

  /** Whether the client of a tunnel at this address is expected back after a restart of the server. */
  isAwaited(address: string): boolean {
    return this.options.addresses.isAwaited(address)
  }

  /** Whether a client has a link, whatever it serves. */
  isConnected(clientId: string): boolean {
    return this.options.sessions.ofClient(clientId)?.isAttached ?? false
  }

  /** What is open, of one tunnel or, for undefined, of all; the oldest first. */
  connections(tunnel?: string): LiveConnection[] {
    const found: LiveConnection[] = []
    const now = this.options.clock.now()
    const today = Date.now()
    for (const session of this.options.sessions.all()) {
      for (const channel of session.mux.channels.all()) {
        const name = session.tunnels.nameOf(channel.tunnel)
        if (name === undefined || (tunnel !== undefined && name !== tunnel)) continue
        found.push(connectionOf(session, channel, name, new Date(today - (now - channel.openedAt))))
      }
    }
    return found.sort((one, other) => one.startedAt.getTime() - other.startedAt.getTime())
  }

  /** Cuts one of them at both ends; undefined: it is not open. */
  end(id: string, message: string): LiveConnection | undefined {
    const [, sessionId = '', number = ''] = ID.exec(id) ?? []
    const session = this.options.sessions.get(sessionId)
    if (session === undefined) return undefined
    const found = this.connections().find(connection => connection.id === id)
    const isEnded = session.mux.channels.reset(Number(number), new PbtError('killed', message))
    return isEnded ? found : undefined
  }

  /** Tells the client to open a tunnel that it keeps though it was ended; false: no such client is there. */
  start(clientId: string, tunnel: string): boolean {
    const session = this.options.sessions.ofClient(clientId)
    if (session === undefined || !session.has(Feature.START_TUNNEL)) return false
    session.startTunnel(tunnel)
    return true
  }
}

function connectionOf(session: Session, channel: Channel, tunnel: string, startedAt: Date): LiveConnection {
  const { handler, bytesSent, bytesReceived } = channel
  return {
    id: `${session.id.toString('hex')}-${channel.id}`,
    tunnel,
    kind: handler.kind ?? channel.kind,
    peer: peerIn(channel.visitor),
    startedAt,
    bytesIn: bytesSent,
    bytesOut: bytesReceived,
    summary: handler.summary ?? '',
  }
}
