// The owner's verbs for tokens, on a real database.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { TokenBook } from '../access/tokens.ts'
import { makeStore } from '../store/store.ts'
import type { Tell } from './event.ts'
import { TokenVerbs } from './tokens.ts'

test('a rotation makes the only token that is valid, and only tokens with an end can be ended', async t => {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-owner-'))
  const store = await makeStore(dataDir)
  t.after(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
  await store.tokens.addFirst(Buffer.alloc(32, 1), 'first')
  const book = new TokenBook([])
  const changed = async () => book.replace(await store.tokens.live())
  const told: string[] = []
  const tell: Tell = ({ message }) => void told.push(message)
  const verbs = new TokenVerbs({ records: store.tokens, changed, tell })
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
  assert.deepEqual(told, ['there is a new token, the one before has ended'], 'what had ended before is no news')
})
