// Limits of UDP flows: datagrams of many sources are handed to a listener whose tunnel is a stand-in.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { type Channel, type ChannelHandler, PbtError } from '@pbt/proto'
import { channelStub, FakeClock } from '@pbt/proto/testing'
import type { LiveTunnel, Lookup } from '../relay/registry.ts'
import { UdpListener } from './udp.ts'

interface Opened {
  readonly visitor: string
  readonly handler: ChannelHandler
  datagrams: number
  isReset: boolean
}

async function listenerFor(t: TestContext, isLinkBehind = () => false) {
  const opened: Opened[] = []
  const world = { isOnline: true, isAllowed: true, isMemoryShort: false, isSessionFull: false, places: 10_000 }
  const tunnel: LiveTunnel = {
    name: 'udp',
    isNearlyFull: false,
    idleTimeoutMs: 60_000,
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
  const listener = new UdpListener({ tunnels, clock, isShared: false, limits: world, access }, 'udp:1', '127.0.0.1')
  t.after(() => listener.close())
  const listening = once(listener.socket, 'listening') // before: it may come at once
  listener.socket.bind(0, '127.0.0.1')
  await listening
  const from = (address: string, port: number, bytes = 4) =>
    listener.socket.emit('message', Buffer.alloc(bytes), { address, port, family: 'IPv4', size: bytes })
  return { listener, clock, opened, from, world, counted }
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

test('F10: at most 256 flows a source and 4,096 in all, then the one silent longest goes', async t => {
  const { listener, clock, opened, from, counted } = await listenerFor(t)
  for (let port = 1; port <= 300; port++) from('203.0.113.1', port)
  assert.equal(listener.flowCount, 256)
  assert.deepEqual(counted.splice(0), new Array(44).fill('dropped udp'))
  for (let source = 2; listener.flowCount < 4_096; source++) {
    for (let port = 1; port <= 256; port++) from(`203.0.113.${source}`, port)
  }
  assert.deepEqual(counted, [])
  clock.advance(200)
  from('203.0.113.1', 1) // the oldest, but not silent
  from('198.51.100.1', 1)
  assert.equal(listener.flowCount, 4_096)
  assert.deepEqual(counted, ['evicted udp'])
  assert.deepEqual(
    opened.filter(({ isReset }) => isReset).map(({ visitor }) => visitor),
    ['203.0.113.1:2'],
  )
  clock.advance(30_000)
  from('198.51.100.1', 1)
  clock.advance(31_000)
  assert.equal(listener.flowCount, 1)
})

test('F10: the addresses of one IPv6 subscriber are one source', async t => {
  const { listener, from } = await listenerFor(t)
  for (let host = 1; host <= 300; host++) from(`2001:db8::${host.toString(16)}`, 1)
  assert.equal(listener.flowCount, 256)
  from('2001:db8:0:1::1', 1)
  assert.equal(listener.flowCount, 257)
})

test('F13: what the link does not take is dropped and counted', async t => {
  let isBehind = false
  const { opened, from, counted } = await listenerFor(t, () => isBehind)
  from('203.0.113.1', 1)
  isBehind = true
  for (let count = 0; count < 5; count++) from('203.0.113.1', 1)
  isBehind = false
  from('203.0.113.1', 1)
  assert.equal(opened[0]?.datagrams, 2)
  assert.deepEqual(counted, new Array(5).fill('dropped udp'))
})

test('F13: what is dropped or refused counts for its tunnel; only what no tunnel was there for counts for none', async t => {
  const { listener, from, world, counted } = await listenerFor(t)
  const visitedWhile = (name: Exclude<keyof typeof world, 'places'>) => {
    world[name] = !world[name]
    for (let port = 1; port <= 3; port++) from('203.0.113.1', port)
    world[name] = !world[name]
    return counted.splice(0)
  }
  assert.deepEqual(visitedWhile('isAllowed'), new Array(3).fill('refused udp'))
  assert.deepEqual(visitedWhile('isMemoryShort'), new Array(3).fill('dropped udp'))
  assert.deepEqual(visitedWhile('isSessionFull'), new Array(3).fill('dropped udp'))
  assert.deepEqual(visitedWhile('isOnline'), new Array(3).fill('dropped '))
  assert.equal(listener.flowCount, 0)
  from('203.0.113.1', 1)
  assert.equal(listener.flowCount, 1)
  assert.deepEqual(counted, [])
})

test('F10: in a session without room the flow of this port that was silent longest goes, and none for nothing', async t => {
  const { listener, from, world, opened, counted } = await listenerFor(t)
  world.places = 2
  for (let port = 1; port <= 3; port++) from('203.0.113.1', port)
  assert.deepEqual([listener.flowCount, counted], [2, ['evicted udp']])
  assert.deepEqual(
    opened.map(({ isReset }) => isReset),
    [true, false, false],
  )
})

test('F11: what the target sends does not keep a flow whose visitor is silent', async t => {
  const { listener, clock, from, opened } = await listenerFor(t)
  from('203.0.113.1', 1)
  for (let seconds = 0; seconds < 59; seconds++) {
    clock.advance(1_000)
    opened[0]?.handler.onDatagram?.(Buffer.from('reply'))
  }
  assert.equal(listener.flowCount, 1)
  clock.advance(3_000)
  assert.equal(listener.flowCount, 0)
  assert.equal(opened[0]?.isReset, true)
})

test('a datagram from port 0, which can be sent no answer, is dropped and counted', async t => {
  const { listener, from, counted } = await listenerFor(t)
  from('203.0.113.1', 0)
  assert.deepEqual([listener.flowCount, counted], [0, ['dropped ']])
})
