import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Names } from './names.ts'
import { makeStore } from './store.ts'

const OWNER = { machineId: 'machine', kind: 'http', target: '127.0.0.1:3000' }
const OTHER = { machineId: 'machine', kind: 'http', target: '127.0.0.1:4000' }

async function setUp(t: TestContext): Promise<Names> {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-names-'))
  const store = await makeStore(dataDir)
  t.after(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
  return store.names
}

test('a claimed name belongs to its target and is online until the target is offline', async t => {
  const names = await setUp(t)
  await names.claim(OWNER, ['one', 'two'])
  await names.claim(OTHER, ['three'])
  await names.setOffline(['one', 'two'])
  assert.deepEqual(
    (await names.load()).map(({ label, target, isOnline }) => [label, target, isOnline]),
    [
      ['two', OWNER.target, false],
      ['one', OWNER.target, false],
      ['three', OTHER.target, true],
    ],
  )
})

test('a name that another target claims is the other one’s from then on', async t => {
  const names = await setUp(t)
  await names.claim(OWNER, ['one', 'two'])
  await names.claim(OTHER, ['one'])
  await names.setOffline(['two'])
  assert.deepEqual(
    (await names.load()).map(({ label, target, isOnline }) => [label, target, isOnline]),
    [
      ['two', OWNER.target, false],
      ['one', OTHER.target, true],
    ],
  )
})

test('the name used last comes last', async t => {
  const names = await setUp(t)
  await names.claim(OWNER, ['one'])
  await names.claim(OWNER, ['two'])
  await names.claim(OWNER, ['one'])
  assert.deepEqual(
    (await names.load()).map(({ label }) => label),
    ['two', 'one'],
  )
})

test('names that nobody ever had change nothing', async t => {
  const names = await setUp(t)
  await names.setOffline(['one'])
  assert.deepEqual(await names.load(), [])
})
