// A UDP port whose tunnel is a stand-in: visitors' datagrams are handed to its listener, and what it opens and counts is kept.
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { type Channel, type ChannelHandler, PbtError } from '@pbt/proto'
import { channelStub, FakeClock } from '@pbt/proto/testing'
import type { Fields } from '../../observe/log.ts'
import type { Affinity, LiveTunnel, Lookup } from '../../relay/registry.ts'
import { PortFlows } from '../ports/port-flows.ts'
import { ReplyBudget } from '../ports/reply-budget.ts'
import { UdpListener } from '../ports/udp.ts'

/** Whose tunnel it is, unless the test says otherwise. */
export const TARGET: Affinity = { machineId: 'machine', kind: 'udp', target: '127.0.0.1:1' }

/** A flow's channel. */
export interface Opened {
  readonly visitor: string
  readonly handler: ChannelHandler
  datagrams: number
  isReset: boolean
}

/** What a test may change. */
export interface World {
  isOnline: boolean
  isAllowed: boolean
  isPaused: boolean
  isMemoryShort: boolean
  isSessionFull: boolean
  places: number
  replyFactor: number | undefined
  affinity: Affinity
}

/** A tunnel whose channels go to `opened`. */
function tunnelIn(world: World, opened: Opened[], isLinkBehind: () => boolean): LiveTunnel {
  return {
    name: 'udp',
    isNearlyFull: false,
    isShort: false,
    get isPaused() {
      return world.isPaused
    },
    noteShort: () => {},
    get affinity() {
      return world.affinity
    },
    idleTimeoutMs: 60_000,
    get replyFactor() {
      return world.replyFactor
    },
    allows: () => world.isAllowed,
    open: () => {
      throw new Error('not asked for')
    },
    connect: (_kind, visitor, _local, handler) => {
      if (world.isSessionFull || opened.filter(({ isReset }) => !isReset).length >= world.places) {
        throw new PbtError('limit', 'too many channels')
      }
      const flow: Opened = { visitor, handler, datagrams: 0, isReset: false }
      opened.push(flow)
      return channelOf(flow, isLinkBehind)
    },
  }
}

/** A listener on a free port of 127.0.0.1 whose tunnel is a stand-in; closed when the test ends. */
export async function listenerFor(t: TestContext, isLinkBehind = () => false) {
  const opened: Opened[] = []
  const world: World = {
    ...{ isOnline: true, isAllowed: true, isPaused: false, isMemoryShort: false, isSessionFull: false },
    ...{ places: 10_000, replyFactor: 60, affinity: TARGET },
  }
  const tunnel = tunnelIn(world, opened, isLinkBehind)
  const clock = new FakeClock()
  const lookup = (): Lookup => (world.isOnline ? { state: 'online', tunnel } : { state: 'unknown' })
  const tunnels = { lookup, whenKnown: () => undefined }
  /** What was counted, and of which tunnel, in its order. */
  const counted: string[] = []
  const access = {
    now: () => 0,
    ended: () => {},
    refused: () => counted.push('recorded'),
    datagramDropped: (name: string) => counted.push(`dropped ${name}`),
    datagramRefused: (name: string) => counted.push(`refused ${name}`),
    flowEvicted: (name: string) => counted.push(`evicted ${name}`),
  }
  const logged: (Fields | undefined)[] = []
  const log = { warn: (_message: string, fields?: Fields) => logged.push(fields) }
  const options = { tunnels, clock, isShared: false, limits: world, log, access }
  const budget = new ReplyBudget(clock)
  const flows = new PortFlows(budget, clock)
  const listen = async (host: string, port = flows) => {
    const listener = new UdpListener(options, 'udp:1', host, port)
    t.after(() => listener.close())
    const listening = once(listener.socket, 'listening') // before: it may come at once
    listener.socket.bind(0, host)
    await listening
    return listener
  }
  const listener = await listen('127.0.0.1')
  const from = (address: string, port: number, bytes = 4, to = listener) =>
    to.socket.emit('message', Buffer.alloc(bytes), { address, port, family: 'IPv4', size: bytes })
  const sends = (address: string, port: number, datagram: Buffer, to = listener) =>
    to.socket.emit('message', datagram, { address, port, family: 'IPv4', size: datagram.length })
  /** As many replies of 1,000 bytes; tells how many of them were sent. */
  const answer = (flow: Opened | undefined, replies: number) => {
    const before = counted.length
    for (let count = 0; count < replies; count++) flow?.handler.onDatagram?.(Buffer.alloc(1_000))
    return replies - (counted.length - before)
  }
  return { listener, listen, clock, budget, opened, from, sends, answer, world, counted, logged }
}

function channelOf(flow: Opened, isLinkBehind: () => boolean): Channel {
  return channelStub({
    handler: flow.handler,
    sendDatagram: () => {
      if (isLinkBehind()) return false
      flow.datagrams++
      return true
    },
    reset: () => {
      flow.isReset = true
    },
  })
}
