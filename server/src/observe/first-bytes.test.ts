// Times to first byte: what is told from the classes against what it was.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { countFirstByte, FIRST_BYTE_BOUNDS_MS, FIRST_BYTE_FIELDS, firstByteWithin } from './first-bytes.ts'

function classesOf(times: readonly number[]): number[] {
  const classes = FIRST_BYTE_FIELDS.map(() => 0)
  for (const ms of times) countFirstByte(classes, ms)
  return classes
}

test('what is told lies in the class of the time it was, whatever the times', () => {
  const times = fc.array(fc.double({ min: 0, max: 15_000, noNaN: true }), { minLength: 1, maxLength: 300 })
  fc.assert(
    fc.property(times, fc.constantFrom(0.5, 0.95), (times, part) => {
      const sorted = [...times].sort((left, right) => left - right)
      const was = sorted[Math.ceil(part * sorted.length) - 1] ?? 0
      const told = firstByteWithin(classesOf(times), part) ?? Number.NaN
      const upper = FIRST_BYTE_BOUNDS_MS.find(bound => was <= bound) ?? 0
      const lower = FIRST_BYTE_BOUNDS_MS[FIRST_BYTE_BOUNDS_MS.findIndex(bound => was <= bound) - 1] ?? 0
      assert.ok(told >= lower && told <= upper, `${told} for ${was}, ${lower} to ${upper}`)
    }),
  )
})

test('times that are spread are told to a quarter, and none are not told', () => {
  const classes = classesOf(Array.from({ length: 1_000 }, (_, index) => index))
  assert.ok(Math.abs((firstByteWithin(classes, 0.5) ?? 0) - 500) < 5)
  assert.ok(Math.abs((firstByteWithin(classes, 0.95) ?? 0) - 950) < 950 / 4)
  assert.equal(firstByteWithin(classesOf([]), 0.5), undefined)
  assert.equal(firstByteWithin(classesOf([60_000]), 0.5), FIRST_BYTE_BOUNDS_MS.at(-1))
})
