// Who is logged in, on a real database.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '@pbt/proto'
import { TokenCheck } from '../access/token-check.ts'
import { hashToken, newToken, TokenBook } from '../access/tokens.ts'
import { makeStore } from '../store/store.ts'
import { PanelVerbs, type SessionRecords } from './panel.ts'

const VISITOR = { address: '192.0.2.1', userAgent: 'Browser/1' }

/** `held`: what is read from now on is read at once, and arrives when it is let go. */
async function setUp(t: TestContext) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-panel-'))
  const store = await makeStore(dataDir)
  t.after(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
  const token = newToken()
  await store.tokens.addFirst(hashToken(token), 'first')
  const tokens = new TokenBook(await store.tokens.live())
  let gate = Promise.resolve()
  const records: SessionRecords = {
    live: () => store.panelSessions.live(),
    add: session => store.panelSessions.add(session),
    remove: ids => store.panelSessions.remove(ids),
    seen: (id, at) => store.panelSessions.seen(id, at),
    withTokens: async () => {
      const kept = await store.panelSessions.withTokens()
      read.resolve()
      await gate
      return kept
    },
  }
  let read = Promise.withResolvers<void>()
  const verbs = new PanelVerbs({
    ...{ records, tokens, check: new TokenCheck(tokens, systemClock), clock: systemClock },
    ...{ endOf: hash => store.tokens.endOf(hash), url: () => undefined, tell: () => {} },
    ...{ refused: () => assert.fail('refused'), onError: error => assert.fail(String(error)) },
  })
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    gate = promise
    read = Promise.withResolvers<void>()
    return { isRead: read.promise, letGo: resolve }
  }
  const login = () => verbs.login({ kind: 'token', token }, VISITOR)
  return { store, tokens, verbs, hold, login }
}

test('who logs in or out while everything is read again is logged in, or out', async t => {
  const { verbs, hold, login } = await setUp(t)
  const first = await login()
  const { isRead, letGo } = hold()
  const loading = verbs.load()
  await isRead
  const second = await login()
  await verbs.end([first.session.id], 0)
  letGo()
  await loading
  assert.equal(verbs.sessionOf(second.secret)?.id, second.session.id)
  assert.equal(verbs.sessionOf(first.secret), undefined)
})

test('the session that rotates the token has one at every moment, the others end with theirs', async t => {
  const { store, tokens, verbs, hold, login } = await setUp(t)
  const [own, other] = [await login(), await login()]
  const id = await store.tokens.replace(Buffer.alloc(32, 2), 'second', new Date(), own.session.id)
  const { isRead, letGo } = hold()
  const loading = verbs.load()
  await isRead
  // Not in force yet: both are judged by what was valid before.
  assert.deepEqual([verbs.sessionOf(own.secret)?.tokenId, tokens.has(id)], [1, false])
  letGo()
  await loading
  assert.deepEqual(
    [verbs.sessionOf(own.secret)?.tokenId, verbs.sessionOf(other.secret), tokens.has(1)],
    [id, undefined, false],
  )
  assert.deepEqual(
    (await verbs.list()).map(session => session.id),
    [own.session.id],
  )
})
