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
  isShort: false,
  isPaused: false,
  idleTimeoutMs: 0,
  replyFactor: undefined,
  allows: () => true,
  open: notAskedFor,
  connect: notAskedFor,
  noteShort: notAskedFor,
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

test('a wildcard stands for one label, and a name that is kept goes before it', () => {
  const registry = new Registry(new FakeClock())
  const [wild, exact] = [tunnel('wild'), tunnel('exact')]
  registry.setOnline('*.app.test', wild)
  registry.setOnline('a.app.test', exact)
  const stateOf = (host: string) => {
    const lookup = registry.lookup(host)
    return lookup.state === 'online' ? lookup.tunnel.name : lookup.state
  }
  assert.deepEqual(['a.app.test', 'b.app.test', 'app.test', 'c.b.app.test', 'tcp:1'].map(stateOf), [
    'exact',
    'wild',
    'unknown',
    'unknown',
    'unknown',
  ])
  registry.setOffline('a.app.test', exact)
  assert.equal(stateOf('a.app.test'), 'offline')
  registry.forget('a.app.test')
  assert.equal(stateOf('a.app.test'), 'wild')
})

test('a visitor of a name below an awaited wildcard waits for it', () => {
  const registry = new Registry(new FakeClock())
  registry.setAwaited('*.app.test', 1000)
  const told: string[] = []
  registry.whenKnown('a.app.test', ({ state }) => told.push(state))
  registry.setOnline('*.app.test', tunnel('wild'))
  assert.deepEqual(told, ['online'])
  registry.close()
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
  assert.equal(waiting, 5_000)
  registry.close()
  assert.equal(registry.lookup('a').state, 'offline')
})
