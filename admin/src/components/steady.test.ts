// The order of rows of a list that is read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { steadied, withGone } from './steady.ts'

const keyOf = (row: string) => row

test('known rows keep their places, others stand behind them, and those that are gone leave nothing', () => {
  assert.deepEqual(steadied(['c', 'new', 'a'], keyOf, ['a', 'gone', 'c']), ['a', 'c', 'new'])
  assert.deepEqual(steadied(['b', 'a'], keyOf, []), ['b', 'a'])
  assert.deepEqual(steadied([], keyOf, ['a']), [])
})

test('only the others are arranged', () => {
  const sorted = (others: readonly string[]) => others.toSorted()
  assert.deepEqual(steadied(['y', 'b', 'x', 'a'], keyOf, ['y', 'b'], sorted), ['y', 'b', 'a', 'x'])
})

test('rows that have gone stay at their places, others are as they are now', () => {
  const rows = [
    { id: 'b', bytes: 2 },
    { id: 'new', bytes: 0 },
  ]
  const shown = [
    { id: 'a', bytes: 1 },
    { id: 'b', bytes: 1 },
  ]
  assert.deepEqual(
    withGone(rows, shown, ({ id }) => id),
    [shown[0], rows[0], rows[1]],
  )
  assert.deepEqual(
    withGone(rows, [], ({ id }) => id),
    rows,
  )
})
