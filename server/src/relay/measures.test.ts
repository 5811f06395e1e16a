// What a client may have measured.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { KIB } from '@pbt/proto'
import { FakeClock } from '@pbt/proto/testing'
import { MeasureSchema } from '@pbt/proto/tunnel/v1'
import { Measures } from './measures.ts'

test('an answer has the id and the bytes that it was asked for, not more than 32 KiB', () => {
  const measures = new Measures(new FakeClock())
  const answer = measures.answerTo(create(MeasureSchema, { id: 7n, wantedBytes: 32 * KIB }))
  assert.deepEqual([answer.id, answer.padding.length], [7n, 32 * KIB])
  assert.throws(() => measures.answerTo(create(MeasureSchema, { wantedBytes: 2 ** 32 - 1 })), { code: 'limit' })
  const padding = new Uint8Array(32 * KIB + 1)
  assert.throws(() => measures.answerTo(create(MeasureSchema, { padding })), { code: 'limit' })
})

test('a flood ends, whether its questions are small or large, and a minute later there is some again', () => {
  for (const [wantedBytes, most] of [
    [0, 524_288],
    [32 * KIB, 16_384],
  ] as const) {
    const clock = new FakeClock()
    const measures = new Measures(clock)
    const ask = () => measures.answerTo(create(MeasureSchema, { wantedBytes }))
    for (let count = 0; count < most; count++) ask()
    assert.throws(ask, { code: 'limit' })
    clock.advance(60_000)
    ask()
  }
})
