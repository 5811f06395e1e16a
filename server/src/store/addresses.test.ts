import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { KeptAddress } from '../owner/addresses.ts'
import { makeStore, openStore } from './store.ts'

const AT = { machineId: 'machine', kind: 'http', target: '127.0.0.1:3000', allow: [] }
const [ONE, TWO] = [
  { ...AT, name: 'one' },
  { ...AT, name: 'two', target: '127.0.0.1:4000', allow: ['192.0.2.1', '2001:db8::/32'] },
]

async function setUp(t: TestContext) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-addresses-'))
  const store = await makeStore(dataDir)
  t.after(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
  await store.tokens.addFirst(Buffer.alloc(32, 1), 'first')
  const { addresses } = store
  const shown = async () =>
    (await addresses.load()).map(({ address, tunnel, affinity, isExpected }) => [
      address,
      tunnel,
      affinity?.target,
      isExpected,
    ])
  return { dataDir, store, addresses, shown }
}

const entriesOf = (blocks: readonly string[]) => blocks.map(block => ({ block, note: '', endsAt: undefined }))
const blocksOf = (kept: KeptAddress | undefined) => kept?.entries.map(({ block }) => block)

test('a claimed address belongs to its tunnel and is expected back until its client is gone', async t => {
  const { addresses, shown } = await setUp(t)
  await addresses.claim(ONE, ['a', 'app.mine.uk'])
  await addresses.claim(TWO, ['tcp:20000'])
  await addresses.setUnexpected(['a', 'never-there'])
  assert.deepEqual(await shown(), [
    ['app.mine.uk', 'one', ONE.target, true],
    ['a', 'one', ONE.target, false],
    ['tcp:20000', 'two', TWO.target, true],
  ])
  const [, , port] = await addresses.load()
  assert.equal(port?.affinity?.kind, 'tcp')
})

test('an address that another tunnel claims is the other one’s, and the one used last comes last', async t => {
  const { addresses, shown } = await setUp(t)
  await addresses.claim(ONE, ['a', 'b'])
  await addresses.claim(TWO, ['c'])
  await addresses.claim(TWO, ['a'])
  assert.deepEqual(await shown(), [
    ['b', 'one', ONE.target, true],
    ['c', 'two', TWO.target, true],
    ['a', 'two', TWO.target, true],
  ])
})

test('a list belongs to an address whichever tunnel has it, and other processes see the change', async t => {
  const { dataDir, store, addresses } = await setUp(t)
  const server = await openStore(dataDir)
  t.after(() => server.close())
  const before = await server.version()
  await server.addresses.claim(ONE, ['a'])
  assert.equal(await server.version(), before, 'what it changes itself')
  const blocks = ['192.0.2.1', '2001:db8::/32']
  const listed = { address: 'a', access: 'listed', blocks }
  await addresses.setList('a', () => ({ access: 'listed', entries: entriesOf(blocks) }))
  const changed = await server.version()
  assert.notEqual(changed, before)
  assert.deepEqual(await server.addresses.allowlists(), [listed])
  await server.addresses.claim(TWO, ['a'])
  assert.deepEqual(await server.addresses.allowlists(), [listed])
  await addresses.setList('a', () => ({ access: 'everybody', entries: [] }))
  assert.deepEqual(await server.addresses.allowlists(), [{ address: 'a', access: 'everybody', blocks: [] }])
  await store.addresses.setList('a', () => ({ access: 'client', entries: [] }))
  assert.deepEqual(await server.addresses.allowlists(), [])
  assert.notEqual(await server.version(), changed)
})

test('a list is changed from what it is at that moment, however many change it at once', async t => {
  const { addresses } = await setUp(t)
  const blocks = Array.from({ length: 20 }, (_, index) => `192.0.2.${index}`)
  const add = (block: string) =>
    addresses.setList('a', before => ({
      access: 'listed',
      entries: [...(before?.entries ?? []), ...entriesOf([block])],
    }))
  await Promise.all(blocks.map(add))
  assert.deepEqual(blocksOf(await addresses.find('a')), blocks)
  const refuse = () => {
    throw new Error('not this one')
  }
  await assert.rejects(addresses.setList('b', refuse), /not this one/)
  assert.equal(await addresses.find('b'), undefined, 'nothing has changed')
})

test('a list may have as many blocks as can be, and more than 1,000 addresses can be kept', async t => {
  const { addresses } = await setUp(t)
  const blocks = Array.from({ length: 10_000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`)
  assert.deepEqual(
    blocksOf(await addresses.setList('a', () => ({ access: 'listed', entries: entriesOf(blocks) }))),
    blocks,
  )
  assert.deepEqual((await addresses.allowlists())[0]?.blocks, blocks)
  assert.deepEqual(
    blocksOf(await addresses.setList('a', () => ({ access: 'listed', entries: entriesOf(blocks.slice(9_999)) }))),
    blocks.slice(9_999),
  )
  for (let from = 0; from < 1_500; from += 30)
    await addresses.claim(
      ONE,
      Array.from({ length: 30 }, (_, index) => `app${from + index}`),
    )
  assert.deepEqual([(await addresses.load()).length, (await addresses.list()).length], [1_501, 1_501])
})

test('the owner sees each address with its tunnel, its target, and both lists', async t => {
  const { addresses } = await setUp(t)
  assert.ok(await addresses.add(['later'], ''))
  assert.ok(!(await addresses.add(['later'], '')))
  await addresses.claim(TWO, ['app'])
  await addresses.setList('app', () => ({ access: 'listed', entries: [] }))
  const all = (await addresses.list()).map(({ createdAt, lastUsedAt, ...rest }) => {
    assert.ok(createdAt instanceof Date)
    return { ...rest, isUsed: lastUsedAt instanceof Date }
  })
  const common = { entries: [], isMapped: false, note: '' }
  const mine = { address: 'app', tunnel: 'two', target: TWO.target, access: 'listed', clientBlocks: TWO.allow }
  const later = { address: 'later', tunnel: '', target: '', access: 'client', clientBlocks: [] }
  assert.deepEqual(all, [
    { ...common, ...mine, isExpected: true, isUsed: true },
    { ...common, ...later, isExpected: false, isUsed: false },
  ])
  assert.ok(await addresses.remove('app'))
  assert.ok(!(await addresses.remove('app')))
  assert.deepEqual(
    (await addresses.list()).map(({ address }) => address),
    ['later'],
  )
})
