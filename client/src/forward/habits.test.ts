// What is concluded from how a target keeps its connections: a clock by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Habits, IDLE_MS } from './habits.ts'

test('nothing is lent until a connection has stayed open for a while, then half of the longest it did', () => {
  const habits = new Habits()
  assert.deepEqual([habits.probationMs, habits.lendableMs(0, undefined)], [100, 0])
  habits.kept(99)
  assert.equal(habits.lendableMs(0, undefined), 0)
  habits.kept(100)
  assert.deepEqual([habits.probationMs, habits.lendableMs(0, undefined)], [0, 50])
  habits.kept(3_000)
  habits.kept(10)
  assert.equal(habits.lendableMs(0, undefined), 1_500)
  habits.kept(60_000)
  assert.equal(habits.lendableMs(0, undefined), IDLE_MS)
})

test('what a target announces is believed at once, and never more than that', () => {
  const habits = new Habits()
  assert.equal(habits.lendableMs(0, 1_000), 500)
  habits.kept(5_000)
  assert.deepEqual([habits.lendableMs(0, 1_000), habits.lendableMs(0, 60_000)], [500, IDLE_MS])
})

test('a target that closes after some time is lent half of that, until it has not done so for a minute', () => {
  const habits = new Habits()
  habits.kept(5_000)
  habits.closed(3_000, 1, 0)
  habits.closed(1_200, 1, 0)
  habits.closed(2_000, 1, 30_000)
  assert.deepEqual([habits.lendableMs(89_000, undefined), habits.lendableMs(89_000, 5_000)], [600, 600])
  assert.equal(habits.usesAt(89_000), Number.POSITIVE_INFINITY)
  assert.equal(habits.lendableMs(90_000, undefined), IDLE_MS)
})

test('one that closes early is not believed until a connection has lasted a second, and has fewer uses for a minute', () => {
  const habits = new Habits()
  habits.kept(5_000)
  habits.closed(20, 5, 0)
  assert.deepEqual([habits.probationMs, habits.lendableMs(1, undefined), habits.lendableMs(1, 5_000)], [1_000, 0, 0])
  assert.equal(habits.usesAt(1), 4)
  habits.kept(900)
  assert.deepEqual([habits.lendableMs(1, undefined), habits.lendableMs(1, 5_000)], [0, 0])
  habits.kept(1_000)
  assert.deepEqual([habits.lendableMs(1, undefined), habits.lendableMs(1, 5_000)], [500, 2_500])
  habits.closed(20, 1, 10)
  assert.equal(habits.usesAt(60_009), 0)
  assert.equal(habits.usesAt(60_010), Number.POSITIVE_INFINITY)
})

test('nothing is ever lent beyond half of what the target was seen to close after within the last minute', () => {
  const step = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 9_000 }), fc.option(fc.integer({ min: 0, max: 9_000 })))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), steps => {
      const habits = new Habits()
      let shortest = Number.POSITIVE_INFINITY
      for (const [isClosed, ms, announced] of steps) {
        if (isClosed) {
          habits.closed(ms, 1, 0)
          if (ms >= 1_000) shortest = Math.min(shortest, ms)
        } else habits.kept(ms)
        for (const lendable of [habits.lendableMs(0, announced ?? undefined), habits.lendableToOwnerMs(0, undefined)]) {
          assert.ok(lendable >= 0 && lendable <= Math.min(IDLE_MS, shortest / 2))
        }
      }
    }),
  )
})
