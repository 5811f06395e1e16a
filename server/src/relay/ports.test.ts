// Which port a tunnel gets: with listeners that succeed later unless told otherwise, and a store that is a list.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FakeClock } from '@pbt/proto/testing'
import type { Fields, Log } from '../observe/log.ts'
import { type PortRange, Ports, type StoredPort } from './ports.ts'
import { Registry } from './registry.ts'
import { holderOf } from './testing/holder.ts'

const holder = (target: string, yields = true) => holderOf('tcp', target, yields)

interface Made {
  readonly range: PortRange
  readonly ephemeral?: PortRange
  readonly stored?: readonly StoredPort[]
  readonly own?: readonly number[]
}

/** `busy`: the code of the error that listening on a port ends with. */
function house({ range, ephemeral, stored = [], own = [] }: Made) {
  const busy = new Map<number, string>()
  const disk: { error: Error | undefined } = { error: undefined }
  const listening = new Set<number>()
  const said: { level: string; text: string; fields: Fields | undefined }[] = []
  const say = (level: string) => (text: string, fields?: Fields) => void said.push({ level, text, fields })
  const log: Log = {
    error: say('error'),
    warn: say('warn'),
    info: say('info'),
    debug: say('debug'),
    child: () => log,
  }
  const registry = new Registry(new FakeClock())
  const ports = new Ports({
    range,
    ephemeral,
    registry,
    store: {
      load: async () => [...stored],
      claim: async () => {
        await turn()
        if (disk.error !== undefined) throw disk.error
      },
      setOffline: async () => {},
    },
    listeners: {
      listen: async (_protocol, number) => {
        await turn()
        const code = busy.get(number)
        if (code !== undefined) throw Object.assign(new Error('from the system'), { code })
        listening.add(number)
      },
      unlisten: (_protocol, number) => listening.delete(number),
    },
    isOwn: (_protocol, number) => own.includes(number),
    log,
  })
  return { ports, registry, busy, disk, listening, said }
}

function stored(target: string, number: number): StoredPort {
  return { machineId: 'machine', kind: 'tcp', target, protocol: 'tcp', number, isOnline: true }
}

const RANGE = { first: 20_000, last: 20_009 }

test('F7: tunnels that ask at the same moment get different ports, even of the same client', async () => {
  const { ports } = house({ range: RANGE })
  const claims = Array.from({ length: 10 }, (_, index) => ports.claim(holder(`t${index}`), 'client', 'tcp', 0))
  const given = await Promise.all(claims)
  assert.equal(new Set(given).size, 10)
  const oneMore = ports.claim(holder('one more'), 'client', 'tcp', 0)
  await assert.rejects(oneMore, { code: 'limit', cure: 'widen port-range of the server' })
})

test('tcp and udp are given independently', async () => {
  const { ports } = house({ range: { first: 20_000, last: 20_000 } })
  assert.equal(await ports.claim(holder('a'), 'client', 'tcp', 0), 20_000)
  assert.equal(await ports.claim(holder('b'), 'client', 'udp', 0), 20_000)
})

test('what the system takes for connections of its own is not chosen, and what others use is passed over', async () => {
  const { ports, busy } = house({ range: RANGE, ephemeral: { first: 20_003, last: 60_999 } })
  for (const number of [20_000, 20_001]) busy.set(number, 'EADDRINUSE')
  assert.equal(await ports.claim(holder('a'), 'client', 'tcp', 0), 20_002)
  await assert.rejects(ports.claim(holder('b'), 'client', 'tcp', 0), { code: 'limit' })
  assert.equal(await ports.claim(holder('c'), 'client', 'tcp', 20_005), 20_005)
})

test('a target gets the port it had last time', async () => {
  const { ports } = house({ range: { first: 20_000, last: 29_999 } })
  const first = holder('a')
  const number = await ports.claim(first, 'client', 'tcp', 0)
  await ports.close(first, 'tcp', number, false)
  assert.equal(await ports.claim(holder('a'), 'another', 'tcp', 0), number)
})

test('tunnels to one target that ask at the same moment get back a port each', async () => {
  const { ports } = house({ range: RANGE, stored: [stored('a', 20_003), stored('a', 20_007)] })
  await ports.load(1_000)
  const claims = [1, 2, 3].map(() => ports.claim(holder('a', false), 'client', 'tcp', 0))
  const [one, two, three] = await Promise.all(claims)
  assert.deepEqual([one, two].sort(), [20_003, 20_007])
  assert.ok(three !== one && three !== two)
})

test('a port that was not asked for is left to whoever asked for it meanwhile', async () => {
  const { ports, said } = house({ range: RANGE, stored: [stored('a', 20_003)] })
  await ports.load(1_000)
  const asked = ports.claim(holder('b', false), 'client', 'tcp', 20_003)
  const usual = ports.claim(holder('a', false), 'client', 'tcp', 0)
  assert.equal(await asked, 20_003)
  assert.notEqual(await usual, 20_003)
  assert.deepEqual(said, [])
  await assert.rejects(ports.claim(holder('a', false), 'client', 'tcp', 20_003), { code: 'port-taken' })
})

test('H12: what cannot be written is refused to a stranger and given back to its owner', async () => {
  const { ports, registry, disk, listening, said } = house({ range: RANGE, stored: [stored('a', 20_003)] })
  await ports.load(1_000)
  disk.error = new Error('no room')
  assert.equal(await ports.claim(holder('a'), 'client', 'tcp', 0), 20_003)
  assert.equal(registry.lookup('tcp:20003').state, 'online')
  assert.deepEqual(said[0]?.fields, { port: 'tcp:20003', error: 'Error: no room' })
  assert.equal(said[0]?.level, 'error')
  await assert.rejects(ports.claim(holder('b'), 'client', 'tcp', 20_004), disk.error)
  await assert.rejects(ports.claim(holder('b'), 'client', 'tcp', 0), disk.error)
  assert.deepEqual([...listening], [20_003], 'what nobody got is not listened on')
  assert.notEqual(registry.lookup('tcp:20004').state, 'online')
})

test('F6: reserved ports outside of the range are kept, told once and not listened on', async () => {
  const { ports, listening } = house({ range: RANGE, stored: [stored('a', 30_000), stored('a', 20_003)] })
  assert.deepEqual(await ports.load(1_000), { failed: [], outside: ['tcp:30000'] })
  assert.deepEqual([...listening], [20_003])
  assert.equal(await ports.claim(holder('a'), 'client', 'tcp', 0), 20_003)
  await assert.rejects(ports.claim(holder('a'), 'client', 'tcp', 30_000), { code: 'port-invalid' })
})

test('F6: a port that cannot be listened on is refused with the reason and a cure that fits', async () => {
  const { ports, busy, listening } = house({ range: RANGE, own: [20_003], stored: [stored('a', 20_003)] })
  const { failed } = await ports.load(1_000)
  assert.equal(failed.length, 1, 'what pbt-server itself uses is not taken from it')
  busy.set(20_004, 'EADDRINUSE')
  busy.set(20_005, 'EACCES')
  const expected: [number, RegExp, RegExp][] = [
    [20_003, /: pbt-server itself uses it$/, /^choose another port with --reserve-port$/],
    [20_004, /: another program uses it$/, /^end that program, or choose another port/],
    [20_005, /: the server may not listen there$/, /^choose another port .*, or let pbt-server listen on it/],
  ]
  for (const [number, message, cure] of expected) {
    await assert.rejects(ports.claim(holder('b'), 'client', 'tcp', number), { code: 'port-taken', message, cure })
  }
  assert.deepEqual([...listening], [])
})

test('a port of last time that another program has is replaced with a warning', async () => {
  const { ports, busy, said } = house({ range: RANGE, stored: [stored('a', 20_003)] })
  busy.set(20_003, 'EADDRINUSE')
  assert.equal((await ports.load(1_000)).failed.length, 1)
  const given = await ports.claim(holder('a'), 'client', 'tcp', 0)
  assert.notEqual(given, 20_003)
  const fields = { protocol: 'tcp', port: 20_003, reason: 'another program uses it', given, target: 'target a' }
  const text = 'a reserved port cannot be had, the tunnel got another one'
  assert.deepEqual(said, [{ level: 'warn', text, fields }])
})
