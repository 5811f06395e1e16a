// UDP visitors of a port: each address is a flow with a channel of its own, nothing is sent to an address that did not ask, and
// not many times more than it sent to one that did and has not shown that it gets it.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { type Channel, type Clock, PbtError, type Timer } from '@pbt/proto'
import type { AccessSink } from '../../observe/access-log.ts'
import type { Log } from '../../observe/log.ts'
import type { LiveTunnel } from '../../relay/registry.ts'
import { endpointOf } from '../fields/headers.ts'
import type { Tunnels } from '../router.ts'
import { PortFlows } from './port-flows.ts'
import { ReplyBudget } from './reply-budget.ts'
import { Flow, type FlowOwner } from './udp-flow.ts'

/** Datagrams waiting for the kernel; it takes them at once unless the machine's own line is full. */
const MAX_WAITING_BYTES = 1024 * 1024
/** Asked of the kernel, which gives what its own limit allows. */
const BUFFER_BYTES = 4 * 1024 * 1024
/** How exactly silence is measured. */
const SWEEP_MS = 1_000
/** That replies are withheld is told to the log this often at most, for each port. */
const LOG_INTERVAL_MS = 60_000

/** What all UDP ports have in common. */
export interface UdpListenerOptions {
  readonly tunnels: Tunnels
  readonly clock: Clock
  readonly isShared: boolean
  readonly limits: { readonly isMemoryShort: boolean }
  readonly log: Pick<Log, 'warn'>
  readonly access: AccessSink
}

/** One UDP socket and its flows; datagrams that cannot be passed on are dropped and counted. */
export class UdpListener implements FlowOwner {
  readonly socket: Socket
  private readonly options: UdpListenerOptions
  private readonly address: string
  /** Those that came by this socket. */
  private readonly flows = new Map<string, Flow>()
  /** Those of all sockets of the port. */
  private readonly port: PortFlows
  private readonly sweeper: { timer: Timer }
  private local = ''
  private isClosed = false
  /** Replies since the start that were more than their visitors may be sent. */
  private withheld = 0
  private loggedAt = Number.NEGATIVE_INFINITY

  /**
   * `host`: the address to bind, which tells the family; nothing is bound yet. `port`: what it has in common with the port's
   * other sockets.
   */
  constructor(
    options: UdpListenerOptions,
    address: string,
    host: string,
    port = new PortFlows(new ReplyBudget(options.clock), options.clock),
  ) {
    this.options = options
    this.address = address
    this.port = port
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
    if (flow?.tunnel.isPaused === true) {
      this.drop(flow.tunnel.name)
      return
    }
    // Refused when the link is behind: what waits there is bounded, and the newest goes.
    if (flow !== undefined && !flow.receive(datagram, this.options.clock.now())) this.drop(flow.tunnel.name)
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
    if (tunnel.isPaused) {
      this.drop(tunnel.name)
      return undefined
    }
    if (!tunnel.allows(address)) {
      access.datagramRefused(tunnel.name, address)
      return undefined
    }
    const flow = limits.isMemoryShort ? undefined : this.open(tunnel, key, address, port)
    if (flow === undefined) this.drop(tunnel.name)
    return flow
  }

  private open(tunnel: LiveTunnel, key: string, address: string, port: number): Flow | undefined {
    const source = this.port.sourceOf(address)
    if (source === undefined) return undefined
    const { access } = this.options
    const startedAt = access.now()
    const proof = tunnel.replyFactor === undefined ? undefined : this.port.proofOf(tunnel, address)
    const flow: Flow = new Flow(this, key, address, port, source, proof, tunnel, reason => {
      const what = { kind: 'udp', tunnel: tunnel.name, visitor: address, summary: '', status: 0 } as const
      access.ended({ ...what, startedAt, firstByteAt: 0, ...bytesOf(flow.channel), reason })
      this.flows.delete(key)
      this.port.remove(flow)
    })
    const connect = () => channelOf(() => tunnel.connect('udp', endpointOf(address, port), this.local, flow))
    flow.channel = connect()
    if (flow.channel === undefined) {
      // The session has as many flows as can be: one of this port makes room, if there is one.
      if (this.port.size === 0) return undefined
      this.evict()
      flow.channel = connect()
      if (flow.channel === undefined) return undefined
    } else if (this.port.isFull) this.evict()
    this.flows.set(key, flow)
    this.port.add(flow)
    return flow
  }

  private evict(): void {
    const { oldest } = this.port
    if (oldest === undefined) return
    this.options.access.flowEvicted(oldest.tunnel.name)
    oldest.close('ended to make room for a newer flow', 'limit')
  }

  private sweep(): void {
    const now = this.options.clock.now()
    for (const flow of this.flows.values()) flow.pass(now)
    this.port.sweep()
    this.sweeper.timer = this.options.clock.after(SWEEP_MS, () => this.sweep())
  }

  /** One that could not be passed on. */
  private drop(tunnel: string): void {
    this.options.access.datagramDropped(tunnel)
  }

  /** More than its visitor may be sent, since its address may be forged. */
  private withhold({ tunnel, address }: Flow): void {
    this.drop(tunnel.name)
    this.withheld++
    const now = this.now()
    if (now - this.loggedAt < LOG_INTERVAL_MS) return
    this.loggedAt = now
    const { name, replyFactor } = tunnel
    const fields = { tunnel: name, visitor: address, replyFactor, withheld: this.withheld }
    const cure = 'if visitors need more: pbt udp --reply-factor, after reading docs/limits.md'
    this.options.log.warn('UDP replies were dropped: more than the reply factor allows', { ...fields, cure })
  }

  // For flows.

  moveBack(flow: Flow): void {
    this.port.moveBack(flow)
  }

  now(): number {
    return this.options.clock.now()
  }

  send(datagram: Buffer, flow: Flow): void {
    const { socket } = this
    if (flow.tunnel.isPaused || socket.getSendQueueSize() > MAX_WAITING_BYTES) this.drop(flow.tunnel.name)
    else if (flow.spend(datagram.length)) socket.send(datagram, flow.port, flow.address, ignore)
    else this.withhold(flow)
  }
}

/** What a flow has carried. */
function bytesOf(channel: Channel | undefined) {
  const { bytesSent = 0, bytesReceived = 0, countedSent = 0, countedReceived = 0 } = channel ?? {}
  return { bytesIn: bytesSent, bytesOut: bytesReceived, countedIn: countedSent, countedOut: countedReceived }
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
