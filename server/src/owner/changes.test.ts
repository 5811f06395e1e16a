// When the server notices what commands have changed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FakeClock } from '@pbt/proto/testing'
import { Changes } from './changes.ts'

/** Within which a change has to be noticed. */
const PROMISED_MS = 1_000

async function watched(t: { after(end: () => unknown): void }) {
  const clock = new FakeClock()
  const database = { version: 1, isBroken: false }
  const seen: number[] = []
  const errors: string[] = []
  const changes = await Changes.watch({
    version: () => Promise.resolve(database.version),
    read: async () => {
      if (database.isBroken) throw new Error('disk')
      seen.push(database.version)
    },
    onError: error => errors.push(String(error)),
    clock,
  })
  t.after(() => changes.end())
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(100)
      await turn()
    }
  }
  return { changes, database, seen, errors, pass }
}

test('everything is read at the start, and again within a second after a change, once', async t => {
  const { database, seen, pass } = await watched(t)
  assert.deepEqual(seen, [1])
  await pass(10_000)
  assert.deepEqual(seen, [1])
  database.version = 7
  await pass(PROMISED_MS)
  assert.deepEqual(seen, [1, 7])
  await pass(10_000)
  assert.deepEqual(seen, [1, 7])
})

test('what could not be read is tried again, and nothing is looked at after the end', async t => {
  const { changes, database, seen, errors, pass } = await watched(t)
  database.version = 2
  database.isBroken = true
  await pass(10 * PROMISED_MS)
  assert.deepEqual([errors, seen], [['Error: disk'], [1]], 'told once, however often it is tried')
  database.isBroken = false
  await pass(PROMISED_MS)
  assert.deepEqual(seen, [1, 2])
  await changes.end()
  database.version = 3
  await pass(PROMISED_MS)
  assert.deepEqual(seen, [1, 2])
})

test('what this process changes is in force when it has been told, also while another look is under way', async t => {
  const { changes, database, seen, errors, pass } = await watched(t)
  await Promise.all([changes.now(), changes.now()])
  assert.deepEqual(seen, [1, 1, 1].slice(0, seen.length))
  assert.ok(seen.length >= 2)
  const before = seen.length
  database.isBroken = true
  await changes.now()
  assert.deepEqual(errors, ['Error: disk'])
  database.isBroken = false
  await pass(PROMISED_MS)
  assert.equal(seen.length, before + 1, 'what could not be read then is read by the next look')
})
