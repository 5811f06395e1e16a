// Which signals count.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stopCounter } from './stop-signals.ts'

/** What a program does for signals at these times: `s` stops, `!` stops at once. */
function done(...signals: readonly (readonly [at: number, signal: string])[]): string {
  let [now, said] = [0, '']
  const stop = () => {
    said += 's'
  }
  const stopAtOnce = () => {
    said += '!'
  }
  const count = stopCounter({ stop, stopAtOnce, signals: [], environment: {}, now: () => now })
  for (const [at, signal] of signals) {
    now = at
    count(signal)
  }
  return said
}

test('H44: the same signal within a second is one, later it is a second one', () => {
  assert.equal(done([0, 'SIGTERM'], [0, 'SIGTERM'], [1, 'SIGTERM'], [999, 'SIGTERM']), 's')
  assert.equal(done([0, 'SIGTERM'], [1_000, 'SIGTERM']), 's!')
  // Whoever holds Ctrl-C down is heard after a second.
  assert.equal(done(...[0, 300, 600, 900, 1_200].map(at => [at, 'SIGINT'] as const)), 's!')
})

test('H44: another signal counts at once', () => {
  assert.equal(done([0, 'SIGINT'], [1, 'SIGTERM']), 's!')
  assert.equal(done([0, 'SIGTERM'], [1, 'SIGINT'], [2, 'SIGINT']), 's!')
})

test('H44: SIGHUP beside SIGTERM, as of a session that ends, is one request', () => {
  assert.equal(done([0, 'SIGTERM'], [1, 'SIGHUP'], [5_000, 'SIGHUP']), 's')
  assert.equal(done([0, 'SIGHUP'], [1, 'SIGTERM']), 's')
  assert.equal(done([0, 'SIGHUP'], [1_500, 'SIGTERM']), 's!')
})
