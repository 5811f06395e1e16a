import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { makeStore } from './store.ts'

async function setUp(t: TestContext) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-tokens-'))
  const store = await makeStore(dataDir)
  t.after(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
  return store.tokens
}

const hash = (byte: number) => Buffer.alloc(32, byte)

test('a new token takes the place of all before it, and exactly one has no end', async t => {
  const tokens = await setUp(t)
  await tokens.addFirst(hash(1), 'first')
  await Promise.all([2, 3, 4].map(byte => tokens.replace(hash(byte), `number ${byte}`)))
  assert.deepEqual(await tokens.live(), [{ id: 4, hash: hash(4) }])
  const all = await tokens.list()
  assert.deepEqual(all.map(({ id, label }) => [id, label]).at(0), [4, 'number 4'])
  assert.equal(all.filter(({ endsAt }) => endsAt === undefined).length, 1)
  assert.ok(all.every(({ endsAt }) => endsAt === undefined || endsAt.getTime() <= Date.now()))
  assert.equal(await tokens.addFirst(hash(9), 'first'), false)
})

test('the same token twice is refused, and the one before stays', async t => {
  const tokens = await setUp(t)
  await tokens.addFirst(hash(1), 'first')
  await assert.rejects(tokens.replace(hash(1), 'again'))
  assert.deepEqual(await tokens.live(), [{ id: 1, hash: hash(1) }])
})

test('the last use is kept to the minute', async t => {
  const tokens = await setUp(t)
  await tokens.addFirst(hash(1), 'first')
  assert.equal((await tokens.list())[0]?.lastUsedAt, undefined)
  await tokens.used(1)
  const first = (await tokens.list())[0]?.lastUsedAt
  assert.ok(first !== undefined)
  await tokens.used(1)
  assert.deepEqual((await tokens.list())[0]?.lastUsedAt, first)
  assert.equal(await tokens.end(1), false, 'the one without an end cannot be ended')
})
