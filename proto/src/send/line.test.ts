import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KIB } from '../limits.ts'
import { Line, type SentRecord } from './line.ts'

const BYTES_PER_MS = 62_500
const BATCH_BYTES = 64 * KIB

function newRecord(): SentRecord {
  return { bytes: BATCH_BYTES, sentAt: 0, delivered: 0, deliveredAt: 0, firstSentAt: 0, isAppLimited: false }
}

/** Sends at most `perMs` bytes a millisecond over a FIFO line for a while; returns the longest queue of the last second in ms. */
function run(
  line: Line,
  roundTripMs: number,
  perMs: number,
  forMs: number,
  from = 0,
  credit = Number.POSITIVE_INFINITY,
): { queueMs: number; part: number } {
  const underWay: { record: SentRecord; ackAt: number }[] = []
  let freeAt = 0
  let budget = 0
  let queueMs = 0
  let bytes = 0
  const until = from + forMs
  for (let now = from + 1; now <= until; now++) {
    while (underWay[0] !== undefined && underWay[0].ackAt <= now) {
      const { record } = underWay.shift() as { record: SentRecord }
      line.acknowledged(record, record.bytes, now)
      if (now > until - 1000) bytes += record.bytes
    }
    budget = Math.min(budget + perMs, 4 * perMs + BATCH_BYTES)
    while (budget >= BATCH_BYTES && line.inFlight < Math.min(line.capBytes, credit)) {
      budget -= BATCH_BYTES
      const record = newRecord()
      line.sent(record, now)
      freeAt = Math.max(freeAt, now) + BATCH_BYTES / BYTES_PER_MS
      underWay.push({ record, ackAt: freeAt + roundTripMs })
      if (now > until - 1000) queueMs = Math.max(queueMs, freeAt - now)
    }
    if (line.inFlight < line.capBytes) line.ranDry()
  }
  return { queueMs, part: bytes / 1000 / BYTES_PER_MS }
}

for (const roundTripMs of [5, 20, 40, 100]) {
  test(`a line of ${roundTripMs} ms is filled without a queue worth the name`, () => {
    const { queueMs, part } = run(new Line(), roundTripMs, 4 * BYTES_PER_MS, 10_000)
    assert.ok(part > 0.95, `${part} of the line`)
    assert.ok(queueMs < 15 + 0.1 * roundTripMs, `queue of ${queueMs} ms`)
  })

  test(`a sender that its peer's credit makes pause fills no queue on a line of ${roundTripMs} ms either`, () => {
    const { queueMs, part } = run(new Line(), roundTripMs, 4 * BYTES_PER_MS, 10_000, 0, 2 * BYTES_PER_MS * roundTripMs)
    assert.ok(part > 0.95, `${part} of the line`)
    assert.ok(queueMs < 15 + 0.1 * roundTripMs, `queue of ${queueMs} ms`)
  })
}

test('a slow sender is not held back, and finds the whole line when it has more', () => {
  const line = new Line()
  assert.ok(run(line, 40, BYTES_PER_MS / 10, 5000).part > 0.09)
  assert.ok(run(line, 40, 4 * BYTES_PER_MS, 5000, 5000).part > 0.95)
})

test('while others share a quick line less of bulk stands in it, and as much as before when they are gone', () => {
  const line = new Line()
  const alone = saturate(line, 0, false)
  const beside = saturate(line, 3_000, true)
  assert.ok(beside < alone / 2, `queue of ${beside} ms beside others, ${alone} ms alone`)
  const after = saturate(line, 6_000, false)
  assert.ok(after > 0.8 * alone, `queue of ${after} ms after they had gone, ${alone} ms before`)
})

test('a peer that is near is given more at once: there the processes wait for each other, not for the line', () => {
  const near = saturate(new Line(), 0, false)
  const farther = saturate(new Line(), 0, false, 5)
  assert.ok(near > 2 * farther, `queue of ${near} ms where the round trip is 0.2 ms, ${farther} ms at 5 ms`)
  assert.ok(near < 12, `queue of ${near} ms`)
})

/** Sends whatever the cap lets go over a quick line for 3 s; returns the mean queue of the last second in ms. */
function saturate(line: Line, from: number, isShared: boolean, roundTripMs = 0.2): number {
  const underWay: { record: SentRecord; ackAt: number }[] = []
  let [now, freeAt, queueMs, count] = [from, from, 0, 0]
  while (now < from + 3_000) {
    if (isShared) line.shared(now)
    while (line.inFlight < line.capBytes) {
      const record = newRecord()
      line.sent(record, now)
      freeAt = Math.max(freeAt, now) + BATCH_BYTES / (8 * BYTES_PER_MS)
      underWay.push({ record, ackAt: freeAt + roundTripMs })
    }
    const next = underWay.shift()
    assert.ok(next !== undefined, 'the cap lets nothing go')
    now = next.ackAt
    line.acknowledged(next.record, next.record.bytes, now)
    if (now < from + 2_000) continue
    queueMs += freeAt - now
    count++
  }
  for (const { record, ackAt } of underWay) line.acknowledged(record, record.bytes, ackAt)
  return queueMs / count
}
