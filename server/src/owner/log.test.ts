// The owner's verbs for the access log and the figures, on a real database in its threads.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { AccessLog } from '../observe/access-log.ts'
import type { AccessRecord, VisitEnd } from '../observe/access-record.ts'
import type { Log } from '../observe/log.ts'
import { Refusals } from '../observe/refusals.ts'
import { LogStore } from '../store/log-store.ts'
import type { KeptAddress } from './addresses.ts'
import { type ListQuery, LogVerbs } from './log.ts'
import { MetricsVerbs } from './metrics.ts'

const NOTHING = () => {}
const SILENT: Log = { error: NOTHING, warn: NOTHING, info: NOTHING, debug: NOTHING, child: () => SILENT }
const LIMITS = { days: 14, bytes: 500_000_000 }
const HOUR_MS = 3_600_000

function kept(parts: Partial<KeptAddress>): KeptAddress {
  return {
    ...{
      address: 'app',
      tunnel: 'app',
      target: '',
      isExpected: true,
      access: 'listed',
      entries: [],
      clientBlocks: [],
      isMapped: false,
    },
    ...{ note: '', createdAt: new Date(), lastUsedAt: undefined, ...parts },
  }
}

function listed(...blocks: string[]): KeptAddress['entries'] {
  return blocks.map(block => ({ block, note: '', endsAt: undefined }))
}

function opened(t: TestContext, addresses: readonly KeptAddress[] = []) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-owner-'))
  const open = () => new LogStore({ dataDir, limits: LIMITS })
  let store = open()
  const refusals = new Refusals(peer => peer)
  const access = new AccessLog({ write: batch => store.write(batch), hasRecords: true, refusals, log: SILENT })
  t.after(async () => {
    await access.close()
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
  const verbs = () =>
    new LogVerbs({ records: store, live: { records: access, refusals }, addresses: async () => addresses })
  const reopen = async () => {
    await store.close()
    store = open()
  }
  /** Resolves when all is written. */
  const written = () => access.close()
  return { access, refusals, verbs, metrics: () => new MetricsVerbs(store), reopen, written }
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

test('records are listed page by page, with tokens that outlive the threads and hold for their search only', async t => {
  const { access, verbs, reopen, written } = opened(t)
  for (let index = 0; index < 250; index++)
    access.ended(visit({ summary: `GET /${index}`, status: index % 2 ? 404 : 200 }))
  await written()
  const summaries: string[] = []
  const query: ListQuery = { filter: { statuses: [404] }, pageSize: 50 }
  let token = ''
  for (;;) {
    const page = await verbs().list({ ...query, token })
    summaries.push(...page.records.map(({ summary }) => summary))
    token = page.next
    if (token === '') break
    await assert.rejects(verbs().list({ ...query, filter: {}, token }), { code: 'usage', cure: /to start again/ })
    await reopen()
  }
  assert.deepEqual(
    summaries,
    Array.from({ length: 125 }, (_, index) => `GET /${249 - 2 * index}`),
  )
  assert.equal((await verbs().list({})).records.length, 100, 'a page of the usual size')
  for (const pageSize of [0, 1_001, 1.5]) await assert.rejects(verbs().list({ pageSize }), { code: 'usage' })
  await assert.rejects(verbs().list({ filter: { peer: 'x' } }), { code: 'usage', message: /"peer"/ })
  const later = await verbs().list({ from: new Date(Date.now() + HOUR_MS) })
  assert.deepEqual([later.records.length, later.next], [0, ''])
})

test('more questions than can wait are refused, and the others answered', async t => {
  const { verbs } = opened(t)
  const asked = await Promise.allSettled(Array.from({ length: 200 }, () => verbs().list({})))
  const refused = asked.filter(({ status }) => status === 'rejected')
  assert.ok(refused.length > 0 && refused.length < 200, `${refused.length} refused`)
  for (const each of refused) assert.equal((each as PromiseRejectedResult).reason.code, 'limited')
  assert.equal((await verbs().list({})).records.length, 0)
})

test('questions that nobody waits for any more are not put to the database', async t => {
  const { verbs, metrics } = opened(t)
  const gone = new AbortController()
  const asked = [
    ...Array.from({ length: 10 }, () => verbs().list({}, gone.signal)),
    metrics().totals({}, gone.signal),
    metrics().series({}, undefined, gone.signal),
  ]
  const stays = verbs().list({})
  const reason = new Error('nobody waits')
  gone.abort(reason)
  for (const each of await Promise.allSettled(asked)) assert.deepEqual(each, { status: 'rejected', reason })
  assert.equal((await stays).records.length, 0)
})

test('questions that wait when the log is closed are refused', async t => {
  const { verbs, reopen } = opened(t)
  const asked = Array.from({ length: 3 }, () => verbs().list({}))
  const answers = Promise.allSettled(asked)
  await reopen()
  for (const each of await answers) assert.equal(each.status === 'rejected' && each.reason.code, 'not-running')
})

test('those who are turned away are told with the list that does, and the nearest entry of it', async t => {
  const { access, verbs } = opened(t, [
    kept({ address: 'app', entries: listed('203.0.113.0/24') }),
    kept({ address: 'app.mine.uk', entries: listed('10.0.0.0/8', '203.0.113.128/25') }),
    kept({ address: 'tcp:20022', tunnel: 'tcp-20022', access: 'client', clientBlocks: ['198.51.100.1'] }),
  ])
  access.refused(visit({ reason: 'not-allowed', status: 403 }))
  access.refused(visit({ reason: 'not-allowed', kind: 'tcp', tunnel: 'tcp-20022', visitor: '198.51.100.2' }))
  access.refused(visit({ reason: 'unknown-host', tunnel: '', summary: 'GET x.example/' }))
  const { refusals, more } = await verbs().refusals()
  assert.deepEqual(
    refusals.map(({ rule, address, nearestEntry }) => [rule, address, nearestEntry]),
    [
      ['unknown-host', '', ''],
      ['not-allowed', 'tcp:20022', '198.51.100.1'],
      ['not-allowed', 'app.mine.uk', '203.0.113.128/25'],
    ],
  )
  assert.equal(more, 0)
  assert.equal((await verbs().refusals(new Date(Date.now() + HOUR_MS))).refusals.length, 0)
})

test('a tail is bounded in number, and needs a running server', async t => {
  const { access, verbs } = opened(t)
  const end = new AbortController()
  const pages = Array.from({ length: 20 }, () => verbs().tail({ tunnel: 'app' }, end.signal)[Symbol.asyncIterator]())
  await Promise.all(pages.map(each => each.next()))
  assert.throws(() => verbs().tail({}, end.signal), { code: 'limited' })
  access.ended(visit({ tunnel: 'b' }))
  access.ended(visit({ summary: 'GET /seen' }))
  const [page] = pages
  assert.deepEqual(await page?.next().then(({ value }) => value?.records.map((each: AccessRecord) => each.summary)), [
    'GET /seen',
  ])
  end.abort()
  await Promise.all(pages.map(each => each.next()))
  const offline = new LogVerbs({
    records: { search: () => Promise.reject() },
    live: undefined,
    addresses: async () => [],
  })
  assert.throws(() => offline.tail({}, end.signal), { code: 'not-running', cure: /start/ })
  await assert.rejects(offline.refusals(), { code: 'not-running' })
})

test('totals are those of the time and of the one before, by tunnel with most bytes first, with times to first byte', async t => {
  const { access, metrics, written } = opened(t)
  for (let index = 0; index < 40; index++) access.ended(visit({ startedAt: 100, firstByteAt: 104, bytesOut: 10 }))
  access.ended(visit({ tunnel: 'b', bytesOut: 10_000, status: 500, startedAt: 100, firstByteAt: 400 }))
  access.refused(visit({ tunnel: '', reason: 'unknown-host', status: 404 }))
  await written()
  const { totals, before, byTunnel } = await metrics().totals({})
  assert.deepEqual([totals.requests, totals.bytesOut, totals.status5xx, totals.refused], [41, 10_400, 1, 1])
  assert.ok((totals.firstByteP50Ms ?? 0) > 3 && (totals.firstByteP95Ms ?? 0) <= 5, JSON.stringify(totals))
  assert.deepEqual([before.requests, before.firstByteP50Ms], [0, undefined])
  assert.deepEqual(
    byTunnel.map(({ tunnel, figures }) => [tunnel, figures.requests]),
    [
      ['b', 1],
      ['app', 40],
      ['', 0],
    ],
  )
  const together = await metrics().totals({ omitByTunnel: true })
  const { requests, bytesOut, firstByteP95Ms } = together.totals
  assert.deepEqual([requests, bytesOut, firstByteP95Ms], [41, 10_400, totals.firstByteP95Ms])
  assert.deepEqual(
    [together.byTunnel, (await metrics().totals({ tunnel: 'b', omitByTunnel: true })).byTunnel],
    [[], []],
  )
  const later = await metrics().totals({ tunnel: 'b', from: new Date(), to: new Date(Date.now() + 10 * 60_000) })
  assert.deepEqual(
    later.byTunnel.map(({ tunnel }) => tunnel),
    ['b'],
  )
  await assert.rejects(metrics().totals({ from: new Date(), to: new Date(0) }), { code: 'usage' })
  await assert.rejects(metrics().totals({ from: new Date(0) }), { code: 'usage', message: /13 months/ })
})

test('totals are answered before questions that came after them', async t => {
  const { metrics } = opened(t)
  const answered: string[] = []
  await Promise.all([
    metrics()
      .totals({ omitByTunnel: true })
      .then(() => answered.push('together')),
    metrics()
      .totals({})
      .then(() => answered.push('by tunnel')),
    metrics()
      .series({})
      .then(() => answered.push('series')),
  ])
  assert.deepEqual(answered, ['together', 'by tunnel', 'series'])
})

test('how many were open is told on average, of the time that has passed', async t => {
  const { access, metrics, written } = opened(t)
  access.wereOpen('app', 3 * 30 * 60_000)
  await written()
  const now = Date.now()
  const open = async (from: number, to: number) => {
    const { totals } = await metrics().totals({ tunnel: 'app', from: new Date(from), to: new Date(to) })
    return totals.openOnAverage
  }
  // Three of them for half an hour; what is to come does not count.
  for (const end of [now, now + 24 * HOUR_MS]) {
    const hour = await open(now - HOUR_MS, end)
    assert.ok(hour !== undefined && hour > 1.4 && hour < 1.6, String(hour))
  }
  assert.equal(await open(now + HOUR_MS, now + 2 * HOUR_MS), undefined)
})

test('a series has at most as many points as asked for, of the shortest step, and all that happened', async t => {
  const { access, metrics, written } = opened(t)
  access.ended(visit({ bytesOut: 7 }))
  await written()
  const to = new Date()
  const steps: number[] = []
  for (const hours of [1, 3, 10, 48, 100, 24 * 30, 24 * 90, 24 * 390]) {
    const from = new Date(to.getTime() - hours * HOUR_MS)
    const { stepMinutes, points } = await metrics().series({ from, to })
    steps.push(stepMinutes)
    assert.ok((hours * 60) / stepMinutes < 200)
    assert.equal(points.length, 1)
    assert.equal((points[0]?.at.getTime() ?? 0) % (stepMinutes * 60_000), 0)
    assert.equal(points[0]?.figures.bytesOut, 7)
  }
  assert.deepEqual(steps, [1, 1, 5, 15, 60, 360, 720, 2_880])
  for (const maxPoints of [1, 2, 3, 7, 50]) {
    const { stepMinutes, points } = await metrics().series(
      { from: new Date(to.getTime() - 390 * 24 * HOUR_MS), to },
      maxPoints,
    )
    const count = (at: number) => Math.floor(at / stepMinutes / 60_000)
    assert.ok(
      count(to.getTime() - 1) - count(to.getTime() - 390 * 24 * HOUR_MS) < maxPoints,
      `${maxPoints}: ${stepMinutes}`,
    )
    assert.equal(points.length, 1)
  }
  await assert.rejects(metrics().series({}, 201), { code: 'usage' })
})
