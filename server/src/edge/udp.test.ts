// Limits of UDP flows: datagrams of many sources are handed to a listener whose tunnel is a stand-in.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { type Channel, type ChannelHandler, PbtError } from '@pbt/proto'
import { channelStub, FakeClock } from '@pbt/proto/testing'
import type { Fields } from '../observe/log.ts'
import type { LiveTunnel, Lookup } from '../relay/registry.ts'
import { PortFlows } from './port-flows.ts'
import { ReplyBudget } from './reply-budget.ts'
import { UdpListener } from './udp.ts'

interface Opened {
  readonly visitor: string
  readonly handler: ChannelHandler
  datagrams: number
  isReset: boolean
}

interface World {
  isOnline: boolean
  isAllowed: boolean
  isMemoryShort: boolean
  isSessionFull: boolean
  places: number
  replyFactor: number | undefined
}

/** A tunnel whose channels go to `opened`. */
function tunnelIn(world: World, opened: Opened[], isLinkBehind: () => boolean): LiveTunnel {
  return {
    name: 'udp',
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

async function listenerFor(t: TestContext, isLinkBehind = () => false) {
  const opened: Opened[] = []
  const world: World = {
    ...{ isOnline: true, isAllowed: true, isMemoryShort: false, isSessionFull: false },
    ...{ places: 10_000, replyFactor: 60 },
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
  const flows = new PortFlows(budget)
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
  /** As many replies of 1,000 bytes; tells how many of them were sent. */
  const answer = (flow: Opened | undefined, replies: number) => {
    const before = counted.length
    for (let count = 0; count < replies; count++) flow?.handler.onDatagram?.(Buffer.alloc(1_000))
    return replies - (counted.length - before)
  }
  return { listener, listen, clock, budget, opened, from, answer, world, counted, logged }
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

test('F10: flows and sources are counted for a port as a whole, whichever of its sockets they come by', async t => {
  const { listener, listen, opened, from, counted, clock } = await listenerFor(t)
  const other = await listen('127.0.0.2')
  for (let port = 1; port <= 200; port++) from('127.0.1.1', port)
  for (let port = 1; port <= 200; port++) from('::ffff:127.0.1.1', port, 4, other)
  assert.deepEqual([listener.flowCount, other.flowCount], [200, 56])
  assert.deepEqual(counted.splice(0), new Array(144).fill('dropped udp'))
  // The same visitor by both sockets is two flows, each answered from where it came to.
  from('127.0.1.2', 1)
  from('127.0.1.2', 1, 4, other)
  assert.deepEqual([listener.flowCount, other.flowCount], [201, 57])
  clock.advance(200)
  for (let source = 3; listener.flowCount + other.flowCount < 4_096; source++) {
    for (let port = 1; port <= 255; port++) from(`127.0.1.${source}`, port, 4, source % 2 === 0 ? listener : other)
  }
  counted.splice(0)
  const sum = listener.flowCount + other.flowCount
  from('127.0.2.1', 1, 4, other)
  assert.equal(listener.flowCount + other.flowCount, sum)
  assert.deepEqual(counted, ['evicted udp'])
  assert.deepEqual(
    [opened[0]?.isReset, listener.flowCount],
    [true, opened.filter(one => !one.isReset).length - other.flowCount],
  )
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
  const visitedWhile = (name: Exclude<keyof typeof world, 'places' | 'replyFactor'>) => {
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

test('F11: a source gets 64 KiB and 60 times what came from it, over all flows and sockets, as long as it has one', async t => {
  const { listen, opened, from, answer, counted, clock } = await listenerFor(t)
  const other = await listen('127.0.0.2')
  from('127.0.1.1', 1, 10)
  // 66,136 bytes.
  assert.equal(answer(opened[0], 100), 66)
  assert.deepEqual(counted, new Array(34).fill('dropped udp'))
  // Another flow, by another socket, brings what it brings itself.
  from('127.0.1.1', 2, 100, other)
  assert.equal(answer(opened[1], 10), 6)
  assert.equal(answer(opened[0], 10), 0)
  // However long it goes on, and however often it sends.
  for (let second = 0; second < 3_600; second++) {
    clock.advance(1_000)
    from('127.0.1.1', 1, 0)
    from('127.0.1.1', 2, 0, other)
  }
  assert.equal(answer(opened[0], 10), 0)
  from('127.0.1.1', 2, 50, other)
  assert.equal(answer(opened[0], 10), 3)
  // Others have their own.
  from('127.0.1.2', 1, 10)
  assert.equal(answer(opened[2], 100), 66)
})

test('F11: flows that are silent, evicted, ended or reset, and begin again, bring no 64 KiB more', async t => {
  const { listener, opened, from, answer, world, clock } = await listenerFor(t)
  world.places = 2
  const ends: readonly (readonly [string, (flow: Opened) => void])[] = [
    ['silent', () => clock.advance(62_000)],
    ['ended by the client', flow => flow.handler.onEnd?.()],
    ['reset by the client', flow => flow.handler.onReset?.(new PbtError('limit', 'no descriptor'))],
    [
      'evicted',
      flow => {
        from('127.0.1.2', 1)
        from('127.0.1.3', 1)
        assert.ok(flow.isReset)
        for (const each of opened) if (each !== flow) each.isReset = true
      },
    ],
  ]
  from('127.0.1.1', 1, 10)
  assert.equal(answer(opened.at(-1), 100), 66)
  for (const [how, end] of ends) {
    const last = opened.at(-1)
    assert.ok(last !== undefined)
    end(last)
    last.isReset = true
    from('127.0.1.1', 1, 10)
    assert.notEqual(opened.at(-1), last, how)
    assert.equal(answer(opened.at(-1), 10), 0, how)
  }
  assert.ok(listener.flowCount > 0)
})

test('F11: several ports have one budget for a source beyond what it sends them', async t => {
  const { listen, budget, opened, from, answer } = await listenerFor(t)
  const other = await listen('127.0.0.1', new PortFlows(budget))
  from('127.0.1.1', 1, 100)
  assert.equal(answer(opened[0], 40), 40)
  from('127.0.1.1', 1, 100, other)
  // 65,536 and 6,000, less the 34,000 that the other port took of them.
  assert.equal(answer(opened[1], 100), 37)
  assert.equal(answer(opened[0], 10), 0)
})

test('F11: a tunnel may have another factor, or no bound, and neither costs a source anything at other ports', async t => {
  const { listen, budget, world, opened, from, answer } = await listenerFor(t)
  const [free, other] = [
    await listen('127.0.0.1', new PortFlows(budget)),
    await listen('127.0.0.1', new PortFlows(budget)),
  ]
  world.replyFactor = undefined
  from('127.0.1.1', 1, 1, free)
  assert.equal(answer(opened[0], 1_000), 1_000)
  assert.equal(budget.size, 0)
  world.replyFactor = 1_000
  from('127.0.1.1', 1, 100, other)
  assert.equal(answer(opened[1], 100), 100)
  assert.equal(budget.size, 0)
  world.replyFactor = 60
  from('127.0.1.1', 1, 10)
  assert.equal(answer(opened[2], 100), 66)
  assert.equal(answer(opened[1], 10), 0)
})

test('F11: that replies are withheld is logged with what to do, once in a minute', async t => {
  const { opened, from, answer, clock, logged } = await listenerFor(t)
  from('127.0.1.1', 1, 10)
  answer(opened[0], 100)
  assert.deepEqual(
    logged.map(fields => ({ ...fields, cure: '' })),
    [{ tunnel: 'udp', visitor: '127.0.1.1', replyFactor: 60, withheld: 1, cure: '' }],
  )
  assert.match(String(logged[0]?.cure), /--reply-factor/)
  for (let second = 0; second < 59; second++) clock.advance(1_000)
  from('127.0.1.1', 1, 0)
  answer(opened[0], 100)
  assert.equal(logged.length, 1)
  clock.advance(1_000)
  answer(opened[0], 1)
  assert.equal(logged[1]?.withheld, 135)
})

test('a datagram from port 0, which can be sent no answer, is dropped and counted', async t => {
  const { listener, from, counted } = await listenerFor(t)
  from('203.0.113.1', 0)
  assert.deepEqual([listener.flowCount, counted], [0, ['dropped ']])
})
