// A measurement against a server in virtual time: what comes out, and what is asked at most.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import type { SessionFrame } from '@pbt/proto'
import { FakeClock } from '@pbt/proto/testing'
import { MeasuredSchema } from '@pbt/proto/tunnel/v1'
import { Measuring } from './measure.ts'

/** A line of 10 ms that carries one question or answer of 32 KiB a millisecond. */
async function measured() {
  const clock = new FakeClock()
  let [freeAt, underWay, most] = [0, 0, 0]
  const measuring: Measuring = new Measuring(clock, (frame: SessionFrame) => {
    assert(frame.case === 'measure')
    const { id, padding, wantedBytes } = frame.value
    most = Math.max(most, ++underWay)
    freeAt = Math.max(freeAt, clock.now()) + (padding.length + wantedBytes > 0 ? 1 : 0)
    clock.after(freeAt - clock.now() + 10, () => {
      underWay--
      measuring.answered(create(MeasuredSchema, { id }))
    })
  })
  const running = measuring.run(1_000)
  let isOver = false
  const over = running.finally(() => {
    isOver = true
  })
  while (!isOver) {
    clock.advance(1)
    await Promise.resolve()
  }
  return { ...(await over), most }
}

test('round trip and rates are those of the line, with a bounded part under way', async () => {
  const { roundTripMs, upBytesPerSecond, downBytesPerSecond, most } = await measured()
  assert.ok(roundTripMs >= 10 && roundTripMs <= 12, `${roundTripMs} ms`)
  for (const rate of [upBytesPerSecond, downBytesPerSecond]) {
    assert.ok(rate > 0.9 * 32_768_000 && rate < 1.1 * 32_768_000, `${rate} bytes a second`)
  }
  assert.equal(most, 128)
})
