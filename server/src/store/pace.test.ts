// How much of the time a thread works that searches behind others.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { ownClocks, Pace } from './pace.ts'

/** A thread on a clock of its own; the rest of the server uses `restCores` all the time. */
function thread(restCores: number) {
  const has = { restCores, now: 0, used: 0, usedByRest: 0, slept: 0 }
  const passes = (ms: number) => {
    has.now += ms
    has.usedByRest += ms * has.restCores
  }
  const pace = new Pace({
    now: () => has.now,
    used: () => has.used,
    usedByRest: () => has.usedByRest,
    sleep: ms => {
      passes(ms)
      has.slept += ms
    },
  })
  /** Does so much in pieces of a millisecond, for each of which it waits as long for a processor; returns how long it rested. */
  const work = (ms: number, waitMs = 0, mostMs = Number.POSITIVE_INFINITY) => {
    has.slept = 0
    for (let done = 0; done < ms; done++) {
      pace.rest(mostMs)
      passes(1 + waitMs)
      has.used++
    }
    return has.slept
  }
  return { has, work, passes }
}

function assertNear(actual: number, expected: number) {
  assert.ok(Math.abs(actual - expected) < expected / 20, `${actual} instead of ${expected}`)
}

test('a tenth of a second is worked at once, then half of the time, and after a while of nothing a tenth of a second again', () => {
  const { work, passes } = thread(0)
  assert.equal(work(100), 0)
  assertNear(work(10_000), 10_000)
  passes(10_000)
  assert.equal(work(100), 0)
})

test('beside a busy server 2 in 100 of the time are worked, however long it takes, and less than half beside one that is less busy', () => {
  const { has, work, passes } = thread(0.57)
  assert.equal(work(100), 0)
  // How busy it is is known soon.
  work(500)
  const began = has.now
  work(1_000)
  assertNear(1_000 / (has.now - began), 0.02)
  has.restCores = 0.075
  passes(10_000)
  work(100)
  assertNear(work(10_000), 30_000)
})

test('a server that gets no processor for a moment now and then is a busy one', () => {
  const { has, work } = thread(0.3)
  work(100)
  const began = has.now
  for (let done = 0; done < 1_000; done += 2) {
    has.restCores = has.restCores === 0 ? 0.6 : 0
    work(2)
  }
  const share = 1_000 / (has.now - began)
  assert.ok(share < 0.025, `${share} of the time`)
})

test('traffic that begins or ends during a rest is noticed in that rest', () => {
  const { has, work } = thread(0)
  work(1_100)
  has.restCores = 1
  assertNear(work(3_000), 3_000 * (0.98 / 0.02))
  has.restCores = 0
  assertNear(work(100_000), 100_000)
})

test('to wait for a processor is no work, and a rest is not longer than allowed and made up for later', () => {
  const { work } = thread(0)
  assert.equal(work(5_000, 9), 0)
  const other = thread(1)
  other.work(200, 0, 5)
  assert.ok(other.has.slept <= 200 * 5, `${other.has.slept} ms`)
  const owed = other.work(1)
  assert.ok(owed > 1_000, `${owed} ms`)
})

test('what a thread uses itself is told apart from what the rest of the process uses, by the system', async () => {
  const { used, usedByRest } = ownClocks()
  const spin = '{ const { threadCpuUsage } = process; while (threadCpuUsage().user < 100_000); }'
  const before = { own: used(), rest: usedByRest() }
  await once(new Worker(spin, { eval: true }), 'exit')
  const between = { own: used(), rest: usedByRest() }
  assert.ok(between.rest - before.rest > 90, `${between.rest - before.rest} ms`)
  while (used() < between.own + 200);
  const byRest = usedByRest() - between.rest
  // What compiles and cleans up belongs to it.
  assert.ok(byRest < 100, `${byRest} ms`)
})
