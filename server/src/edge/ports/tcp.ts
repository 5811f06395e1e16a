// TCP visitors of a port: each connection is a channel, joined to it until both ends are over.
import { createServer, type Server, type Socket } from 'node:net'
import {
  bareAddress,
  type Channel,
  type ChannelHandler,
  KIB,
  keepAliveDelayMs,
  PbtError,
  Pipe,
  resetStream,
} from '@pbt/proto'
import type { VisitorLimits } from '../../access/visitor-limits.ts'
import type { AccessSink } from '../../observe/access-log.ts'
import type { VisitEnd } from '../../observe/access-record.ts'
import type { LiveTunnel, Lookup } from '../../relay/registry.ts'
import type { Connections } from '../connections.ts'
import { endpointOf } from '../fields/headers.ts'
import { readInBulk } from '../read-in-bulk.ts'
import type { Tunnels } from '../router.ts'

/** What Node reads ahead of, and keeps for, a connection that stands still: this and one read or write more. */
const STREAM_BUFFER_BYTES = 16 * KIB

/** What all TCP ports have in common. */
export interface TcpListenerOptions {
  readonly tunnels: Tunnels
  readonly limits: VisitorLimits
  readonly connections: Connections
  readonly access: AccessSink
}

/** A listener whose visitors are led to the tunnel of `address`; binds nothing yet. */
export function createTcpListener(options: TcpListenerOptions, address: string): Server {
  const { tunnels, connections } = options
  const buffers = {
    allowHalfOpen: true,
    noDelay: true,
    highWaterMark: STREAM_BUFFER_BYTES,
  }
  return createServer(buffers, accepted => {
    const lookup = tunnels.lookup(address)
    // A connection that has to wait is read by Node, which notices when it closes.
    const socket = lookup.state === 'online' ? readInBulk(accepted, STREAM_BUFFER_BYTES) : accepted
    socket.on('error', () => {}) // 'close' follows
    socket.setKeepAlive(true, keepAliveDelayMs())
    const verdict = connections.admit(socket)
    if (verdict !== 'welcome') {
      // TCP has no words for it.
      if (verdict !== 'refused') socket.resetAndDestroy()
      return
    }
    new TcpVisit(socket, options, address).follow(lookup)
  })
}

class TcpVisit implements VisitEnd {
  readonly kind = 'tcp'
  readonly status = 0
  readonly firstByteAt = 0
  readonly startedAt: number
  readonly visitor: string
  tunnel = ''
  summary = ''
  reason = ''
  private readonly socket: Socket
  private readonly options: TcpListenerOptions
  private readonly address: string
  private channel: Channel | undefined

  constructor(socket: Socket, options: TcpListenerOptions, address: string) {
    this.socket = socket
    this.options = options
    this.address = address
    this.startedAt = options.access.now()
    this.visitor = bareAddress(socket.remoteAddress ?? 'unknown')
  }

  get bytesIn(): number {
    return this.channel?.bytesSent ?? 0
  }

  get bytesOut(): number {
    return this.channel?.bytesReceived ?? 0
  }

  get countedIn(): number {
    return this.channel?.countedSent ?? 0
  }

  get countedOut(): number {
    return this.channel?.countedReceived ?? 0
  }

  /** Joins the connection to the tunnel, waits for it, or refuses. */
  follow(lookup: Lookup): void {
    switch (lookup.state) {
      case 'online':
        this.join(lookup.tunnel)
        return
      case 'awaited': {
        const stop = this.options.tunnels.whenKnown(this.address, known => this.follow(known))
        if (stop === undefined) this.refuse('overloaded')
        else this.socket.once('close', stop)
        return
      }
      case 'offline':
      case 'unknown':
        // Never accept and hang: the visitor learns at once that there is no client.
        this.refuse(lookup.state)
    }
  }

  private join(tunnel: LiveTunnel): void {
    const { socket, options, visitor } = this
    if (socket.destroyed) return
    this.tunnel = tunnel.name
    const use = options.limits.useOf(visitor)
    if (tunnel.isPaused) {
      this.refuse('paused')
      return
    }
    if (!tunnel.allows(visitor)) {
      this.refuse('not-allowed')
      return
    }
    if (tunnel.isNearlyFull && !use.isSmall) {
      this.refuse('limited')
      return
    }
    const opening: ChannelHandler = { onReset: () => resetStream(socket) }
    const [peer, local] = [endpointOf(visitor, socket.remotePort), endpointOf(socket.localAddress, socket.localPort)]
    try {
      const channel = tunnel.connect('tcp', peer, local, opening)
      this.channel = channel
      channel.handler = new Pipe(
        socket,
        channel,
        code => {
          if (code === 'limit') tunnel.noteShort()
          this.over(code ?? '')
        },
        use,
      )
    } catch (error) {
      if (!(error instanceof PbtError)) throw error
      this.refuse(error.code)
    }
  }

  private over(reason: string): void {
    const { channel } = this
    // The client did not come back for a visitor that waited.
    this.reason = reason === 'link-lost' && channel?.isAnnounced === false ? 'offline' : reason
    this.options.access.ended(this)
    if (channel === undefined) return
    // It may stay open for a moment.
    channel.countedSent = channel.bytesSent
    channel.countedReceived = channel.bytesReceived
  }

  private refuse(reason: string): void {
    if (this.tunnel === '') this.summary = this.address
    this.reason = reason
    this.options.access.refused(this)
    this.socket.resetAndDestroy()
  }
}
