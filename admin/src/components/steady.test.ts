// The order of rows of a list that is read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { steadied } from './steady.ts'

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
