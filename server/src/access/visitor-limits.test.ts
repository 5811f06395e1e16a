import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import {
  ABUSES_A_MINUTE,
  BURST_SECONDS,
  MAX_CONNECTIONS,
  MAX_REMEMBERED,
  MAX_TURNED_AWAY_PER_ADDRESS,
  maxConnectionsFor,
  SCARCE_SHARE,
  VisitorLimits,
} from './visitor-limits.ts'

const A = '203.0.113.7'
const B = '203.0.113.8'

function limited(options: Partial<ConstructorParameters<typeof VisitorLimits>[0]> = {}) {
  const clock = new FakeClock()
  return {
    clock,
    limits: new VisitorLimits({ clock, descriptors: 65_536, perAddress: 3, newPerSecond: 10, ...options }),
  }
}

test('one address has so many at once, others have theirs, and who leaves makes room', () => {
  const { limits } = limited()
  for (let time = 0; time < 3; time++) assert.equal(limits.arrived(A), 'welcome')
  assert.equal(limits.arrived(A), 'limited')
  assert.equal(limits.arrived(B), 'welcome')
  limits.left(A, 'welcome')
  assert.equal(limits.arrived(A), 'welcome')
  assert.equal(limits.open, 4)
})

test('an IPv6 customer is one address', () => {
  const { limits } = limited()
  for (let host = 1; host <= 3; host++) assert.equal(limits.arrived(`2001:db8::${host}`), 'welcome')
  assert.equal(limits.arrived('2001:db8::4'), 'limited')
})

test('only so many are told that they are too many', () => {
  const { limits } = limited()
  for (let time = 0; time < 3; time++) limits.arrived(A)
  for (let time = 0; time < MAX_TURNED_AWAY_PER_ADDRESS; time++) assert.equal(limits.arrived(A), 'limited')
  assert.equal(limits.arrived(A), 'refused')
  limits.left(A, 'limited')
  assert.equal(limits.arrived(A), 'limited')
})

test('all together have as many as there are descriptors for', () => {
  const { limits } = limited({ descriptors: 256, perAddress: 1_000, newPerSecond: 1_000 })
  const most = maxConnectionsFor(256)
  assert.ok(most > 100 && most < 200)
  for (let time = 0; time < most; time++) assert.equal(limits.arrived(A), 'welcome')
  assert.equal(limits.arrived(B), 'overloaded')
  assert.equal(limits.arrived('127.0.0.1'), 'overloaded')
  assert.equal(maxConnectionsFor(1_000_000), MAX_CONNECTIONS)
})

test('room is scarce when few connections are left, or memory is short', () => {
  const { limits } = limited({ descriptors: 256, perAddress: 1_000, newPerSecond: 1_000 })
  for (let time = 1; time < maxConnectionsFor(256) * SCARCE_SHARE; time++) limits.arrived(A)
  assert.ok(!limits.isScarce)
  limits.arrived(A)
  assert.ok(limits.isScarce)
  limits.left(A, 'welcome')
  assert.ok(!limits.isScarce)
  limits.isMemoryShort = true
  assert.ok(limits.isScarce)
})

test('new connections come in bursts, and in the long run at their rate', () => {
  const { limits, clock } = limited({ perAddress: 1_000 })
  for (let time = 0; time < 10 * BURST_SECONDS; time++) assert.equal(limits.arrived(A), 'welcome')
  assert.equal(limits.arrived(A), 'limited')
  clock.advance(1_000)
  for (let time = 0; time < 10; time++) assert.equal(limits.arrived(A), 'welcome')
  assert.equal(limits.arrived(A), 'limited')
})

test('the machine itself is under no limit of its address, the rest of its loopback network is', () => {
  const { limits } = limited()
  for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    for (let time = 0; time < 100; time++) assert.equal(limits.arrived(address), 'welcome')
  }
  for (let time = 0; time < 3; time++) limits.arrived('127.0.0.2')
  assert.equal(limits.arrived('127.0.0.2'), 'limited')
})

test('an address closed for abuse too often is held down for a minute', () => {
  const { limits, clock } = limited({ perAddress: 1_000 })
  for (let time = 1; time < ABUSES_A_MINUTE; time++) assert.equal(limits.abused(A), false)
  assert.equal(limits.abused(A), true)
  assert.equal(limits.arrived(A), 'welcome')
  assert.equal(limits.arrived(A), 'limited')
  assert.equal(limits.arrived(B), 'welcome')
  clock.advance(60_001)
  for (let time = 0; time < 10; time++) assert.equal(limits.arrived(A), 'welcome')
})

test('abuses more than a minute apart are forgotten', () => {
  const { limits, clock } = limited()
  for (let time = 0; time < 10; time++) {
    assert.equal(limits.abused(A), false)
    clock.advance(40_000)
  }
})

test('addresses are forgotten when too many come, but not those with connections', () => {
  const { limits } = limited()
  limits.arrived(A)
  for (let index = 0; index < MAX_REMEMBERED + 500; index++) {
    const address = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`
    assert.equal(limits.arrived(address), 'welcome')
    limits.left(address, 'welcome')
  }
  assert.ok(limits.size <= MAX_REMEMBERED + 2, String(limits.size))
  assert.equal(limits.arrived(A), 'welcome')
  assert.equal(limits.arrived(A), 'welcome')
  assert.equal(limits.arrived(A), 'limited')
})
