import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import { type LiveTunnel, type Lookup, Registry } from './registry.ts'

const notAskedFor = () => {
  throw new Error('not asked for')
}
const tunnel = (name: string): LiveTunnel => ({
  name,
  affinity: { machineId: 'machine', kind: 'http', target: name },
  isNearlyFull: false,
  idleTimeoutMs: 0,
  replyFactor: undefined,
  allows: () => true,
  open: notAskedFor,
  connect: notAskedFor,
})

test('a name is unknown, online, offline, and only its own tunnel takes it offline', () => {
  const registry = new Registry(new FakeClock())
  const [first, second] = [tunnel('first'), tunnel('second')]
  assert.equal(registry.lookup('a').state, 'unknown')
  registry.setOnline('a', first)
  registry.setOnline('a', second)
  registry.setOffline('a', first)
  assert.deepEqual(registry.lookup('a'), { state: 'online', tunnel: second })
  registry.setOffline('a', second)
  assert.equal(registry.lookup('a').state, 'offline')
})

test('who waits for an awaited name is told once, when it is online or has been given up', () => {
  const clock = new FakeClock()
  const registry = new Registry(clock)
  registry.setAwaited('a', 1000)
  registry.setAwaited('b', 1000)
  const told: [string, Lookup['state']][] = []
  for (const host of ['a', 'b']) registry.whenKnown(host, ({ state }) => told.push([host, state]))
  const stop = registry.whenKnown('a', () => told.push(['stopped', 'unknown']))
  stop?.()
  registry.setOnline('a', tunnel('a'))
  clock.advance(999)
  assert.deepEqual(told, [['a', 'online']])
  clock.advance(1)
  assert.deepEqual(told, [
    ['a', 'online'],
    ['b', 'offline'],
  ])
  assert.equal(registry.lookup('a').state, 'online')
  assert.equal(
    registry.whenKnown('a', () => {}),
    undefined,
  )
})

test('waiters are bounded', () => {
  const registry = new Registry(new FakeClock())
  registry.setAwaited('a', 1000)
  let waiting = 0
  while (registry.whenKnown('a', () => {}) !== undefined) waiting++
  assert.equal(waiting, 1000)
  registry.close()
  assert.equal(registry.lookup('a').state, 'offline')
})
