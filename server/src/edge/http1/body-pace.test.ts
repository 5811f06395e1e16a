import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BodyPace } from './body-pace.ts'

/** Seconds until the body counts as too slow when so many bytes come each second, at most `most`. */
function secondsOf(pace: BodyPace, bytes: number, most = 200): number {
  for (let second = 1; second <= most; second++) {
    pace.came(bytes)
    if (pace.isTooSlow(100)) return second
  }
  return most
}

test('a body that does not come has ten seconds, one that trickles a little more, one at the rate all the time', () => {
  assert.equal(secondsOf(new BodyPace(false), 0), 11)
  assert.equal(secondsOf(new BodyPace(false), 50), 20)
  assert.equal(secondsOf(new BodyPace(false), 100), 200)
  assert.equal(new BodyPace(false).isTooSlow(0), false)
})

test('what came faster is counted for a minute and no longer', () => {
  const pace = new BodyPace(false)
  secondsOf(pace, 100_000, 100)
  assert.equal(secondsOf(pace, 0), 60)
})

test('one that was slow for long and comes fast enough again is so no longer', () => {
  const pace = new BodyPace(false)
  for (let second = 0; second < 1_000; second++) pace.isTooSlow(100)
  assert.equal(pace.isTooSlow(100), true)
  pace.came(100)
  assert.equal(pace.isTooSlow(100), false)
  assert.equal(pace.isTooSlow(100), true)
})

test('waiting for the channel or for the interim answer is not the visitor who is slow', () => {
  const held = new BodyPace(true)
  for (let second = 0; second < 100; second++) assert.equal(held.isTooSlow(100), false)
  held.asked()
  assert.equal(secondsOf(held, 0), 11)
  const paused = new BodyPace(false)
  paused.isPaused = true
  for (let second = 0; second < 100; second++) assert.equal(paused.isTooSlow(100), false)
})
