// TCP visitors of a port: each connection is a channel, joined to it until both ends are over.
import { createServer, type Server, type Socket } from 'node:net'
import { type ChannelHandler, KIB, keepAliveDelayMs, PbtError, Pipe, resetStream } from '@pbt/proto'
import type { AccessSink } from '../observe/access-log.ts'
import type { LiveTunnel, Lookup } from '../relay/registry.ts'
import type { Connections } from './connections.ts'
import { endpointOf, visitorOf } from './headers.ts'
import { readInBulk } from './read-in-bulk.ts'
import type { Tunnels } from './router.ts'

/** What Node reads ahead of, and keeps for, a connection that stands still: this and one read or write more. */
const STREAM_BUFFER_BYTES = 16 * KIB

export interface TcpListenerOptions {
  readonly tunnels: Tunnels
  readonly connections: Connections
  readonly access: AccessSink
}

/** A listener whose visitors are led to the tunnel of `address`; binds nothing yet. */
export function createTcpListener({ tunnels, connections, access }: TcpListenerOptions, address: string): Server {
  const options = {
    allowHalfOpen: true,
    noDelay: true,
    highWaterMark: STREAM_BUFFER_BYTES,
  }
  return createServer(options, accepted => {
    const lookup = tunnels.lookup(address)
    // Who has to wait is read by Node, which notices when they go away.
    const socket = lookup.state === 'online' ? readInBulk(accepted, STREAM_BUFFER_BYTES) : accepted
    socket.on('error', () => {}) // 'close' follows
    socket.setKeepAlive(true, keepAliveDelayMs())
    const verdict = connections.admit(socket)
    if (verdict !== 'welcome') {
      // TCP has no words for it.
      if (verdict !== 'refused') socket.resetAndDestroy()
      return
    }
    const startedAt = access.now()
    follow(lookup)

    function follow(lookup: Lookup): void {
      switch (lookup.state) {
        case 'online':
          join(socket, lookup.tunnel, access, startedAt)
          return
        case 'awaited': {
          const stop = tunnels.whenKnown(address, follow)
          if (stop === undefined) refuse(socket, access, startedAt, '', address, 'overloaded')
          else socket.once('close', stop)
          return
        }
        case 'offline':
        case 'unknown':
          // Never accept and hang: the visitor learns at once that nobody is there.
          refuse(socket, access, startedAt, '', address, lookup.state)
      }
    }
  })
}

function join(socket: Socket, tunnel: LiveTunnel, access: AccessSink, startedAt: number): void {
  if (socket.destroyed) return
  const visitor = visitorOf(socket.remoteAddress, socket.remotePort, socket.localPort, 'http')
  if (!tunnel.allows(visitor.address)) {
    refuse(socket, access, startedAt, tunnel.name, '', 'not-allowed')
    return
  }
  const opening: ChannelHandler = { onReset: () => resetStream(socket) }
  try {
    const channel = tunnel.connect('tcp', visitor.endpoint, endpointOf(socket.localAddress, socket.localPort), opening)
    channel.handler = new Pipe(socket, channel, code => {
      const { bytesSent, bytesReceived } = channel
      access.ended('tcp', tunnel.name, visitor.address, '', 0, startedAt, bytesSent, bytesReceived, code ?? '')
    })
  } catch (error) {
    if (!(error instanceof PbtError)) throw error
    refuse(socket, access, startedAt, tunnel.name, '', error.code)
  }
}

function refuse(
  socket: Socket,
  access: AccessSink,
  startedAt: number,
  tunnel: string,
  summary: string,
  reason: string,
): void {
  const { address } = visitorOf(socket.remoteAddress, socket.remotePort, socket.localPort, 'http')
  access.refused('tcp', tunnel, address, summary, 0, startedAt, reason)
  socket.resetAndDestroy()
}
