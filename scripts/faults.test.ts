// Every fault has a test, or says why not; every id in a title is a fault's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FAULTS, faultTests, titlesIn } from './faults.ts'

test('every fault has a test or a written reason', () => {
  const tests = faultTests()
  const missing = FAULTS.filter(({ id, pending, reason }) => !tests.has(id) && (pending ?? reason) === undefined)
  assert.deepEqual(
    missing.map(({ id }) => id),
    [],
    'a test whose title begins with the id is missing, or a reason in scripts/fault-rows-*.ts',
  )
})

test('every id is there once, and titles name no others', () => {
  const ids = FAULTS.map(({ id }) => id)
  assert.equal(new Set(ids).size, ids.length)
  assert.deepEqual(
    [...faultTests().keys()].filter(id => !ids.includes(id)),
    [],
  )
})

test('titles are found whatever their quotes and line breaks', () => {
  const source = ["test('B1, B11: one', () => {})", 'test(\n  `C2: t(w)o`,', 'test("D3: it\'s three")', "test('none')"]
  assert.deepEqual(titlesIn(source.join('\n')), [
    { ids: ['B1', 'B11'], title: 'one' },
    { ids: ['C2'], title: 't(w)o' },
    { ids: ['D3'], title: "it's three" },
  ])
})
