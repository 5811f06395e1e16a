import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toKeep } from './keep.ts'

test('a small piece that is kept does not keep its batch, a large one is not copied', () => {
  const batch = Buffer.from(new ArrayBuffer(64 * 1024)).fill('x')
  const small = toKeep(batch.subarray(100, 120))
  assert.equal(small.toString(), 'x'.repeat(20))
  assert.notEqual(small.buffer, batch.buffer)
  const large = batch.subarray(0, 40_000)
  assert.equal(toKeep(large), large)
})
