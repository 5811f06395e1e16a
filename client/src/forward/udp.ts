// Forwards the flows of one UDP tunnel to its target: each has a local socket of its own, so that the target can tell them
// apart.
import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns'
import { isIP } from 'node:net'
import { type Channel, type ChannelHandler, type Clock, type ErrorCode, type PbtError, systemClock } from '@pbt/proto'
import type { Target } from '../target.ts'
import type { Forwarder } from './forwarder.ts'
import type { Places } from './places.ts'
import { type OnRequest, Recorder } from './record.ts'

/** Datagrams that wait for the local socket; a target that is there takes them within a turn or two. */
const MAX_WAITING = 64
/** Bytes waiting for the kernel; it takes them at once unless the target is elsewhere and the line full. */
const MAX_WAITING_BYTES = 1024 * 1024
/** Asked of the kernel, which gives what its own limit allows. */
const BUFFER_BYTES = 1024 * 1024
/** A flow that was silent for this long gives way when another visitor needs its descriptor. */
const QUIET_MS = 5_000
/** How exactly the order of flows is that of their silence; finer would cost each datagram. */
const PLACE_MS = 1_000

export interface UdpForwarderOptions {
  readonly target: Target
  readonly places: Places
  /** Told of every flow at its end. Must not throw. */
  readonly onRequest: OnRequest
}

/** A forwarder that sends to the target, and to nothing else, whatever the server asks for. */
export function createUdpForwarder({ target, places, onRequest }: UdpForwarderOptions): Forwarder {
  const context = { target, places, clock: systemClock, flows: new Set<Flow>() }
  const stopLending = places.lend(() => giveUpQuietest(context.flows))
  return {
    accept: (channel, open) => {
      if (open.kind !== 'udp') return
      channel.handler = new Flow(context, channel, new Recorder(onRequest, 'UDP', open.visitor, channel))
    },
    close: stopLending,
  }
}

/** Ends the flow that was silent longest, to PLACE_MS; false when it has not been for long. */
function giveUpQuietest(flows: ReadonlySet<Flow>): boolean {
  const [quietest] = flows
  return quietest?.giveUpIfQuiet() === true
}

/** What the flows of a tunnel have in common. */
interface FlowContext {
  readonly target: Target
  readonly places: Places
  readonly clock: Clock
  /** Those that have a socket, the one that was silent longest first. */
  readonly flows: Set<Flow>
}

class Flow implements ChannelHandler {
  /** When a datagram went either way last. */
  private lastAt: number
  /** When it got its place in the order of flows. */
  private placedAt: number
  private readonly context: FlowContext
  private readonly channel: Channel
  private readonly record: Recorder
  private socket: Socket | undefined
  private isConnected = false
  private isOver = false
  private waiting: Buffer[] = []

  constructor(context: FlowContext, channel: Channel, record: Recorder) {
    this.context = context
    this.channel = channel
    this.record = record
    this.lastAt = context.clock.now()
    this.placedAt = this.lastAt
    const { endpoint } = context.target
    const host = endpoint.kind === 'tcp' ? (endpoint.hosts[0] ?? '') : ''
    const port = endpoint.kind === 'tcp' ? endpoint.port : 0
    const family = isIP(host)
    if (family !== 0) this.connect(host, port, family)
    else {
      lookup(host, (error, address, found) => {
        if (error) this.failed('target-unreachable', error.message)
        else this.connect(address, port, found)
      })
    }
  }

  /** Makes room for another visitor; false when a datagram went either way of late. */
  giveUpIfQuiet(): boolean {
    if (this.context.clock.now() - this.lastAt < QUIET_MS) return false
    this.channel.reset('limit', 'another visitor needed its descriptor (ulimit -n)')
    this.over('limit')
    return true
  }

  onDatagram(datagram: Buffer): void {
    this.spoke()
    this.forward(datagram)
  }

  private spoke(): void {
    const { clock, flows } = this.context
    this.lastAt = clock.now()
    if (this.lastAt - this.placedAt < PLACE_MS) return
    this.placedAt = this.lastAt
    if (flows.delete(this)) flows.add(this)
  }

  private forward(datagram: Buffer): void {
    const { socket } = this
    if (!this.isConnected || socket === undefined) {
      if (this.waiting.length < MAX_WAITING) this.waiting.push(datagram)
    } else if (socket.getSendQueueSize() <= MAX_WAITING_BYTES) socket.send(datagram, ignore)
  }

  onEnd(): void {
    this.channel.end()
    this.over('')
  }

  onReset(error: PbtError): void {
    this.over(error.code === 'cancelled' ? '' : error.code)
  }

  private connect(host: string, port: number, family: number): void {
    if (this.isOver) return
    const { places, flows } = this.context
    if (!places.take()) {
      this.failed('limit', 'pbt has as many sockets open as its descriptors allow (ulimit -n)')
      return
    }
    const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', recvBufferSize: BUFFER_BYTES })
    this.socket = socket
    flows.add(this)
    socket.once('close', () => places.give())
    socket.on('message', datagram => this.answer(datagram))
    // Once connected, errors tell that nobody listens at the target just now; it may come back.
    socket.on('error', error => {
      if (!this.isConnected) this.failed('target-unreachable', error.message)
    })
    socket.on('connect', () => {
      this.isConnected = true
      for (const datagram of this.waiting.splice(0)) this.forward(datagram)
    })
    socket.connect(port, host)
  }

  private answer(datagram: Buffer): void {
    this.spoke()
    this.channel.sendDatagram(datagram)
  }

  private failed(code: ErrorCode, reason: string): void {
    this.channel.reset(code, `could not reach ${this.context.target.label}: ${reason}`)
    this.over(code)
  }

  private over(fault: string): void {
    if (this.isOver) return
    this.isOver = true
    this.waiting = []
    this.context.flows.delete(this)
    this.socket?.close()
    this.record.over(fault)
  }
}

/** Without a callback a datagram that the target's system refuses would be an error of the socket. */
function ignore(): void {}
