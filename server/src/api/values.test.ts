import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { DurationSchema } from '@bufbuild/protobuf/wkt'
import fc from 'fast-check'
import { durationOf } from './values.ts'

test('a time in milliseconds of any fraction can be sent, and is what it was to the microsecond', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e10, noNaN: true }), ms => {
      const sent = toBinary(DurationSchema, create(DurationSchema, durationOf(ms)))
      const { seconds, nanos } = fromBinary(DurationSchema, sent)
      assert.ok(Math.abs(Number(seconds) * 1_000 + nanos / 1_000_000 - ms) <= 0.001)
    }),
  )
  assert.deepEqual(durationOf(8.156), { seconds: 0n, nanos: 8_156_000 })
  assert.deepEqual(durationOf(1_999.9999), { seconds: 2n, nanos: 0 })
})
