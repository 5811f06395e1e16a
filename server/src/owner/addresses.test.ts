// The owner's verbs for addresses, on a real database.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { makeStore } from '../store/store.ts'
import { AddressVerbs, type ListChange } from './addresses.ts'
import type { Tell } from './event.ts'

const TUNNEL = { name: 'app', machineId: 'machine', kind: 'http', target: '3000', allow: ['192.0.2.1', '192.0.2.2'] }

/** Nothing else listens here. */
const PORTS = { first: 20_000, last: 20_100, obstacle: async () => '' }

async function setUp(t: TestContext) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-owner-'))
  const store = await makeStore(dataDir)
  t.after(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
  let changes = 0
  const changed = async () => void changes++
  const told: string[] = []
  const tell: Tell = ({ kind, message }) => void told.push(`${kind}: ${message}`)
  const verbs = new AddressVerbs({
    records: store.addresses,
    baseDomain: 'pbt.test',
    ports: PORTS,
    connectionsOf: () => [],
    changed,
    tell,
  })
  await store.addresses.claim(TUNNEL, ['app'])
  const allow = async (address: string, kind: ListChange['kind'], ...blocks: string[]) => {
    const after = await verbs.allow(address, { kind, blocks } as ListChange)
    return [after.access, ...after.entries.map(({ block }) => block)]
  }
  return { verbs, store, allow, told, changes: () => changes }
}

test('an address is kept for later in any form, once, and anybody may have it after it is released', async t => {
  const { verbs, told, changes } = await setUp(t)
  assert.equal((await verbs.reserve('https://Later.pbt.test/'))[0]?.address, 'later')
  assert.equal((await verbs.reserve('tcp-20022'))[0]?.address, 'tcp:20022')
  assert.equal(changes(), 2)
  const taken = { code: 'address-taken', message: 'the address "later" is kept already, for later' }
  await assert.rejects(verbs.reserve('later'), taken)
  await assert.rejects(verbs.reserve('app'), { code: 'address-taken', message: /for the tunnel "app"$/ })
  assert.deepEqual(
    (await verbs.list()).map(({ address }) => address),
    ['app', 'later', 'tcp:20022'],
  )
  assert.equal((await verbs.release('app'))[0]?.tunnel, 'app')
  await assert.rejects(verbs.release('app'), { code: 'unknown-address', cure: /address list/ })
  await verbs.reserve('app')
  assert.equal((await verbs.get('app')).tunnel, '')
  assert.equal(changes(), 4)
  assert.deepEqual(told, [
    'address.reserved: later is reserved',
    'address.reserved: tcp:20022 is reserved',
    'address.released: app was released, app no longer has it',
    'address.reserved: app is reserved',
  ])
})

test('an address that an older version kept is released, also one that is refused today', async t => {
  const { verbs, store } = await setUp(t)
  await store.addresses.claim(TUNNEL, ['xn--a.uk'])
  await assert.rejects(verbs.reserve('xn--a.uk'), { code: 'usage' })
  assert.deepEqual(
    (await verbs.release('xn--a.uk')).map(({ address }) => address),
    ['xn--a.uk'],
  )
})

test('what is no address is refused with what would be right, and nothing changes', async t => {
  const { verbs, changes } = await setUp(t)
  for (const wrong of ['no/name', 'www', '20022', 'tcp:65536', 'tcp+tcp:1', '', 'x'.repeat(300)])
    await assert.rejects(verbs.reserve(wrong), ({ code, cure }) => code === 'usage' && cure !== '', wrong)
  await assert.rejects(verbs.get('nobody'), { code: 'unknown-address' })
  assert.equal(changes(), 0)
})

test('a list is set, added to and removed from, whatever it was', async t => {
  const { allow, told } = await setUp(t)
  // From what the client says.
  assert.deepEqual(await allow('app', 'add', '203.0.113.0/24'), ['listed', '192.0.2.1', '192.0.2.2', '203.0.113.0/24'])
  assert.deepEqual(await allow('app', 'add', '192.0.2.1/32'), ['listed', '192.0.2.1', '192.0.2.2', '203.0.113.0/24'])
  assert.deepEqual(await allow('app', 'remove', '192.0.2.1/32', '203.0.113.0/24'), ['listed', '192.0.2.2'])
  assert.deepEqual(await allow('app', 'as-client'), ['client'])
  assert.deepEqual(await allow('app', 'remove', '192.0.2.2'), ['listed', '192.0.2.1'])
  // The last one: nobody, not everybody.
  assert.deepEqual(await allow('app', 'remove', '192.0.2.1'), ['listed'])
  assert.deepEqual(await allow('app', 'set', '2001:db8::1', '2001:DB8:0::1/128', '192.0.2.9'), [
    'listed',
    '2001:db8::1',
    '192.0.2.9',
  ])
  assert.deepEqual(await allow('app', 'everybody'), ['everybody'])
  assert.deepEqual(await allow('app', 'nobody'), ['listed'])
  assert.deepEqual(await allow('app', 'add', '192.0.2.1'), ['listed', '192.0.2.1'])
  assert.deepEqual(told.slice(-3), [
    'allowlist.changed: app now lets in everybody',
    'allowlist.changed: app now lets in nobody',
    'allowlist.changed: app now lets in 192.0.2.1',
  ])
})

test('a list may be set before an address has a tunnel; the address is kept from then on', async t => {
  const { verbs, allow } = await setUp(t)
  assert.deepEqual(await allow('new', 'set', '192.0.2.1'), ['listed', '192.0.2.1'])
  assert.deepEqual(await allow('app.mine.uk', 'nobody'), ['listed'])
  assert.deepEqual(
    (await verbs.list()).map(({ address }) => address),
    ['app', 'app.mine.uk', 'new'],
  )
})

test('a change that cannot be is refused with why, and nothing changes', async t => {
  const { verbs, allow, changes } = await setUp(t)
  await assert.rejects(allow('new', 'add', '192.0.2.1'), {
    message: /everybody may visit "new": there is no list to add to/,
  })
  await assert.rejects(allow('new', 'remove', '192.0.2.1'), { message: /no list to remove from/ })
  await assert.rejects(allow('app', 'remove', '192.0.2.9'), {
    message: /"192.0.2.9" is not on/,
    cure: /it has 192.0.2.1 192.0.2.2/,
  })
  await assert.rejects(allow('app', 'set', '10.0.0.0/33'), { code: 'usage', message: /"10.0.0.0\/33"/ })
  assert.deepEqual([changes(), (await verbs.list()).length], [0, 1])
  await allow('app', 'everybody')
  await assert.rejects(allow('app', 'add', '192.0.2.1'), { message: /everybody may visit/ })
})

test('a port is kept for both protocols in one go, or for neither, and number 0 is the next that is free for all', async t => {
  const { verbs } = await setUp(t)
  const texts = (kept: readonly { address: string }[]) => kept.map(({ address }) => address)
  assert.deepEqual(texts(await verbs.reserve('tcp:20000')), ['tcp:20000'])
  assert.deepEqual(texts(await verbs.reserve('tcp+udp:0', { note: 'games', isDry: true })), ['tcp:20001', 'udp:20001'])
  assert.deepEqual(texts(await verbs.list()), ['app', 'tcp:20000'])
  assert.deepEqual(texts(await verbs.reserve('TCP+UDP:0', { note: 'games' })), ['tcp:20001', 'udp:20001'])
  assert.deepEqual(texts(await verbs.reserve('udp:0')), ['udp:20000'])
  await assert.rejects(verbs.reserve('tcp+udp:20000'), {
    code: 'address-taken',
    message: /"tcp:20000" is kept already/,
  })
  assert.equal((await verbs.get('udp:20001')).note, 'games')
  const [tcp, udp] = await verbs.check('tcp+udp:20002')
  assert.deepEqual([tcp?.isFree, udp?.isFree], [true, true])
  const [taken, free] = await verbs.check('tcp+udp:20001')
  assert.deepEqual(
    [taken?.isFree, taken?.reason, free?.held?.note],
    [false, 'it is reserved, and no tunnel has it', 'games'],
  )
  const [outside] = await verbs.check('tcp:99')
  assert.match(outside?.reason ?? '', /outside port-range 20000-20100/)
  assert.deepEqual(texts(await verbs.release('tcp+udp:20001')), ['tcp:20001', 'udp:20001'])
})

test('an address is given to a tunnel of its kind, and taken back', async t => {
  const { verbs } = await setUp(t)
  const [mapped] = await verbs.map('new', 'app')
  assert.deepEqual([mapped?.address, mapped?.tunnel, mapped?.isMapped], ['new', 'app', true])
  await assert.rejects(verbs.map('tcp:20000', 'app'), { code: 'usage', message: /of kind http/ })
  await assert.rejects(verbs.map('new', 'other'), { code: 'unknown-tunnel' })
  assert.equal((await verbs.map('new', ''))[0]?.isMapped, false)
})

test('a block is let in for a time and with a note; where everybody may come nothing changes', async t => {
  const { verbs } = await setUp(t)
  const endsAt = new Date(Date.now() + 60_000)
  const { isAdded, address } = await verbs.allowPeer('app', { block: '203.0.113.7', note: 'phone', endsAt })
  assert.ok(isAdded)
  assert.deepEqual(address.entries.at(-1), { block: '203.0.113.7', note: 'phone', endsAt })
  assert.equal(address.entries.length, 3)
  await verbs.allow('app', { kind: 'everybody' })
  assert.equal((await verbs.allowPeer('app', { block: '203.0.113.7', note: '', endsAt })).isAdded, false)
  await assert.rejects(verbs.allowPeer('new', { block: '203.0.113.7', note: '', endsAt }), { code: 'unknown-address' })
  const past = new Date(Date.now() - 1)
  await assert.rejects(verbs.allowPeer('app', { block: '203.0.113.7', note: '', endsAt: past }), { code: 'usage' })
})
