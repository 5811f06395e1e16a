// Waits between tries, with a known random.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backoff, MAX_DELAY_MS, MAX_RESUMABLE_DELAY_MS } from './backoff.ts'

function waits(backoff: Backoff, count: number): number[] {
  return Array.from({ length: count }, () => backoff.next(MAX_DELAY_MS))
}

test('the first try is at once, then the wait grows from 0.5 s to 30 s with the time that has passed', () => {
  const all = waits(new Backoff(() => 0.5), 40)
  assert.deepEqual(all.slice(0, 7), [0, 500, 500, 500, 500, 500, 625])
  let waitedMs = 0
  for (const [index, delayMs] of all.entries()) {
    assert.ok(index === 0 || delayMs >= 500, `${delayMs}`)
    assert.ok(
      delayMs >= (all[index - 1] ?? 0) && delayMs <= Math.max(500, waitedMs / 4 + 1),
      `${delayMs} after ${waitedMs}`,
    )
    waitedMs += delayMs
  }
  assert.deepEqual(all.slice(-5), Array(5).fill(30_000))
})

test('waits are spread by a fifth either way', () => {
  assert.deepEqual(waits(new Backoff(() => 0), 7), [0, 400, 400, 400, 400, 400, 500])
  assert.deepEqual(waits(new Backoff(() => 1), 7), [0, 600, 600, 600, 600, 600, 750])
})

test('while a session can be resumed no wait is longer than two seconds', () => {
  const backoff = new Backoff(() => 0.5)
  waits(backoff, 40)
  assert.equal(backoff.next(MAX_RESUMABLE_DELAY_MS), 1_500)
})

test('after a stable link the next try is at once again', () => {
  const backoff = new Backoff(() => 0.5)
  waits(backoff, 20)
  backoff.reset()
  assert.deepEqual(waits(backoff, 3), [0, 500, 500])
})

test('a thousand failures later the wait is still half a minute', () => {
  const backoff = new Backoff(() => 0.5)
  assert.equal(waits(backoff, 2000).at(-1), 30_000)
})
