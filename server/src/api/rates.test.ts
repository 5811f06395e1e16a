// Figures of tunnels for many readers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import { RATES_MS, Rates } from './rates.ts'

test('figures are read once for all, and only what has changed is told', () => {
  const clock = new FakeClock()
  const now = new Map([
    ['a', 1],
    ['b', 1],
  ])
  let reads = 0
  const rates = new Rates(() => {
    reads++
    return [...now].map(([name, bytesInRate]) => ({ name, bytesInRate }))
  }, clock)
  const names = (known: number) => {
    const { number, tunnels } = rates.since(known)
    return [number, ...tunnels.map(({ name }) => name)]
  }
  assert.deepEqual(
    [names(0), names(0)],
    [
      [1, 'a', 'b'],
      [1, 'a', 'b'],
    ],
  )
  clock.advance(RATES_MS)
  assert.deepEqual(names(1), [1])
  now.set('b', 2)
  clock.advance(RATES_MS)
  assert.deepEqual(names(1), [2, 'b'])
  now.set('a', 2)
  clock.advance(RATES_MS)
  assert.deepEqual(
    [names(2), names(1), names(0)],
    [
      [3, 'a'],
      [3, 'a', 'b'],
      [3, 'a', 'b'],
    ],
  )
  assert.equal(reads, 4)
})
