// Limits of UDP flows.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listenerFor } from '../testing/udp-port.ts'

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
  const visitedWhile = (name: Exclude<keyof typeof world, 'places' | 'replyFactor' | 'affinity'>) => {
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
