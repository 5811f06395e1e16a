// That an id which was seen is never taken for new, held against a set that forgets nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import fc from 'fast-check'
import { placeAt } from '../handshakes.ts'
import { someId } from '../testing/handshakes.ts'
import { SeenIds } from './seen-ids.ts'

const MAX_GENERATION_IDS = 4_096
const HOUR_MS = 3_600_000

function seenFor() {
  const clock = new FakeClock()
  const seen = new SeenIds(clock)
  return { clock, add: (id: Buffer) => seen.add(id, placeAt(0, id.length)) }
}

test('F11: an id that was seen is not new, wherever in a datagram it stands', () => {
  const id = fc.uint8Array({ maxLength: 20 }).map(bytes => Buffer.from(bytes))
  fc.assert(
    fc.property(fc.array(fc.tuple(id, id), { maxLength: 300 }), ids => {
      const clock = new FakeClock()
      const seen = new SeenIds(clock)
      const all = new Set<string>()
      for (const [before, each] of ids) {
        const key = each.toString('latin1')
        const isNew = seen.add(Buffer.concat([before, each, before]), placeAt(before.length, each.length))
        if (all.has(key)) assert.equal(isNew, false)
        all.add(key)
        clock.advance(HOUR_MS / 301)
      }
    }),
  )
})

test('F11: a new id is hardly ever taken for one that was seen', () => {
  const { clock, add } = seenFor()
  let wrong = 0
  for (let count = 0; count < 10 * MAX_GENERATION_IDS; count++) {
    if (!add(someId(8))) wrong++
    clock.advance(60)
  }
  // The older generation is as full as it gets, the younger one half so on the average.
  assert.ok(wrong < 0.01 * 10 * MAX_GENERATION_IDS, `${wrong} of ${10 * MAX_GENERATION_IDS}`)
})

test('F11: a peer that floods with ids makes none new that was seen within a minute', () => {
  const { clock, add } = seenFor()
  const id = someId(8)
  add(id)
  for (let count = 0; count < 50_000; count++) add(someId(4))
  clock.advance(59_999)
  for (let count = 0; count < 50_000; count++) add(someId(4))
  assert.equal(add(id), false)
  // And when the flood is over everything is as before.
  clock.advance(60_000)
  add(someId(8))
  clock.advance(60_000)
  for (let count = 0; count < 50_000; count++) add(someId(4))
  clock.advance(60_000)
  add(someId(8))
  clock.advance(HOUR_MS)
  add(someId(8))
  assert.equal(add(id), true)
})

test('F11: an id is forgotten within two hours after it was seen last, and never sooner than after one', () => {
  const { clock, add } = seenFor()
  const [id, again] = [someId(4), someId(4)]
  add(id)
  add(again)
  for (let minute = 0; minute < 60; minute++) {
    clock.advance(60_000)
    assert.equal(add(again), false)
  }
  assert.equal(add(id), false)
  for (let minute = 0; minute < 120; minute++) {
    clock.advance(60_000)
    assert.equal(add(again), false)
  }
  assert.equal(add(id), true)
})
