// Waits between tries, with a known random.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backoff, MAX_DELAY_MS, MAX_SOON_DELAY_MS } from './backoff.ts'

function waits(backoff: Backoff, count: number): number[] {
  return Array.from({ length: count }, () => backoff.next(MAX_DELAY_MS))
}

test('the first try is at once, then the wait doubles from 0.5 s to 30 s', () => {
  const backoff = new Backoff(() => 0.5)
  assert.deepEqual(waits(backoff, 10), [0, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
})

test('waits are spread by a fifth either way', () => {
  assert.deepEqual(waits(new Backoff(() => 0), 3), [0, 400, 800])
  assert.deepEqual(waits(new Backoff(() => 1), 3), [0, 600, 1200])
})

test('while a session can be resumed no wait is longer than two seconds', () => {
  const backoff = new Backoff(() => 0.5)
  waits(backoff, 10)
  assert.equal(backoff.next(MAX_SOON_DELAY_MS), 1_500)
})

test('after a stable link the next try is at once again', () => {
  const backoff = new Backoff(() => 0.5)
  waits(backoff, 5)
  backoff.reset()
  assert.deepEqual(waits(backoff, 2), [0, 500])
})

test('a thousand failures later the wait is still half a minute', () => {
  const backoff = new Backoff(() => 0.5)
  assert.equal(waits(backoff, 2000).at(-1), 30_000)
})
