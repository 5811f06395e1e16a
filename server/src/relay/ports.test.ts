// Which port a tunnel gets: with listeners that always succeed, but later, and a store that keeps nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FakeClock } from '@pbt/proto/testing'
import type { Holder } from './book.ts'
import { type PortRange, Ports } from './ports.ts'
import { Registry } from './registry.ts'

const notAskedFor = () => {
  throw new Error('not asked for')
}

function holder(target: string): Holder {
  return {
    name: target,
    idleTimeoutMs: 0,
    owner: { machineId: 'machine', kind: 'tcp', target },
    description: `target ${target}`,
    allows: () => true,
    open: notAskedFor,
    connect: notAskedFor,
    yieldsTo: () => true,
    gain: () => {},
    lose: notAskedFor,
  }
}

function portsOf(range: PortRange, ephemeral?: PortRange, busy: readonly number[] = []) {
  return new Ports({
    range,
    ephemeral,
    registry: new Registry(new FakeClock()),
    store: { load: async () => [], claim: async () => {}, setOffline: async () => {} },
    listeners: {
      listen: async (_protocol, number) => {
        await turn()
        if (busy.includes(number)) throw new Error('in use')
      },
      unlisten: () => {},
    },
  })
}

test('F7: tunnels that ask at the same moment get different ports, even of the same client', async () => {
  const ports = portsOf({ first: 20_000, last: 20_009 })
  const claims = Array.from({ length: 10 }, (_, index) => ports.claim(holder(`t${index}`), 'client', 'tcp', 0))
  const given = await Promise.all(claims)
  assert.equal(new Set(given).size, 10)
  await assert.rejects(ports.claim(holder('one more'), 'client', 'tcp', 0), { code: 'limit' })
})

test('tcp and udp are given independently', async () => {
  const ports = portsOf({ first: 20_000, last: 20_000 })
  assert.equal(await ports.claim(holder('a'), 'client', 'tcp', 0), 20_000)
  assert.equal(await ports.claim(holder('b'), 'client', 'udp', 0), 20_000)
})

test('what the system takes for connections of its own is not chosen, and what others use is passed over', async () => {
  const ports = portsOf({ first: 20_000, last: 20_009 }, { first: 20_003, last: 60_999 }, [20_000, 20_001])
  assert.equal(await ports.claim(holder('a'), 'client', 'tcp', 0), 20_002)
  await assert.rejects(ports.claim(holder('b'), 'client', 'tcp', 0), { code: 'limit' })
  assert.equal(await ports.claim(holder('c'), 'client', 'tcp', 20_005), 20_005)
})

test('a target gets the port it had last time', async () => {
  const ports = portsOf({ first: 20_000, last: 29_999 })
  const first = holder('a')
  const number = await ports.claim(first, 'client', 'tcp', 0)
  await ports.close(first, 'tcp', number, false)
  assert.equal(await ports.claim(holder('a'), 'another', 'tcp', 0), number)
})
