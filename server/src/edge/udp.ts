// UDP visitors of a port: each address is a flow with a channel of its own, and nothing is sent to an address that did not
// ask.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { type Channel, type ChannelHandler, type Clock, PbtError, type Timer } from '@pbt/proto'
import { countedAs } from '../access/peer-address.ts'
import type { AccessSink } from '../observe/access-log.ts'
import type { LiveTunnel } from '../relay/registry.ts'
import { endpointOf } from './headers.ts'
import type { Tunnels } from './router.ts'

/** Flows of one port; then the one that was silent longest goes. Each costs up to a kilobyte here and a socket at the client. */
const MAX_FLOWS = 4_096
/** Flows of one address (IPv6: of one /64), so that nobody can drive out everybody else's. */
const MAX_FLOWS_PER_SOURCE = 256
/**
 * Until a source has answered a reply, and so is what it says, it gets no more than this or three times what it sent (as
 * RFC 9000 section 8 has it): a forged address is of little use to flood its owner.
 */
const UNPROVEN_REPLY_BYTES = 64 * 1024
const UNPROVEN_REPLY_FACTOR = 3
/** Datagrams waiting for the kernel; it takes them at once unless the machine's own line is full. */
const MAX_WAITING_BYTES = 1024 * 1024
/** Asked of the kernel, which gives what its own limit allows. */
const BUFFER_BYTES = 4 * 1024 * 1024
const SWEEP_MS = 1_000
/** The order of eviction is exact to this: a flow that speaks all the time is not moved at each datagram. */
const PLACE_MS = 100

export interface UdpListenerOptions {
  readonly tunnels: Tunnels
  readonly clock: Clock
  readonly isShared: boolean
  readonly limits: { readonly isMemoryShort: boolean }
  readonly access: AccessSink
}

/** All flows of one address together. */
interface Source {
  flows: number
  bytesIn: number
  bytesOut: number
  isProven: boolean
}

export class UdpListener {
  readonly socket: Socket
  private readonly options: UdpListenerOptions
  private readonly address: string
  /** Those that were silent longest first. */
  private readonly flows = new Map<string, Flow>()
  private readonly sources = new Map<string, Source>()
  private readonly sweeper: { timer: Timer }
  private local = ''
  private isClosed = false

  /** `host`: the address to bind, which tells the family; nothing is bound yet. */
  constructor(options: UdpListenerOptions, address: string, host: string) {
    this.options = options
    this.address = address
    const isV6 = isIPv6(host)
    this.socket = createSocket({
      type: isV6 ? 'udp6' : 'udp4',
      reusePort: options.isShared,
      recvBufferSize: BUFFER_BYTES,
      sendBufferSize: BUFFER_BYTES,
      // Addresses come from datagrams: there is nothing to look up, and the way through the resolver costs a turn.
      lookup: (name, _options, call) => call(null, name, isV6 ? 6 : 4),
    })
    this.socket.on('message', (datagram, from) => this.received(datagram, from))
    this.socket.on('listening', () => {
      const { address, port } = this.socket.address()
      this.local = endpointOf(address, port)
    })
    this.sweeper = { timer: options.clock.after(SWEEP_MS, () => this.sweep()) }
  }

  get flowCount(): number {
    return this.flows.size
  }

  /** Again: nothing. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.sweeper.timer.clear()
    for (const flow of this.flows.values()) flow.close('the port was closed', 'tunnel-closed')
    this.socket.close()
  }

  private received(datagram: Buffer, { address, port }: RemoteInfo): void {
    const key = `${address} ${port}`
    const flow = this.flows.get(key) ?? this.admit(key, address, port)
    // Refused when the link is behind: what waits there is bounded, and the newest goes.
    if (flow !== undefined && !flow.receive(datagram, this.options.clock.now())) this.drop(flow.tunnel)
  }

  /** A new flow; undefined when there cannot be one, and then its datagram has been counted. */
  private admit(key: string, address: string, port: number): Flow | undefined {
    const { tunnels, limits, access } = this.options
    const lookup = tunnels.lookup(this.address)
    // Port 0 (RFC 768 allows it) can be sent no answer.
    if (lookup.state !== 'online' || port === 0) {
      this.drop('')
      return undefined
    }
    const { tunnel } = lookup
    if (!tunnel.allows(address)) {
      access.datagramRefused(tunnel.name)
      return undefined
    }
    const flow = limits.isMemoryShort ? undefined : this.open(tunnel, key, address, port)
    if (flow === undefined) this.drop(tunnel.name)
    return flow
  }

  private open(tunnel: LiveTunnel, key: string, address: string, port: number): Flow | undefined {
    const counted = countedAs(address)
    const source = this.sources.get(counted) ?? { flows: 0, bytesIn: 0, bytesOut: 0, isProven: false }
    if (source.flows >= MAX_FLOWS_PER_SOURCE) return undefined
    const { access } = this.options
    const startedAt = access.now()
    const flow: Flow = new Flow(this, key, address, port, source, tunnel, reason => {
      const { bytesSent = 0, bytesReceived = 0 } = flow.channel ?? {}
      const { tunnel } = flow
      const bytes = { bytesIn: bytesSent, bytesOut: bytesReceived }
      access.ended({ kind: 'udp', tunnel, visitor: address, summary: '', status: 0, startedAt, ...bytes, reason })
      this.flows.delete(key)
      if (--source.flows === 0) this.sources.delete(counted)
    })
    const connect = () => channelOf(() => tunnel.connect('udp', endpointOf(address, port), this.local, flow))
    flow.channel = connect()
    if (flow.channel === undefined) {
      // The session has as many flows as can be: one of this port makes room, if there is one.
      if (this.flows.size === 0) return undefined
      this.evict()
      flow.channel = connect()
      if (flow.channel === undefined) return undefined
    } else if (this.flows.size >= MAX_FLOWS) this.evict()
    source.flows++
    this.sources.set(counted, source)
    this.flows.set(key, flow)
    return flow
  }

  /** The flow that was silent longest, to PLACE_MS. */
  private evict(): void {
    const [oldest] = this.flows.values()
    if (oldest === undefined) return
    this.options.access.flowEvicted(oldest.tunnel)
    oldest.close('another visitor needed its place', 'limit')
  }

  private sweep(): void {
    const now = this.options.clock.now()
    for (const flow of this.flows.values()) if (now - flow.lastAt > flow.idleMs) flow.close('it was silent', '')
    this.sweeper.timer = this.options.clock.after(SWEEP_MS, () => this.sweep())
  }

  // For flows.

  /** It is not silent. */
  moveBack(flow: Flow): void {
    if (!this.flows.delete(flow.key)) return
    this.flows.set(flow.key, flow)
  }

  now(): number {
    return this.options.clock.now()
  }

  /** One that could not be passed on. */
  drop(tunnel: string): void {
    this.options.access.datagramDropped(tunnel)
  }

  send(datagram: Buffer, { source, port, address, tunnel }: Flow): void {
    const { socket } = this
    const bytes = source.bytesOut + datagram.length
    const mayBeForged = !source.isProven && bytes > UNPROVEN_REPLY_BYTES
    if (
      (mayBeForged && bytes > UNPROVEN_REPLY_FACTOR * source.bytesIn) ||
      socket.getSendQueueSize() > MAX_WAITING_BYTES
    ) {
      this.drop(tunnel)
      return
    }
    source.bytesOut = bytes
    socket.send(datagram, port, address, ignore)
  }
}

class Flow implements ChannelHandler {
  channel: Channel | undefined
  /** Its name. */
  readonly tunnel: string
  lastAt: number
  /** When it got its place in the order of eviction. */
  private placedAt: number
  readonly key: string
  readonly idleMs: number
  private readonly listener: UdpListener
  readonly address: string
  readonly port: number
  readonly source: Source
  private readonly ended: (reason: string) => void

  constructor(
    listener: UdpListener,
    key: string,
    address: string,
    port: number,
    source: Source,
    { name, idleTimeoutMs }: LiveTunnel,
    ended: (reason: string) => void,
  ) {
    this.listener = listener
    this.key = key
    this.address = address
    this.port = port
    this.source = source
    this.tunnel = name
    this.idleMs = idleTimeoutMs
    this.ended = ended
    this.lastAt = listener.now()
    this.placedAt = this.lastAt
  }

  /** False: the datagram was dropped. */
  receive(datagram: Buffer, now: number): boolean {
    this.lastAt = now
    if (now - this.placedAt >= PLACE_MS) {
      this.placedAt = now
      this.listener.moveBack(this)
    }
    const { source } = this
    source.bytesIn += datagram.length
    if (source.bytesOut > 0) source.isProven = true
    return this.channel?.sendDatagram(datagram) === true
  }

  close(why: string, reason: string): void {
    this.channel?.reset('cancelled', why)
    this.ended(reason)
  }

  onDatagram(datagram: Buffer): void {
    // Not a sign of the visitor: who has left is sent nothing for longer than the idle time.
    this.listener.send(datagram, this)
  }

  onEnd(): void {
    this.close('the client ended it', '')
  }

  onReset(error: PbtError): void {
    this.ended(error.code)
  }
}

/** Undefined when the session cannot have another one, or is over. */
function channelOf(connect: () => Channel): Channel | undefined {
  try {
    return connect()
  } catch (error) {
    if (error instanceof PbtError) return undefined
    throw error
  }
}

/** Without a callback a datagram that the network refuses would end the listener. */
function ignore(): void {}
