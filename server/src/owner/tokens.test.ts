// The owner's verbs for tokens, on a real database.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { TokenBook } from '../access/tokens.ts'
import { makeStore } from '../store/store.ts'
import type { Tell } from './event.ts'
import { type TokenClients, TokenVerbs } from './tokens.ts'

async function setUp(t: TestContext, live?: TokenClients) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-owner-'))
  const store = await makeStore(dataDir)
  t.after(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
  await store.tokens.addFirst(Buffer.alloc(32, 1), 'first')
  const book = new TokenBook(await store.tokens.live())
  const changed = async () => book.replace(await store.tokens.live())
  const told: string[] = []
  const tell: Tell = ({ message }) => void told.push(message)
  return { store, book, told, verbs: new TokenVerbs({ records: store.tokens, live, changed, tell }) }
}

test('a rotation makes the only token that is valid, and only tokens with an end can be ended', async t => {
  const { book, verbs, told } = await setUp(t)
  const { token } = await verbs.rotate()
  assert.equal(book.find(token), 2)
  assert.deepEqual([book.has(1), book.has(2)], [false, true])
  const all = await verbs.list()
  assert.deepEqual(
    all.map(({ id, endsAt }) => [id, endsAt === undefined]),
    [
      [2, true],
      [1, false],
    ],
  )
  await assert.rejects(verbs.revoke(2), { code: 'last-token', cure: /token rotate/ })
  await assert.rejects(verbs.revoke(9), { code: 'unknown-token', cure: /token list/ })
  await verbs.revoke(1)
  assert.equal(book.find(token), 2)
  assert.deepEqual(told, ['there is a new token, the previous one has ended'], 'what had ended before is no news')
})

test('with grace the one before is good until its end, and clients are sent the new one once it is in force', async t => {
  const nas = {
    ...{ clientId: 'm.1', machineId: 'm', label: 'nas', agent: 'pbt/1', minor: 0, address: '192.0.2.1', tokenId: 1 },
    ...{ isConnected: true, since: new Date(), roundTripMs: 1, tunnels: [] },
  }
  const offers: (number | undefined)[] = []
  const { book, verbs, told, store } = await setUp(t, {
    clients: () => [nas],
    offer: (id, token, ms) => {
      offers.push(id, book.find(token), ms)
      return [nas]
    },
  })
  const { token, kept, told: sent } = await verbs.rotate('summer', 60_000)
  assert.deepEqual([kept.id, kept.label, kept.endsAt, kept.clients], [2, 'summer', undefined, []])
  assert.deepEqual(
    sent.map(({ label }) => label),
    ['nas'],
  )
  assert.deepEqual(offers, [2, 2, 60_000])
  assert.deepEqual([book.has(1), book.find(token)], [true, 2])
  const before = (await verbs.list()).find(({ id }) => id === 1)
  assert.deepEqual(
    before?.clients.map(({ label }) => label),
    ['nas'],
  )
  const ms = (before?.endsAt?.getTime() ?? 0) - Date.now()
  assert.ok(ms > 50_000 && ms <= 60_000)
  assert.match(told[0] ?? '', /the previous one ends in 60 s/)
  // A longer grace of a later rotation prolongs nothing; none ends all.
  await verbs.rotate('', 3_600_000)
  assert.deepEqual((await verbs.list()).find(({ id }) => id === 1)?.endsAt, before?.endsAt)
  assert.equal((await store.tokens.live()).length, 3)
  await verbs.rotate()
  assert.deepEqual(
    (await store.tokens.live()).map(({ id }) => id),
    [4],
  )
})
