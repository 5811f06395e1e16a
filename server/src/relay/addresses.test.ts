// Which addresses a tunnel gets: with listeners that succeed later unless told otherwise, and a store that is a list.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FakeClock } from '@pbt/proto/testing'
import type { Fields, Log } from '../observe/log.ts'
import { portAddress } from './address.ts'
import { Addresses, type StoredAddress } from './addresses.ts'
import type { Holder } from './book.ts'
import type { PortRange } from './port-choice.ts'
import { Registry } from './registry.ts'
import { holderOf } from './testing/holder.ts'

const holder = (target: string, yields = true) => holderOf('tcp', target, yields)

interface Made {
  readonly range?: PortRange
  readonly ephemeral?: PortRange
  readonly stored?: readonly StoredAddress[]
  readonly own?: readonly number[]
}

/** `busy`: the code of the error that listening on a port ends with. `kept`: what is in the store. */
function house({ range = RANGE, ephemeral, stored = [], own = [] }: Made) {
  const busy = new Map<number, string>()
  const disk: { error: Error | undefined } = { error: undefined }
  const listening = new Set<number>()
  const kept = [...stored]
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
  /** Names of tunnels that the owner has ended. */
  const ended = new Set<string>()
  const steering = {
    isKilled: (name: string) => ended.has(name),
    lift: async (name: string) => void ended.delete(name),
  }
  const addresses = new Addresses({
    baseDomain: 'localhost',
    steering,
    range,
    ephemeral,
    registry,
    store: {
      load: async () => [...kept],
      claim: async () => {
        await turn()
        if (disk.error !== undefined) throw disk.error
      },
      setUnexpected: async () => {},
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
  /** The port that the tunnel gets. */
  const claim = async (asking: Holder, protocol: 'tcp' | 'udp', port: number) => {
    const claimed = await addresses.claim(asking, protocol, { name: '', domains: [], port })
    const [address] = claimed.addresses
    assert.ok(address !== undefined && 'number' in address)
    return address.number
  }
  /** The names that the tunnel gets. */
  const claimNames = async (asking: Holder, domains: readonly string[], name = '') =>
    (await addresses.claim(asking, undefined, { name, domains, port: 0 })).addresses.map(({ text }) => text)
  const state = (key: string) => registry.lookup(key).state
  return { addresses, registry, ended, busy, disk, listening, kept, said, claim, claimNames, state }
}

function stored(target: string, number: number, more: Partial<StoredAddress> = {}): StoredAddress {
  return storedAs(`tcp:${number}`, { machineId: 'machine', kind: 'tcp', target }, more)
}

function storedName(target: string, label: string, more: Partial<StoredAddress> = {}): StoredAddress {
  return storedAs(label, { machineId: 'machine', kind: 'http', target }, more)
}

function storedAs(address: string, affinity: StoredAddress['affinity'], more: Partial<StoredAddress>): StoredAddress {
  return { address, affinity, tunnel: address.replace(':', '-'), isMapped: false, isExpected: true, ...more }
}

const RANGE = { first: 20_000, last: 20_009 }

test('F7: tunnels that ask at the same moment get different ports, even of the same client', async () => {
  const { claim } = house({ range: RANGE })
  const claims = Array.from({ length: 10 }, (_, index) => claim(holder(`t${index}`), 'tcp', 0))
  const given = await Promise.all(claims)
  assert.equal(new Set(given).size, 10)
  const oneMore = claim(holder('one more'), 'tcp', 0)
  await assert.rejects(oneMore, { code: 'limit', cure: 'widen port-range of the server' })
})

test('tcp and udp are given independently', async () => {
  const { claim } = house({ range: { first: 20_000, last: 20_000 } })
  assert.equal(await claim(holder('a'), 'tcp', 0), 20_000)
  assert.equal(await claim(holder('b'), 'udp', 0), 20_000)
})

test('what the system takes for connections of its own is not chosen, and what others use is passed over', async () => {
  const { claim, busy } = house({ range: RANGE, ephemeral: { first: 20_003, last: 60_999 } })
  for (const number of [20_000, 20_001]) busy.set(number, 'EADDRINUSE')
  assert.equal(await claim(holder('a'), 'tcp', 0), 20_002)
  await assert.rejects(claim(holder('b'), 'tcp', 0), { code: 'limit' })
  assert.equal(await claim(holder('c'), 'tcp', 20_005), 20_005)
})

test('a target gets the port it had last time', async () => {
  const { addresses, claim } = house({ range: { first: 20_000, last: 29_999 } })
  const first = holder('a')
  const number = await claim(first, 'tcp', 0)
  await addresses.close(first, [portAddress('tcp', number)], false)
  assert.equal(await claim(holder('a'), 'tcp', 0), number)
})

test('of several tunnels to one target each gets back its own port, whichever was opened last', async () => {
  const { addresses } = house({ range: { first: 20_000, last: 29_999 } })
  const open = async (name: string) => {
    const asking = holder('a', false)
    const { addresses: got } = await addresses.claim(asking, 'tcp', { name, domains: [], port: 0 })
    return { asking, got, close: () => addresses.close(asking, got, false) }
  }
  const [ssh, other] = [await open('ssh'), await open('other')]
  assert.notDeepEqual(ssh.got, other.got)
  await ssh.close()
  await other.close()
  assert.deepEqual((await open('ssh')).got, ssh.got)
  assert.deepEqual((await open('other')).got, other.got)
})

test('tunnels to one target that ask at the same moment get back a port each', async () => {
  const { addresses, claim } = house({ range: RANGE, stored: [stored('a', 20_003), stored('a', 20_007)] })
  await addresses.load(1_000)
  const claims = [1, 2, 3].map(() => claim(holder('a', false), 'tcp', 0))
  const [one, two, three] = await Promise.all(claims)
  assert.deepEqual([one, two].sort(), [20_003, 20_007])
  assert.ok(three !== one && three !== two)
})

test('a port that was not asked for is left to whoever asked for it meanwhile', async () => {
  const { addresses, claim, said } = house({ range: RANGE, stored: [stored('a', 20_003)] })
  await addresses.load(1_000)
  const asked = claim(holder('b', false), 'tcp', 20_003)
  const usual = claim(holder('a', false), 'tcp', 0)
  assert.equal(await asked, 20_003)
  assert.notEqual(await usual, 20_003)
  assert.deepEqual(said, [])
  await assert.rejects(claim(holder('a', false), 'tcp', 20_003), { code: 'port-taken' })
})

test('H12: what cannot be written is refused to a stranger and given back to its owner', async () => {
  const { addresses, claim, state, disk, listening, said } = house({ range: RANGE, stored: [stored('a', 20_003)] })
  await addresses.load(1_000)
  disk.error = new Error('no room')
  assert.equal(await claim(holder('a'), 'tcp', 0), 20_003)
  assert.equal(state('tcp:20003'), 'online')
  assert.deepEqual(said[0]?.fields, { addresses: ['tcp:20003'], error: 'Error: no room' })
  assert.equal(said[0]?.level, 'error')
  await assert.rejects(claim(holder('b'), 'tcp', 20_004), disk.error)
  await assert.rejects(claim(holder('b'), 'tcp', 0), disk.error)
  assert.deepEqual([...listening], [20_003], 'what nobody got is not listened on')
  assert.notEqual(state('tcp:20004'), 'online')
})

test('F6: reserved ports outside of the range are kept, told once and not listened on', async () => {
  const { addresses, claim, listening } = house({ range: RANGE, stored: [stored('a', 30_000), stored('a', 20_003)] })
  assert.deepEqual(await addresses.load(1_000), { failed: [], outside: [portAddress('tcp', 30_000)] })
  assert.deepEqual([...listening], [20_003])
  assert.equal(await claim(holder('a'), 'tcp', 0), 20_003)
  await assert.rejects(claim(holder('a'), 'tcp', 30_000), { code: 'port-invalid' })
})

test('F6: a port that cannot be listened on is refused with the reason and a cure that fits', async () => {
  const { addresses, claim, busy, listening } = house({ range: RANGE, own: [20_003], stored: [stored('a', 20_003)] })
  const { failed } = await addresses.load(1_000)
  assert.equal(failed.length, 1, 'what pbt-server itself uses is not taken from it')
  busy.set(20_004, 'EADDRINUSE')
  busy.set(20_005, 'EACCES')
  const expected: [number, RegExp, RegExp][] = [
    [20_003, /: pbt-server itself uses it$/, /^choose another port with --reserve-port$/],
    [20_004, /: another program uses it$/, /^end that program, or choose another port/],
    [20_005, /: the server may not listen there$/, /^choose another port .*, or let pbt-server listen on it/],
  ]
  for (const [number, message, cure] of expected) {
    await assert.rejects(claim(holder('b'), 'tcp', number), { code: 'port-taken', message, cure })
  }
  assert.deepEqual([...listening], [])
})

test('a port of last time that another program has is replaced with a warning', async () => {
  const { addresses, claim, busy, said } = house({ range: RANGE, stored: [stored('a', 20_003)] })
  busy.set(20_003, 'EADDRINUSE')
  assert.equal((await addresses.load(1_000)).failed.length, 1)
  const given = await claim(holder('a'), 'tcp', 0)
  assert.notEqual(given, 20_003)
  const fields = { protocol: 'tcp', port: 20_003, reason: 'another program uses it', given, target: 'target a' }
  const text = 'a reserved port is not available, the tunnel got another one'
  assert.deepEqual(said, [{ level: 'warn', text, fields }])
})

const HTTP = '127.0.0.1:3000'
const names = (target = HTTP, yields = true) => holderOf('http', target, yields)

test('H12: names are given back to their owner when nothing can be written', async () => {
  const two = storedName(HTTP, 'two', { isExpected: false })
  const { addresses, disk, claimNames, said, state } = house({ stored: [two, storedName(HTTP, 'one')] })
  await addresses.load(1_000)
  disk.error = new Error('no room')
  assert.deepEqual(await claimNames(names(), []), ['one'])
  assert.equal((await claimNames(names(), ['two', 'one'])).length, 2)
  assert.deepEqual([state('one.localhost'), state('two.localhost')], ['online', 'online'])
  assert.equal(said.filter(({ level }) => level === 'error').length, 2)
})

test('H12: a name that is not its own is refused to a tunnel when nothing can be written, with all it asked for', async () => {
  const one = storedName(HTTP, 'one', { isExpected: false })
  const { addresses, disk, claimNames, said, state } = house({ stored: [one] })
  await addresses.load(1_000)
  disk.error = new Error('no room')
  await assert.rejects(claimNames(names(), ['one', 'new']), disk.error)
  await assert.rejects(claimNames(names('127.0.0.1:4000'), ['one']), disk.error)
  assert.deepEqual([state('one.localhost'), state('new.localhost')], ['offline', 'unknown'])
  assert.deepEqual(said, [])
})

test('a visitor who comes while a tunnel is changed waits for the next one, and is told when that cannot be', async () => {
  const { addresses, state, disk } = house({})
  const wish = { name: '', domains: ['app'], port: 0 }
  const before = holderOf('http', 'before')
  const { addresses: held } = await addresses.claim(before, undefined, wish)
  for (const error of [undefined, new Error('the disk is full')]) {
    disk.error = error
    const next = holderOf('http', `after ${error}`)
    await addresses.close(before, held, false)
    assert.equal(state('app.localhost'), 'offline')
    const claim = addresses.claim(next, undefined, wish).catch(() => {})
    assert.equal(state('app.localhost'), 'awaited')
    await claim
    assert.equal(state('app.localhost'), error === undefined ? 'online' : 'offline')
    await addresses.close(next, held, false)
  }
})

test('custom domains are awaited after a restart as names are, and are not given to tunnels that ask for none', async () => {
  const { addresses, claimNames, state } = house({ stored: [storedName(HTTP, 'one'), storedName(HTTP, 'app.mine.uk')] })
  await addresses.load(1_000)
  assert.deepEqual([state('one.localhost'), state('app.mine.uk')], ['awaited', 'awaited'])
  assert.deepEqual(await claimNames(names(), []), ['one'])
  assert.deepEqual(await claimNames(names('127.0.0.1:4000'), ['app.mine.uk']), ['app.mine.uk'])
})

test('a tunnel is its name: it takes over what has the name and yields, and is refused by what does not', async () => {
  const { addresses, claimNames, state } = house({})
  const ended: string[] = []
  const first = { ...names('1'), end: ({ message }: { message: string }) => void ended.push(message) }
  assert.deepEqual(await claimNames(first, ['one'], 'shop'), ['one'])
  assert.deepEqual(await claimNames(names('2'), ['two'], 'shop'), ['two'])
  assert.deepEqual(ended, ['another tunnel of this machine took the name shop'])
  const busy = { ...names('3', false), description: 'nas (target 3)' }
  await claimNames(busy, ['three'], 'keeps')
  const refused = { code: 'name-taken', message: 'tunnel "keeps" is open already: nas (target 3)', mayPass: false }
  await assert.rejects(claimNames(names('4'), ['four'], 'keeps'), refused)
  assert.equal(state('four.localhost'), 'unknown')
  await addresses.close(busy, [{ kind: 'name', text: 'three', key: 'three.localhost' }], false)
  assert.deepEqual(await claimNames(names('4'), ['four'], 'keeps'), ['four'])
})

test('what a client without a link holds is asked for again, what one with a link holds is not', async () => {
  const { claim, claimNames } = house({})
  for (const isAttached of [true, false]) {
    const name = `a${isAttached}`
    await claimNames({ ...names(name, false), isAttached }, [name])
    await assert.rejects(claimNames(names(), [name]), { code: 'name-taken', mayPass: !isAttached })
    const port = await claim({ ...holder(name, false), isAttached }, 'tcp', 0)
    await assert.rejects(claim(holder('b'), 'tcp', port), { code: 'port-taken', mayPass: !isAttached })
  }
})

test('an address that the owner gave to a tunnel is refused to all others, and never given by chance', async () => {
  const mapped = { isMapped: true, tunnel: 'git' }
  const { addresses, claim, claimNames } = house({
    stored: [storedName(HTTP, 'one', mapped), stored('a', 20_003, mapped)],
  })
  await addresses.load(1_000)
  const refused = { code: 'name-taken', message: 'name "one" is kept for the tunnel "git"' }
  await assert.rejects(claimNames(names(), ['one'], 'other'), refused)
  assert.notEqual((await claimNames(names(), []))[0], 'one')
  assert.notEqual(await claim(holder('a'), 'tcp', 0), 20_003)
  assert.deepEqual(await claimNames(names(), ['one'], 'git'), ['one'])
})

test('what the owner reserves is known from then on, and what is released is nobody’s: its tunnel loses it', async () => {
  const { addresses, kept, claim, claimNames, state, listening } = house({})
  await addresses.load(1_000)
  kept.push(storedAs('later', undefined, { tunnel: '' }), storedAs('tcp:20005', undefined, { tunnel: '' }))
  await addresses.reload()
  assert.deepEqual([state('later.localhost'), state('tcp:20005')], ['offline', 'offline'])
  assert.deepEqual([...listening], [20_005])
  for (let count = 0; count < 9; count++) assert.notEqual(await claim(holder(`t${count}`), 'tcp', 0), 20_005)
  await assert.rejects(claim(holder('t'), 'tcp', 0), { code: 'limit' })
  assert.equal(await claim(holder('t'), 'tcp', 20_005), 20_005)

  const lost: string[] = []
  const lose: Holder['lose'] = ({ text }, { message }) => void lost.push(text, message)
  await claimNames({ ...names(), lose }, ['later', 'stays'])
  kept.splice(0, kept.length, storedName(HTTP, 'stays'))
  // Tunnels that were claimed are kept too, as the store would have it.
  for (let number = 20_000; number <= 20_009; number++) if (number !== 20_005) kept.push(stored('t', number))
  await addresses.reload()
  assert.deepEqual(lost, ['later', 'the owner released the address later'])
  assert.deepEqual(
    [state('later.localhost'), state('stays.localhost'), state('tcp:20005')],
    ['unknown', 'online', 'unknown'],
  )
  assert.ok(!listening.has(20_005))
})

test('what is claimed while the owner’s changes are read is not taken for released', async () => {
  const { addresses, claimNames, state } = house({})
  // The store's list has neither of them, as if it had been read before they were written.
  const claiming = claimNames(names('1'), ['one'])
  await Promise.all([claiming, addresses.reload(), claimNames(names('2'), ['two'])])
  assert.deepEqual([state('one.localhost'), state('two.localhost')], ['online', 'online'])
})
