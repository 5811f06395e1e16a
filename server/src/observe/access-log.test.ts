// What the access log counts, tells those who watch, and remembers of those turned away.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { untilLook } from '@pbt/proto'
import { FakeClock } from '@pbt/proto/testing'
import { AccessLog } from './access-log.ts'
import type { AccessRecord, VisitEnd } from './access-record.ts'
import type { AccessBatch } from './batches.ts'
import type { Log } from './log.ts'
import { OpenBytes, type OpenTraffic } from './open-bytes.ts'
import type { TailPage } from './record-tail.ts'
import { GUESSES_AN_HOUR, Refusals } from './refusals.ts'

const NOTHING = () => {}
const SILENT: Log = { error: NOTHING, warn: NOTHING, info: NOTHING, debug: NOTHING, child: () => SILENT }

function opened(t: TestContext) {
  const refusals = new Refusals(peer => peer)
  const log = new AccessLog({ write: undefined, hasRecords: false, refusals, log: SILENT })
  t.after(() => log.close())
  return { log, refusals }
}

function visit(parts: Partial<VisitEnd> = {}): VisitEnd {
  return {
    ...{
      kind: 'http',
      tunnel: 'app',
      visitor: '203.0.113.7',
      summary: 'GET /',
      status: 200,
      startedAt: performance.now(),
    },
    ...{ firstByteAt: 0, bytesIn: 0, bytesOut: 0, countedIn: 0, countedOut: 0, reason: '', ...parts },
  }
}

/** Reads pages until there were so many records. */
async function take(pages: AsyncGenerator<TailPage>, count: number) {
  const records: AccessRecord[] = []
  let dropped = 0
  while (records.length < count) {
    const { value } = await pages.next()
    assert.ok(value, `${records.length} records and no more`)
    records.push(...value.records)
    dropped += value.dropped
  }
  return { records, dropped }
}

test('who watches gets what comes from then on and fits, in order, and nothing is gathered when nobody does', async t => {
  const { log } = opened(t)
  log.ended(visit({ summary: 'GET /before' }))
  assert.equal(log.watchers, 0)
  const end = new AbortController()
  const pages = log.watch(({ tunnel }) => tunnel === 'app', end.signal)
  assert.deepEqual((await pages.next()).value, { records: [], dropped: 0 })
  assert.equal(log.watchers, 1)
  for (let index = 0; index < 1_000; index++)
    log.ended(visit({ summary: `GET /${index}`, tunnel: index % 2 ? 'b' : 'app' }))
  const { records, dropped } = await take(pages, 500)
  assert.equal(dropped, 0)
  assert.deepEqual(
    records.map(({ summary }) => summary),
    Array.from({ length: 500 }, (_, index) => `GET /${2 * index}`),
  )
  const last = pages.next()
  end.abort()
  assert.equal((await last).done, true)
  assert.equal(log.watchers, 0)
})

test('records from before the first page of a tail are on disk by then, however many wait', async t => {
  const written: number[] = []
  const refusals = new Refusals(peer => peer)
  const write = async ({ records }: AccessBatch) => {
    await new Promise(resolve => setImmediate(resolve))
    written.push(records?.count ?? 0)
  }
  const log = new AccessLog({ write, hasRecords: true, refusals, log: SILENT })
  t.after(() => log.close())
  for (let index = 0; index < 5_000; index++) log.ended(visit())
  const end = new AbortController()
  const pages = log.watch(() => true, end.signal)
  const first = pages.next()
  log.ended(visit({ summary: 'GET /meanwhile' }))
  assert.deepEqual((await first).value, { records: [], dropped: 0 })
  assert.ok(written.reduce((sum, each) => sum + each) >= 5_000, `${written}`)
  const { records } = await take(pages, 1)
  assert.equal(records[0]?.summary, 'GET /meanwhile')
  end.abort()
  await pages.next()
})

test('who does not keep up is told how many records were dropped, and others are not held up', async t => {
  const { log } = opened(t)
  const { signal } = new AbortController()
  const [slow, quick] = [log.watch(() => true, signal), log.watch(() => true, signal)]
  await Promise.all([slow.next(), quick.next()])
  const count = 10_000
  for (let index = 0; index < count; index += 100) {
    for (let each = 0; each < 100; each++) log.ended(visit({ summary: `GET /${index + each}` }))
    if (index === 100) assert.equal((await take(quick, 200)).dropped, 0)
  }
  const { value } = await slow.next()
  assert.ok(value)
  assert.equal(value.records[0]?.summary, `GET /${value.dropped}`)
  const rest = await take(slow, count - value.dropped - value.records.length)
  assert.equal(rest.dropped, 0)
  assert.equal(rest.records.at(-1)?.summary, `GET /${count - 1}`)
  await Promise.all([slow.return(), quick.return()])
  assert.equal(log.watchers, 0)
})

test('the end of the log ends those who watch', async t => {
  const { log } = opened(t)
  const pages = log.watch(() => true, new AbortController().signal)
  await pages.next()
  const last = pages.next()
  await log.close()
  assert.equal((await last).done, true)
})

test('bytes of what is open are counted while it lasts, and each once; so is how long it is open', t => {
  const { log } = opened(t)
  const clock = new FakeClock()
  const open = new Set<OpenTraffic>()
  const made = Array.from({ length: 5_000 }, () => ({
    tunnel: 'app',
    channel: { bytesSent: 0, bytesReceived: 0, countedSent: 0, countedReceived: 0 },
  }))
  for (const each of made) open.add(each)
  let longest = 0
  function* each() {
    let looked = 0
    const now = clock.now()
    for (const traffic of open) {
      looked = clock.now() === now ? looked + 1 : 0
      longest = Math.max(longest, looked)
      yield traffic
    }
  }
  const counting = new OpenBytes({
    open: each,
    carried: (...carried) => log.carried(...carried),
    wereOpen: (...were) => log.wereOpen(...were),
    clock,
    untilRound: everyMs => untilLook(clock, everyMs),
  })
  t.after(() => counting.end())
  const figures = () => {
    const { bytesIn = 0, bytesOut = 0 } = log.tallies.get('app') ?? {}
    return [bytesIn, bytesOut]
  }
  for (const { channel } of made) Object.assign(channel, { bytesSent: 10, bytesReceived: 20 })
  clock.advance(6_000)
  assert.deepEqual(figures(), [50_000, 100_000])
  assert.ok(longest <= 2_000, `${longest} looked at in one go`)
  clock.advance(20_000)
  assert.deepEqual(figures(), [50_000, 100_000])
  // Rounds at 5, 10, 15, 20 and 25 s.
  assert.equal(log.tallies.get('app')?.openMs, 25_000 * made.length)
  const [first] = made
  assert.ok(first)
  open.delete(first)
  Object.assign(first.channel, { bytesSent: 15, bytesReceived: 25 })
  const { bytesSent, bytesReceived, countedSent, countedReceived } = first.channel
  const bytes = { bytesIn: bytesSent, bytesOut: bytesReceived, countedIn: countedSent, countedOut: countedReceived }
  log.ended(visit(bytes))
  assert.deepEqual(figures(), [50_005, 100_005])
})

test('times to first byte are counted for requests that were answered', t => {
  const { log } = opened(t)
  log.ended(visit({ startedAt: 100, firstByteAt: 104 }))
  log.ended(visit({ startedAt: 100, firstByteAt: 0 }))
  log.ended(visit({ startedAt: 100, firstByteAt: 104, kind: 'websocket' }))
  assert.deepEqual(log.tallies.get('app')?.firstBytes.slice(0, 5), [0, 0, 0, 1, 0])
})

test('refusals are grouped by peer, tunnel and rule, the last first, with what was asked for', t => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 })
  const { log, refusals } = opened(t)
  log.refused(visit({ reason: 'not-allowed', summary: 'GET /one', status: 403 }))
  t.mock.timers.setTime(1_002_000)
  log.refused(visit({ reason: 'not-allowed', summary: 'GET /two', status: 403 }))
  log.refused(visit({ reason: 'unknown-host', tunnel: '', summary: 'GET x.example/' }))
  log.refused(visit({ reason: 'bad-request', tunnel: '' }))
  log.datagramRefused('udp-1', '198.51.100.1')
  refusals.note('198.51.100.2', '', 'token-refused')
  const { groups, unlisted } = refusals.since(0)
  assert.deepEqual(
    groups.map(({ peer, tunnel, rule, count }) => [peer, tunnel, rule, count]),
    [
      ['198.51.100.2', '', 'token-refused', 1],
      ['198.51.100.1', 'udp-1', 'not-allowed', 1],
      ['203.0.113.7', '', 'unknown-host', 1],
      ['203.0.113.7', 'app', 'not-allowed', 2],
    ],
  )
  const last = groups.at(-1)
  assert.deepEqual([last?.firstAt, last?.lastAt, last?.summary, unlisted], [1_000_000, 1_002_000, 'GET /two', 0])
  assert.equal(refusals.since(1_002_001).groups.length, 0)
  // Silent for more than an hour, it begins anew.
  t.mock.timers.setTime(5_000_000)
  log.refused(visit({ reason: 'not-allowed', summary: 'GET /three' }))
  const [again] = refusals.since(0).groups
  assert.deepEqual([again?.count, again?.firstAt, again?.summary], [1, 5_000_000, 'GET /three'])
})

test('who is refused all the time keeps its place before those who come later, and what it asked for last is told', t => {
  t.mock.timers.enable({ apis: ['Date'], now: 0 })
  const { refusals } = opened(t)
  for (let ms = 0; ms < 100_000; ms += 100) {
    t.mock.timers.setTime(ms)
    refusals.note('busy', 'app', 'limited', { summary: `GET /${ms}` })
    for (let each = 0; each < 5; each++) refusals.note(`other-${ms}-${each}`, 'app', 'limited')
  }
  const { groups } = refusals.since(0)
  const busy = groups.find(({ peer }) => peer === 'busy')
  assert.equal(groups.length, 2_000)
  assert.equal(busy?.count, 1_000)
  assert.equal(busy?.summary, 'GET /99000')
})

test('more than twenty refusals within an hour look like guessing, and the same over more time do not', t => {
  t.mock.timers.enable({ apis: ['Date'], now: 0 })
  const { refusals } = opened(t)
  const looks = (peer: string) => refusals.since(0).groups.find(group => group.peer === peer)?.looksLikeGuessing
  for (let count = 0; count < GUESSES_AN_HOUR; count++) refusals.note('a', '', 'token-refused')
  assert.equal(looks('a'), false)
  refusals.note('a', '', 'token-refused')
  assert.equal(looks('a'), true)
  for (let minute = 0; minute < 300; minute += 4) {
    t.mock.timers.setTime(minute * 60_000)
    refusals.note('b', '', 'login-refused')
  }
  assert.equal(looks('b'), false)
})

test('floods from forged addresses, and from one network, leave a bounded number, and those before', t => {
  t.mock.timers.enable({ apis: ['Date'], now: 0 })
  const refusals = new Refusals(peer => peer.split('-')[0] ?? '')
  refusals.note('friend', 'app', 'not-allowed')
  for (let index = 0; index < 100_000; index++) refusals.note(`forged${index}`, 'udp-1', 'not-allowed')
  const { groups, unlisted } = refusals.since(0)
  assert.ok(groups.length <= 50, `${groups.length} groups`)
  assert.equal(groups.length + unlisted, 100_001)
  assert.ok(groups.some(({ peer }) => peer === 'friend'))
  for (let second = 1; second < 200; second++) {
    t.mock.timers.setTime(second * 1_000)
    for (let index = 0; index < 50; index++) refusals.note(`net-${second}-${index}`, 'app', 'limited')
  }
  const after = refusals.since(0).groups
  assert.ok(after.some(({ peer }) => peer === 'friend'))
  assert.equal(after.filter(({ peer }) => peer.startsWith('net-')).length, 32)
  for (let second = 200; second < 400; second++) {
    t.mock.timers.setTime(second * 1_000)
    for (let index = 0; index < 50; index++) refusals.note(`many${second}/${index}`, 'app', 'limited')
  }
  assert.equal(refusals.since(0).groups.length, 2_000)
})
