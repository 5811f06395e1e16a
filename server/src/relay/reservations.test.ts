// Which names a tunnel gets when what has to be remembered cannot be written.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import { Registry } from './registry.ts'
import { Reservations, type StoredName } from './reservations.ts'
import { holderOf } from './testing/holder.ts'

const OWNER = { machineId: 'machine', kind: 'http', target: '127.0.0.1:3000' }

const holder = (target = OWNER.target) => holderOf('http', target)

/** The disk is full, and these are on it. */
async function house(...stored: StoredName[]) {
  const registry = new Registry(new FakeClock())
  const full = new Error('no room')
  const unwritten: unknown[] = []
  const claim = () => Promise.reject(full)
  const store = { load: async () => stored, claim, setOffline: claim }
  const reservations = new Reservations('localhost', registry, store, error => unwritten.push(error))
  await reservations.load(1_000)
  const state = (label: string) => registry.lookup(`${label}.localhost`).state
  return { reservations, full, unwritten, state }
}

test('H12: names are given back to their owner when nothing can be written', async () => {
  const { reservations, full, unwritten, state } = await house(
    { ...OWNER, label: 'two', isOnline: false },
    { ...OWNER, label: 'one', isOnline: true },
  )
  const usual = await reservations.claim(holder(), 'client', [])
  assert.deepEqual(usual, [{ host: 'one.localhost', label: 'one' }])
  assert.equal((await reservations.claim(holder(), 'client', ['two', 'one'])).length, 2)
  assert.deepEqual([state('one'), state('two')], ['online', 'online'])
  assert.deepEqual(unwritten, [full, full])
})

test('H12: a name that is not its own is refused to a tunnel when nothing can be written, with all it asked for', async () => {
  const { reservations, full, unwritten, state } = await house({ ...OWNER, label: 'one', isOnline: false })
  await assert.rejects(reservations.claim(holder(), 'client', ['one', 'new']), full)
  await assert.rejects(reservations.claim(holder('127.0.0.1:4000'), 'client', ['one']), full)
  assert.deepEqual([state('one'), state('new')], ['offline', 'unknown'])
  assert.deepEqual(unwritten, [])
})
