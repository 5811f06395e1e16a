// The bus of events on a real database: numbers, readers, and what the database's faults do.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '@pbt/proto'
import { makeStore, openStore } from '../store/store.ts'
import type { EventRecords, Happening, KeptEvent } from './event.ts'
import type { EventReader } from './event-reader.ts'
import { Events } from './events.ts'

const PROMISED_MS = 10_000

function happening(subject: string): Happening {
  return { kind: 'tunnel.online', subject, message: `${subject} is online`, fields: { tunnel: subject } }
}

async function setUp(t: TestContext) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-bus-'))
  const store = await makeStore(dataDir)
  await store.tokens.addFirst(Buffer.alloc(32, 1), 'first')
  t.after(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
  const lines: string[] = []
  const say = (message: string, fields: object = {}) => void lines.push(`${message} ${JSON.stringify(fields)}`)
  const open = async (records: EventRecords = store.events) => {
    const events = await Events.open({ records, clock: systemClock, log: { error: say, info: say } })
    t.after(() => events.end())
    return events
  }
  return { dataDir, store, open, lines }
}

/** Reads until it has so many. */
async function read(reader: EventReader, count: number): Promise<KeptEvent[]> {
  const all: KeptEvent[] = []
  const until = performance.now() + PROMISED_MS
  while (all.length < count && performance.now() < until) {
    const { events, isMissing } = await reader.take(100)
    assert.equal(isMissing, false)
    all.push(...events)
    if (events.length === 0) await reader.wait(1_000)
  }
  return all
}

test('a reader that comes back by its number has all of 1,000 events once each, first from the database and then live', async t => {
  const { open } = await setUp(t)
  const events = await open()
  const before = events.reader()
  events.tell(happening('first'))
  const [first] = await read(before, 1)
  assert.equal(first?.number, 1)
  before.end()
  for (let index = 0; index < 1_000; index++) events.tell(happening(`away${index}`))
  await events.flush()
  // More than are kept in memory: the first ones come from the database.
  for (let index = 0; index < 1_500; index++) events.tell(happening(`more${index}`))
  const reader = events.reader(before.at)
  const reading = read(reader, 2_501)
  await events.flush()
  events.tell(happening('live'))
  const all = await reading
  assert.deepEqual(
    all.map(({ number }) => number),
    Array.from({ length: 2_501 }, (_, index) => index + 2),
  )
  assert.deepEqual(
    [all[0]?.subject, all[999]?.subject, all[1_000]?.subject, all.at(-1)?.subject],
    ['away0', 'away999', 'more0', 'live'],
  )
})

test('two processes on one database: each tells its readers of the events of both, in one order', async t => {
  const { dataDir, open } = await setUp(t)
  const one = await open()
  const second = await openStore(dataDir)
  const two = await open(second.events)
  t.after(async () => {
    await two.end()
    await second.close()
  })
  const reading = [one, two].map(events => read(events.reader(0), 60))
  for (let index = 0; index < 30; index++) {
    one.tell(happening(`one${index}`))
    two.tell(happening(`two${index}`))
    if (index % 7 === 0) await Promise.all([one.flush(), two.flush()])
  }
  await Promise.all([one.flush(), two.flush()])
  // What Changes does when the database was written by another.
  await Promise.all([one.look(), two.look()])
  const [ofOne, ofTwo] = await Promise.all(reading)
  assert.deepEqual(ofOne, ofTwo)
  assert.deepEqual(
    ofOne?.map(({ number }) => number),
    Array.from({ length: 60 }, (_, index) => index + 1),
  )
  const of = (prefix: string) =>
    ofOne?.filter(({ subject }) => subject.startsWith(prefix)).map(({ subject }) => subject)
  assert.deepEqual(
    of('two'),
    Array.from({ length: 30 }, (_, index) => `two${index}`),
  )
})

test('one who does not read holds up nobody and misses nothing; a hundred of them cost nothing', async t => {
  const { open } = await setUp(t)
  const events = await open()
  const stuck = Array.from({ length: 100 }, () => events.reader())
  const reading = read(events.reader(), 3_000)
  for (let index = 0; index < 3_000; index++) events.tell(happening(`e${index}`))
  assert.equal((await reading).length, 3_000)
  assert.equal((await read(stuck[99] ?? assert.fail(), 3_000)).length, 3_000)
  for (const reader of stuck) reader.end()
  assert.equal(events.readerCount, 1)
})

test('a number that is no longer kept, or never was, is told as missing; the reader goes on with what there is', async t => {
  const { open, store } = await setUp(t)
  const events = await open()
  for (let index = 0; index < 2_100; index++) events.tell(happening(`e${index}`))
  await events.flush()
  await store.events.prune({ count: 1_900, since: new Date(0) })
  const reader = events.reader(50)
  assert.deepEqual(await reader.take(10), { events: [], isMissing: true })
  assert.equal((await reader.take(10)).events[0]?.number, 201)
  const future = events.reader(5_000)
  assert.deepEqual(await future.take(10), { events: [], isMissing: true })
  assert.equal(future.at, 2_100)
})

test('while the database takes nothing events wait, within bounds; then they get their numbers, and what was lost is told', async t => {
  const { store, open, lines } = await setUp(t)
  const disk = { isFull: true }
  const records: EventRecords = {
    append: async some => {
      if (disk.isFull) throw new Error('disk full')
      return await store.events.append(some)
    },
    after: (number, most) => store.events.after(number, most),
    last: () => store.events.last(),
    ofClient: (...values) => store.events.ofClient(...values),
    prune: keep => store.events.prune(keep),
  }
  const events = await open(records)
  const reader = events.reader()
  for (let index = 0; index < 12_000; index++) events.tell(happening(`e${index}`))
  await events.flush()
  assert.ok(
    lines.some(line => line.startsWith('events cannot be written')),
    lines.join('\n'),
  )
  assert.equal(events.last, 0)
  disk.isFull = false
  const kept = 12_000 - events.lost
  assert.ok(kept >= 9_000 && kept <= 10_000, String(kept))
  const all = await read(reader, kept + 1)
  const told = all.find(({ kind }) => kind === 'server.events-lost')
  assert.equal(told?.fields.count, String(events.lost))
  assert.equal(all.filter(({ kind }) => kind === 'tunnel.online').at(-1)?.subject, 'e11999')
})

test('what was told before the end is kept, and readers are over', async t => {
  const { store, open } = await setUp(t)
  const events = await open()
  const reader = events.reader()
  const waiting = reader.wait(PROMISED_MS)
  events.tell(happening('last'))
  await events.end()
  await waiting
  assert.equal(reader.isOver, true)
  events.tell(happening('too late'))
  assert.deepEqual(
    (await store.events.after(0, 10)).map(({ subject }) => subject),
    ['last'],
  )
})

test('texts of any length and shape are kept within bounds', async t => {
  const { open } = await setUp(t)
  const events = await open()
  const reader = events.reader()
  const long = '\ud800'.repeat(5_000)
  events.tell({ kind: 'tunnel.online', subject: long, message: long, fields: { reason: long } })
  const [event] = await read(reader, 1)
  assert.deepEqual([event?.subject.length, event?.message.length, event?.fields.reason?.length], [300, 1_000, 500])
  assert.ok(event?.message.isWellFormed())
})
