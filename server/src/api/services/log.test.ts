// Records as messages.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import { RecordSchema } from '@pbt/proto/admin/v1'
import fc from 'fast-check'
import { recordMessage } from './log.ts'

test('every duration and size that a record may have is told as it is', () => {
  const number = fc.maxSafeNat()
  fc.assert(
    fc.property(fc.nat(400 * 86_400_000), fc.nat(999), number, (ms, us, bytes) => {
      const startedAt = 1_800_000_000_000 - ms
      const record = {
        ...({
          id: bytes,
          tunnel: 'app',
          kind: 'http',
          visitor: '::1',
          summary: 'GET /',
          status: 200,
          reason: '',
        } as const),
        ...{ startedAt, durationUs: ms * 1_000 + us, bytesIn: bytes, bytesOut: bytes },
      }
      const message = fromBinary(RecordSchema, toBinary(RecordSchema, create(RecordSchema, recordMessage(record))))
      const { duration, startTime } = message
      assert.ok(duration && startTime)
      assert.equal(Number(duration.seconds) * 1_000_000 + duration.nanos / 1_000, record.durationUs)
      assert.ok(Number.isInteger(duration.nanos) && duration.nanos < 1_000_000_000)
      assert.deepEqual([timestampMs(startTime), message.bytesIn, message.id], [startedAt, BigInt(bytes), BigInt(bytes)])
    }),
  )
})
