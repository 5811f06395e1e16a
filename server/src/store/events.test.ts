// What is kept of events and clients, on real databases.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { MAX_CLIENTS } from '../owner/client-records.ts'
import { newEvent } from '../owner/event.ts'
import { makeStore, openStore } from './store.ts'

const DAY_MS = 86_400_000

async function setUp(t: TestContext) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-events-'))
  const store = await makeStore(dataDir)
  await store.tokens.addFirst(Buffer.alloc(32, 1), 'first')
  t.after(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
  return { dataDir, store }
}

function eventAt(at: Date, subject: string, client = '') {
  const fields: Record<string, string> = client === '' ? { reason: 'none' } : { client }
  return newEvent({ kind: 'client.connected', subject, message: `${subject} is "here"`, fields }, at)
}

function eventsOf(count: number, prefix = 'e', at = new Date()) {
  return Array.from({ length: count }, (_, index) => eventAt(at, `${prefix}${index}`))
}

test('events keep their order, their texts and their times, and numbers grow by one', async t => {
  const { store } = await setUp(t)
  const at = new Date('2026-11-28T10:00:00.123Z')
  assert.equal(await store.events.last(), 0)
  assert.equal(await store.events.append(eventsOf(250, 'a', at)), 1)
  assert.equal(await store.events.append([eventAt(at, 'wünsche " \u2028', 'one')]), 251)
  const all = await store.events.after(0, 1_000)
  assert.deepEqual(
    all.map(({ number }) => number),
    all.map((_, index) => index + 1),
  )
  assert.deepEqual(all.slice(249), [
    { ...eventAt(at, 'a249'), number: 250 },
    { ...eventAt(at, 'wünsche " \u2028', 'one'), number: 251 },
  ])
  assert.deepEqual(
    (await store.events.after(100, 3)).map(({ subject }) => subject),
    ['a100', 'a101', 'a102'],
  )
})

test('two processes that write at the same time get numbers of their own, without gaps, in the order in which they appear', async t => {
  const { dataDir, store } = await setUp(t)
  const other = await openStore(dataDir)
  t.after(() => other.close())
  const seen: string[] = []
  let known = 0
  const look = async () => {
    for (const { number, subject } of await other.events.after(known, 1_000)) {
      assert.equal(number, known + 1, 'a number appeared after a later one')
      known = number
      seen.push(subject)
    }
  }
  const write = async (to: typeof store, prefix: string) => {
    for (let index = 0; index < 40; index++) {
      const first = await to.events.append(eventsOf(5, `${prefix}${index}-`))
      const [mine] = await to.events.after(first - 1, 1)
      assert.equal(mine?.subject, `${prefix}${index}-0`)
    }
  }
  const writing = Promise.all([write(store, 'x'), write(other, 'y')])
  let isOver = false
  void writing.finally(() => {
    isOver = true
  })
  while (!isOver) {
    await look()
    await turn()
  }
  await writing
  await look()
  assert.equal(seen.length, 400)
  assert.equal(new Set(seen).size, 400)
})

test('numbers go on after everything was forgotten and after a restart', async t => {
  const { dataDir, store } = await setUp(t)
  await store.events.append(eventsOf(10))
  await store.events.prune({ count: 0, since: new Date(0) })
  assert.deepEqual(await store.events.after(0, 10), [])
  const again = await openStore(dataDir)
  t.after(() => again.close())
  assert.equal(await again.events.last(), 10)
  assert.equal(await again.events.append(eventsOf(1)), 11)
})

test('the oldest are forgotten: what is too old, and what is too much; what is left has no gaps', async t => {
  const { store } = await setUp(t)
  const now = Date.now()
  await store.events.append(eventsOf(1_500, 'old', new Date(now - 31 * DAY_MS)))
  // The system's clock was wrong for a while.
  await store.events.append([eventAt(new Date(now + DAY_MS), 'tomorrow')])
  await store.events.append(eventsOf(100, 'before', new Date(now - 40 * DAY_MS)))
  await store.events.append(eventsOf(100, 'new', new Date(now)))
  const keep = { count: 100_000, since: new Date(now - 30 * DAY_MS) }
  assert.equal(await store.events.prune(keep), true)
  assert.equal(await store.events.prune(keep), false)
  const left = await store.events.after(0, 1_000)
  assert.deepEqual([left[0]?.subject, left.length], ['tomorrow', 201])
  await store.events.prune({ ...keep, count: 30 })
  assert.deepEqual(
    (await store.events.after(0, 1_000)).map(({ subject }) => subject),
    eventsOf(100, 'new')
      .slice(70)
      .map(({ subject }) => subject),
  )
})

test('the history of a client is told page by page, the newest first', async t => {
  const { store } = await setUp(t)
  const at = new Date()
  for (let index = 0; index < 6; index++)
    await store.events.append([eventAt(at, `s${index}`, index % 2 ? 'one' : 'two')])
  const page = await store.events.ofClient('one', Number.MAX_SAFE_INTEGER, 2)
  assert.deepEqual(
    page.map(({ number }) => number),
    [6, 4],
  )
  assert.deepEqual(
    (await store.events.ofClient('one', 4, 2)).map(({ number }) => number),
    [2],
  )
})

test('a client is kept as it was seen last, and only those seen last are kept', async t => {
  const { store } = await setUp(t)
  const seen = (id: string, ms: number, label = id) => ({
    ...{ id, label, machineId: 'machine', agent: 'pbt/1', minor: 3, address: '192.0.2.1', tokenId: 1 },
    lastSeenAt: new Date(ms),
  })
  await store.clients.seen([seen('one', 1_000)])
  await store.clients.seen([seen('one', 5_000, 'renamed')])
  const [client] = await store.clients.list()
  assert.deepEqual(client, { ...seen('one', 5_000, 'renamed'), firstSeenAt: new Date(1_000) })
  assert.deepEqual(await store.clients.find('one'), client)
  const many = Array.from({ length: MAX_CLIENTS }, (_, index) => seen(`c${index}`, 10_000 + index))
  await store.clients.seen(many)
  assert.equal((await store.clients.list()).length, MAX_CLIENTS)
  assert.equal(await store.clients.find('one'), undefined, 'the one seen longest ago went')
  assert.deepEqual([await store.clients.forget('c7'), await store.clients.forget('c7')], [true, false])
})
