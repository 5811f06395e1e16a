// The scheduler: when it orders, when it waits, and what it does when CA, database, clock or owner do what they like.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { DAY, issued, MINUTE, type Place, place, refused, unusable } from './testing/orders-place.ts'
import type { IssueFailure } from './types.ts'

const NAME = 'app.mine.test'

const never = () => new Promise<never>(() => {})

async function started(it: Place, ...names: string[]) {
  for (const name of names) await it.add(name)
  const orders = it.scheduler()
  orders.start()
  await it.quiet()
  return orders
}

test('I3: after refusals it is tried again in 1, 10 and 100 minutes, then daily for ever, also over restarts', async t => {
  const it = await place(t)
  it.issue = () => refused()
  let orders = await started(it, NAME)
  for (let tries = 1; tries <= 14; tries++) {
    assert.equal(it.asked.length, tries)
    const { nextAt, state, failures } = await it.domain(NAME)
    const waitMs = (nextAt?.getTime() ?? 0) - (it.asked.at(-1)?.at ?? 0)
    const own = [1, 10, 100][tries - 1] ?? 24 * 60
    assert.ok(waitMs >= own * MINUTE && waitMs <= 1.1 * own * MINUTE + 1, `try ${tries}: ${waitMs / MINUTE} minutes`)
    assert.deepEqual([state, failures], ['error', tries])
    await it.pass(waitMs - 1_000)
    if (tries % 4 === 2) orders = await it.restart(orders)
    assert.equal(it.asked.length, tries, 'not before its time')
    if (tries === 14) it.issue = request => issued(request, request.at + 90 * DAY)
    await it.passTo(nextAt?.getTime() ?? 0)
  }
  const { state, problem, failures, nextAt } = await it.domain(NAME)
  assert.deepEqual([state, problem, failures, nextAt], ['issued', undefined, 0, undefined])
  // How each order ended is told: who heard that it began waits for that.
  const failed = Array.from({ length: 14 }, () => [`ordered ${NAME}`, `failed ${NAME}`])
  assert.deepEqual(it.told, [`verified ${NAME}`, ...failed.flat(), `ordered ${NAME}`, `issued ${NAME}`])
})

test('I4: when the CA wants to be left alone, no name is ordered before, also not one that waited for its turn', async t => {
  const it = await place(t)
  const gate = Promise.withResolvers<IssueFailure>()
  it.issue = async () => await gate.promise
  let orders = await started(it, 'a.test', 'b.test', 'c.test')
  assert.equal(it.asked.length, 2, 'two at once')
  const busy = { code: 'unreachable', type: '', message: 'the CA answered 503', stage: 'newOrder' } as const
  gate.resolve(refused({ ...busy, retryAfterMs: 2 * 60 * MINUTE }))
  await it.quiet()
  await it.add('d.test')
  orders.look()
  await it.pass(100 * MINUTE)
  orders = await it.restart(orders)
  assert.equal(it.asked.length, 2)
  it.issue = ({ names: [name = ''] }) => {
    const all = `too many certificates (5) already issued for this exact set of identifiers: ${name}`
    return refused({ type: 'rateLimited', message: all, stage: 'newOrder', retryAfterMs: 34 * 60 * MINUTE })
  }
  await it.pass(50 * MINUTE)
  assert.equal(it.asked.length, 6, 'a limit of one name holds that name alone')
  await it.pass(33 * 60 * MINUTE)
  assert.equal(it.asked.length, 6)
  await it.pass(5 * 60 * MINUTE)
  assert.equal(it.asked.length, 10)
})

test('I4: row 17: five certificates for exactly the same names in seven days, whatever became of them', async t => {
  const it = await place(t)
  it.issue = ({ names, at, onStage }) => {
    onStage?.('finalize')
    return it.asked.length % 2 === 1 ? unusable(names, at + 90 * DAY) : refused({ code: 'timeout', stage: 'finalize' })
  }
  let orders = await started(it, NAME)
  for (let hour = 0; hour < 6 * 24; hour += 6) {
    await it.pass(6 * 60 * MINUTE)
    // Neither the owner's wish nor a restart brings more.
    await it.store.domains.changeDomain(NAME, { nextAt: null, failures: 0 })
    if (hour % 48 === 0) orders = await it.restart(orders)
  }
  orders.look()
  await it.quiet()
  assert.equal(it.asked.length, 5)
  const { problem, nextAt, state } = await it.domain(NAME)
  assert.match(problem?.message ?? '', /5 certificates for exactly these names .*the next try is/)
  assert.match(problem?.cure ?? '', /if the data directory was lost, restore a backup instead of starting anew/)
  assert.equal(state, 'error')
  it.issue = request => issued(request, request.at + 90 * DAY)
  await it.passTo(nextAt?.getTime() ?? 0)
  assert.equal(it.asked.length, 6)
  assert.ok((it.asked[5]?.at ?? 0) - (it.asked[0]?.at ?? 0) >= 7 * DAY)

  // It is removed and added again: what is there is used.
  await it.store.domains.removeDomain(NAME)
  await it.add(NAME)
  orders.look()
  await it.quiet()
  assert.deepEqual([it.asked.length, (await it.domain(NAME)).state], [6, 'issued'])
  // Its key is lost: it serves nobody, and another one comes, as soon as the limit allows.
  for (const { keyFile } of await it.store.domains.certificates()) it.keys.remove(keyFile)
  orders.look()
  await it.quiet()
  assert.deepEqual([it.asked.length, (await it.domain(NAME)).problem?.type], [6, 'limits'])
  await it.pass(DAY)
  assert.equal(it.asked.length, 7)
})

test('I4: one order for a set of names at a time, ten of all in ten seconds, by one process', async t => {
  const it = await place(t)
  it.issue = never
  await it.add('x.test', ['y.test'])
  await it.add('y.test', ['x.test'])
  const first = await started(it)
  assert.equal(it.asked.length, 1)
  const second = it.scheduler('another process')
  second.start()
  await it.pass(20_000)
  assert.equal(it.asked.length, 1)
  await it.store.domains.removeDomain('x.test')
  await it.store.domains.removeDomain('y.test')
  first.look()
  await it.quiet()
  await it.pass(20_000)

  it.issue = () => refused()
  await it.add('n0.test')
  await first.stop()
  await it.pass(6_000)
  // One is alone, so that two at once are the tenth and the eleventh.
  for (let at = 1; at < 25; at++) await it.add(`n${at}.test`)
  second.look()
  await it.quiet()
  for (let second = 0; second < 40; second++) await it.pass(1_000)
  const times = it.asked.slice(1).map(({ at }) => at)
  assert.equal(times.length, 25, 'the other process has taken over')
  for (const [index, at] of times.entries()) {
    const tenth = times[index + 10]
    assert.ok(tenth === undefined || tenth - at >= 10_000, `${index}`)
  }
})

test('I4: row 18: a name that the CA has paused: the link is shown, and nothing is ordered before the owner says so', async t => {
  const it = await place(t)
  const link = 'https://unpause.test/x'
  it.issue = () => refused({ type: 'rateLimited', message: 'paused', stage: 'newOrder', pausedLink: link })
  const orders = await started(it, NAME)
  const { problem, isGivenUp } = await it.domain(NAME)
  assert.deepEqual([problem?.link, isGivenUp], [link, true])
  assert.match(problem?.message ?? '', /^the CA has paused .* after many failures/)
  assert.match(problem?.cure ?? '', /^open the link once, then try again/)
  for (let days = 0; days < 30; days += 3) await it.pass(3 * DAY)
  assert.equal(it.asked.length, 1)
  await it.store.domains.changeDomain(NAME, { nextAt: null, isGivenUp: false, failures: 0 })
  orders.look()
  await it.quiet()
  assert.equal(it.asked.length, 2)
})

test('I1: a renewal by life alone: when a third is left, half below ten days', async t => {
  const it = await place(t)
  const end = { 'long.test': 90 * DAY, 'short.test': 6 * DAY } as Record<string, number>
  it.issue = request => issued(request, request.at + (end[request.names[0] ?? ''] ?? 0))
  await started(it, 'long.test', 'short.test')
  for (const { names, notBefore, notAfter, renewsAt } of await it.store.domains.certificates()) {
    const life = notAfter.getTime() - notBefore.getTime()
    const left = (notAfter.getTime() - renewsAt.getTime()) / life
    const part = names[0] === 'long.test' ? 1 / 3 : 1 / 2
    assert.ok(left >= part - 0.001 && left <= part + 0.021, `${names}: ${left}`)
  }
  const [short] = (await it.store.domains.certificates()).filter(({ names }) => names[0] === 'short.test')
  const at = short?.renewsAt.getTime() ?? 0
  await it.pass(at - it.now() - 2_000)
  assert.equal(it.asked.length, 2)
  await it.passTo(at)
  assert.deepEqual(it.asked.map(({ names }) => names[0]).slice(2), ['short.test'])
  assert.ok(it.told.includes('renewed short.test'))
})

test('certificates of minutes that end before another comes: the limit for the same names cannot be meant', async t => {
  const it = await place(t)
  it.skewMs = -40 * MINUTE // so that they end for the database too
  it.issue = request => issued(request, request.at + MINUTE)
  const orders = await started(it, NAME)
  for (let count = 1; count <= 8; count++) {
    assert.equal(it.asked.length, count)
    const [newest] = await it.store.domains.certificates()
    assert.ok(newest !== undefined && newest.notAfter.getTime() < Date.now())
    await it.store.domains.setRenewal(newest.id, { ...newest, renewsAt: new Date(it.now() + 2 * MINUTE) })
    orders.look()
    await it.quiet()
    await it.passTo(it.now() + 2 * MINUTE)
  }
})

test('I1: the CA is asked twice a day when to renew, and told what is replaced, once', async t => {
  const it = await place(t)
  const far = { start: it.now() + 50 * DAY, end: it.now() + 60 * DAY }
  let window = far
  it.ari = () => ({ ...window, explanationUrl: '', retryAfterMs: undefined })
  await started(it, NAME)
  for (let half = 0; half < 8; half++) await it.pass(DAY / 2)
  assert.ok(it.ariAsked.length >= 8 && it.ariAsked.length <= 10, `${it.ariAsked.length} times in four days`)
  const [kept] = await it.store.domains.certificates()
  assert.ok((kept?.renewsAt.getTime() ?? 0) >= far.start && (kept?.renewsAt.getTime() ?? 0) <= far.end)

  // It is to be replaced now. What comes cannot be used: for the CA it has been replaced all the same.
  window = { start: it.now() - DAY, end: it.now() - DAY + 1_000 }
  it.issue = ({ names, at, onStage }) => {
    onStage?.('finalize')
    return unusable(names, at + 90 * DAY)
  }
  await it.pass(DAY / 2)
  await it.pass(61 * MINUTE)
  assert.equal(it.asked.length, 2)
  assert.notEqual(it.asked[1]?.replaces ?? '', '')
  assert.equal(it.asked[0]?.replaces, undefined)
  it.issue = request => issued(request, request.at + 90 * DAY)
  window = { start: it.now() + 60 * DAY, end: it.now() + 61 * DAY }
  await it.pass(2 * MINUTE)
  assert.deepEqual([it.asked.length, it.asked[2]?.replaces], [3, undefined])
  await it.pass(DAY)
  assert.equal(it.asked.length, 3)
  assert.equal((await it.domain(NAME)).state, 'issued')
})

test('I3: an issuer that throws, does not end or does not stop holds up no other name', async t => {
  const it = await place(t)
  it.issue = async request => {
    if (request.names[0] === 'throws.test') throw new Error('a fault of ours')
    if (request.names[0] === 'hangs.test') return await never()
    return issued(request, request.at + 90 * DAY)
  }
  const orders = await started(it, 'good.test', 'hangs.test', 'throws.test')
  assert.equal((await it.domain('good.test')).state, 'issued')
  const { state, problem, failures } = await it.domain('throws.test')
  assert.deepEqual([state, problem?.message, failures], ['error', 'a fault of ours', 1])
  assert.equal((await it.domain('hangs.test')).state, 'issuing')
  await it.pass(11 * MINUTE)
  assert.match((await it.domain('hangs.test')).problem?.message ?? '', /nothing was decided in time/)
  await it.pass(11 * MINUTE)
  const hung = it.asked.filter(({ names }) => names[0] === 'hangs.test')
  assert.deepEqual([hung.length, hung[0]?.signal.aborted, hung[1]?.signal.aborted], [2, true, false])
  let isStopped = false
  const stopped = orders.stop().then(() => {
    isStopped = true
  })
  await it.pass(5_000)
  assert.equal(isStopped, false)
  await it.pass(6_000)
  await stopped
  assert.equal(hung[1]?.signal.aborted, true)
})

test('a domain that is removed during its order ends it, and nobody is told of it any more', async t => {
  const it = await place(t)
  it.issue = async ({ signal }) => {
    await new Promise(resolve => signal.addEventListener('abort', resolve))
    return refused({ code: 'stopped', message: 'stopped', stage: 'challenge' })
  }
  const orders = await started(it, NAME)
  await it.store.domains.removeDomain(NAME)
  orders.look()
  await it.quiet()
  assert.equal(it.asked[0]?.signal.aborted, true)
  assert.deepEqual(it.told, [`verified ${NAME}`, `ordered ${NAME}`])
  assert.equal(readdirSync(join(it.dataDir, 'acme', 'keys')).length, 1, 'the key of the account')
  it.issue = request => issued(request, request.at + 90 * DAY)
  await it.add(NAME)
  orders.look()
  await it.quiet()
  assert.equal((await it.domain(NAME)).state, 'issued')
})

test('a write that fails stops nothing for longer than its time', async t => {
  const it = await place(t)
  const methods = ['domains', 'certificates', 'account', 'lease', 'prune', 'clearChallenges', 'ordersOf', 'ordersSince']
  const writes = ['changeDomain', 'addOrder', 'setAccount', 'issued', 'setRenewal', 'changeAccount', 'keyFiles']
  it.ari = () => ({ start: it.now() + DAY, end: it.now() + 2 * DAY, explanationUrl: '', retryAfterMs: undefined })
  const orders = await started(it)
  for (const [index, method] of [...methods, ...writes].entries()) {
    const name = `n${index}.test`
    it.breaks = method
    await it.add(name)
    orders.look()
    await it.quiet()
    await it.pass(11_000)
    await it.pass(61_000)
    await it.pass(61_000)
    assert.equal((await it.domain(name)).state, 'issued', method)
  }
})

test('a clock that is set back: what was put off for years is tried now', async t => {
  const it = await place(t)
  it.skewMs = 4_000 * DAY
  it.issue = () => refused()
  const orders = await started(it, NAME)
  assert.equal(it.asked.length, 1)
  it.skewMs = 0
  it.issue = request => issued(request, request.at + 90 * DAY)
  orders.look()
  await it.quiet()
  assert.equal((await it.domain(NAME)).state, 'issued')
})
