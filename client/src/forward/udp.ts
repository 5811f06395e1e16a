// Forwards the flows of one UDP tunnel to its target: each has a local socket of its own, so that the target can tell them
// apart.
import { createSocket, type Socket } from 'node:dgram'
import { isIP } from 'node:net'
import {
  type Channel,
  type ChannelHandler,
  type Clock,
  type ErrorCode,
  type PbtError,
  systemClock,
  toKeep,
} from '@pbt/proto'
import type { Target } from '../config/target.ts'
import { isRefusal } from './dial.ts'
import type { Forwarder } from './forwarder.ts'
import type { Places } from './places.ts'
import { datagramHeader } from './proxy-protocol.ts'
import { type OnRequest, Recorder } from './record.ts'
import { nameOf, type Resolve, type TargetName } from './target-name.ts'

/** Datagrams that wait for the local socket; a target that is there takes them within a turn or two. */
const MAX_WAITING = 64
/** And their bytes: four of the largest. */
const MAX_WAITING_UNSENT_BYTES = 256 * 1024
/** Bytes waiting for the kernel; it takes them at once unless the target is elsewhere and the line full. */
const MAX_WAITING_BYTES = 1024 * 1024
/** Asked of the kernel, which gives what its own limit allows. */
const BUFFER_BYTES = 1024 * 1024
/** A flow that was silent for this long gives way when another visitor needs its descriptor. */
const QUIET_MS = 5_000
/** How exactly the order of flows is that of their silence; finer would cost each datagram. */
const PLACE_MS = 1_000
/** Copies of datagrams that nobody may have got, for the target's other address: one of the largest. */
const MAX_TRIED_BYTES = 64 * 1024
/** Such a copy is no longer wanted after this time: this machine refuses at once, so somebody got it, or it is old. */
const TRIED_MS = 1_000
/** What one datagram can carry: 65,535 without the headers of IPv4 and UDP. */
const MAX_DATAGRAM_BYTES = 65_507
/** A flow whose target is not there looks for it at all its addresses once in this time: each look costs a socket. */
const ROUND_MS = 1_000

/** The target of one tunnel, what it learns of visitors, and what to call about flows. */
export interface UdpForwarderOptions {
  readonly target: Target
  /** Tell the target each visitor's address, in front of its first datagram (PROXY protocol, version 2). */
  readonly isIntroduced: boolean
  readonly places: Places
  readonly clock?: Clock
  readonly resolve?: Resolve
  /** Told of every flow at its end. Must not throw. */
  readonly onRequest: OnRequest
  /** Told whether the target is reached: why not, '' when it is. */
  readonly onTarget?: ((message: string) => void) | undefined
}

/** A forwarder that sends to the target, and to nothing else, whatever the server asks for. */
export function createUdpForwarder(options: UdpForwarderOptions): Forwarder {
  const { target, isIntroduced, places, onRequest, onTarget, clock = systemClock, resolve } = options
  const context = { target, name: nameOf(target, clock, resolve), places, clock, onTarget, flows: new Set<Flow>() }
  const stopLending = places.lend(() => giveUpQuietest(context.flows))
  return {
    accept: (channel, open) => {
      if (open.kind !== 'udp') return
      const introduction = isIntroduced ? datagramHeader(open.visitor, open.local) : undefined
      const record = new Recorder(onRequest, 'UDP', open.visitor, channel)
      channel.handler = new Flow(context, channel, record, introduction)
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
  readonly name: TargetName | undefined
  readonly places: Places
  readonly clock: Clock
  readonly onTarget: ((message: string) => void) | undefined
  /** Those that have a place, the one that was silent longest first. */
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
  /** What goes in front of the first datagram by each socket; undefined for nothing. */
  private readonly introduction: Buffer | undefined
  /** Whether that has gone out, or there is none. */
  private isIntroduced = true
  /** The target's addresses, of which one is used: the next one while the target refuses and never answered. */
  private hosts: readonly string[] = []
  private hostIndex = 0
  /** When the first of them was left last. */
  private roundAt = -ROUND_MS
  /** Addresses in a row that no socket could be connected to. */
  private failures = 0
  /** Undefined while one closes and the next is not made yet. */
  private socket: Socket | undefined
  private readonly stopWaitingForName: (() => void) | undefined
  private isConnected = false
  private isAnswered = false
  /** By all addresses. */
  private isRefused = false
  private isOver = false
  private waiting: Buffer[] = []
  /** What was sent and may have to be sent to another address; undefined when it will not. */
  private tried: Buffer[] | undefined
  private triedBytes = 0
  /** When the first of it was sent. */
  private triedAt = 0
  /** Of the socket; one for all datagrams. */
  private onSent: (error: Error | null) => void = () => {}

  constructor(context: FlowContext, channel: Channel, record: Recorder, introduction: Buffer | undefined) {
    this.context = context
    this.channel = channel
    this.record = record
    this.introduction = introduction
    this.lastAt = context.clock.now()
    this.placedAt = this.lastAt
    const { name, target } = context
    this.stopWaitingForName = name?.whenKnown(error => {
      if (error === undefined) this.begin(name.current())
      else this.failed(error.code, error.message)
    })
    if (name === undefined) this.begin(target.endpoint.kind === 'tcp' ? target.endpoint.hosts : [])
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
    this.follow()
    this.forward(datagram)
  }

  /** To where the target's name leads now, when that is elsewhere. */
  private follow(): void {
    const hosts = this.context.name?.current() ?? this.hosts
    if (hosts === this.hosts || this.hosts.length === 0) return
    const index = hosts.indexOf(this.hosts[this.hostIndex] ?? '')
    this.hosts = hosts
    this.hostIndex = Math.max(0, index)
    if (index >= 0) return
    this.isAnswered = false
    this.isRefused = false
    this.failures = 0
    this.connectAnew(this.isConnected ? [] : this.waiting)
  }

  private spoke(): void {
    const { clock, flows } = this.context
    this.lastAt = clock.now()
    if (this.lastAt - this.placedAt < PLACE_MS) return
    this.placedAt = this.lastAt
    if (flows.delete(this)) flows.add(this)
  }

  private forward(datagram: Buffer): void {
    const { socket, waiting } = this
    if (!this.isConnected || socket === undefined) {
      const bytes = waiting.reduce((sum, { length }) => sum + length, datagram.length)
      if (waiting.length < MAX_WAITING && bytes <= MAX_WAITING_UNSENT_BYTES) waiting.push(toKeep(datagram))
      else this.record.dropped++
    } else if (socket.getSendQueueSize() <= MAX_WAITING_BYTES) {
      if (this.tried !== undefined) this.keep(datagram, this.tried)
      if (this.isIntroduced) socket.send(datagram, this.onSent)
      else this.introduce(socket, datagram)
    } else this.record.dropped++
  }

  private introduce(socket: Socket, datagram: Buffer): void {
    const { introduction = Buffer.alloc(0) } = this
    if (introduction.length + datagram.length > MAX_DATAGRAM_BYTES) {
      this.record.dropped++
      return
    }
    this.isIntroduced = true
    socket.send([introduction, datagram], this.onSent)
  }

  /** For the target's other address, so that a visitor's first question is not lost. */
  private keep(datagram: Buffer, tried: Buffer[]): void {
    if (tried.length === 0) {
      this.triedAt = this.lastAt
      this.triedBytes = 0
    }
    // A target that never answers is not to cost a copy of everything.
    if (this.lastAt - this.triedAt > TRIED_MS) this.tried = undefined
    else if (tried.length < MAX_WAITING && this.triedBytes + datagram.length <= MAX_TRIED_BYTES) {
      this.triedBytes += datagram.length
      tried.push(toKeep(datagram))
    }
  }

  onEnd(): void {
    this.channel.end()
    this.over('')
  }

  onReset(error: PbtError): void {
    this.over(error.code === 'cancelled' ? '' : error.code)
  }

  private begin(hosts: readonly string[]): void {
    if (this.isOver) return
    const { places, flows } = this.context
    if (!places.take()) {
      this.failed('limit', 'pbt has as many sockets open as its descriptors allow (ulimit -n)')
      return
    }
    this.hosts = hosts
    flows.add(this)
    this.connect()
  }

  private connect(): void {
    const { places, target } = this.context
    const host = this.hosts[this.hostIndex] ?? ''
    const socket = createSocket({ type: isIP(host) === 6 ? 'udp6' : 'udp4', recvBufferSize: BUFFER_BYTES })
    this.socket = socket
    // For the target each socket is another visitor.
    this.isIntroduced = this.introduction === undefined
    socket.once('close', () => {
      if (this.isOver) places.give()
      else this.connect() // to another address, in the same place
    })
    socket.on('message', datagram => this.answer(datagram))
    // A refusal is told by the next thing that is done with the socket: an event, or what comes of a datagram, whose other
    // errors are its own.
    this.onSent = error => {
      if (error !== null && isRefusal(error)) this.refused(socket)
    }
    socket.on('error', error => {
      if (this.socket !== socket) return
      if (!this.isConnected) this.unconnected(error)
      else if (isRefusal(error)) this.refused(socket)
    })
    socket.on('connect', () => {
      if (this.socket !== socket) return
      this.isConnected = true
      this.failures = 0
      this.tried = this.hosts.length > 1 ? [] : undefined
      for (const datagram of this.waiting.splice(0)) this.forward(datagram)
    })
    socket.connect(target.endpoint.kind === 'tcp' ? target.endpoint.port : 0, host)
  }

  private answer(datagram: Buffer): void {
    this.spoke()
    if (!this.isAnswered) this.context.onTarget?.('')
    this.isAnswered = true
    this.tried = undefined
    if (!this.channel.sendDatagram(datagram)) this.record.dropped++
  }

  /** Such as an address of a family that this machine does not have. */
  private unconnected(error: Error): void {
    this.context.name?.doubt()
    if (++this.failures < this.hosts.length) this.moveOn(this.waiting)
    else this.failed('target-unreachable', error.message)
  }

  /** Nobody listens at this address just now. Once it has answered it is waited for, since it may come back. */
  private refused(socket: Socket): void {
    if (this.socket !== socket) return
    this.context.name?.doubt()
    // Nobody got what was sent, or whoever did is gone.
    this.isIntroduced = this.introduction === undefined
    if (this.isAnswered) return
    if (this.hosts.length === 1) {
      this.isRefused = true
      this.context.onTarget?.('nobody listens there')
      return
    }
    if (this.hostIndex > 0) {
      // What all of them refused is not sent again.
      this.moveOn(this.hostIndex + 1 < this.hosts.length ? (this.tried ?? []) : [])
      return
    }
    const now = this.context.clock.now()
    if (now - this.roundAt < ROUND_MS) this.tried = []
    else {
      this.roundAt = now
      this.moveOn(this.tried ?? [])
    }
  }

  /** To the next address, with what `waiting` has for it. */
  private moveOn(waiting: Buffer[]): void {
    this.hostIndex = (this.hostIndex + 1) % this.hosts.length
    if (this.hostIndex === 0) {
      this.isRefused = true
      this.context.onTarget?.('nobody listens there')
    }
    this.connectAnew(waiting)
  }

  /** By another socket, once this one has closed. */
  private connectAnew(waiting: Buffer[]): void {
    const { socket } = this
    this.waiting = waiting
    this.socket = undefined
    this.isConnected = false
    socket?.close()
  }

  private failed(code: ErrorCode, reason: string): void {
    const message = `could not reach ${this.context.target.label}: ${reason}`
    this.channel.reset(code, message)
    this.over(`${code}: ${message}`)
  }

  private over(fault: string): void {
    if (this.isOver) return
    this.isOver = true
    this.stopWaitingForName?.()
    this.waiting = []
    this.tried = undefined
    this.context.flows.delete(this)
    const { socket } = this
    this.socket = undefined
    socket?.close()
    this.record.over(fault === '' && this.isRefused && !this.isAnswered ? 'target-unreachable' : fault)
  }
}
