import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KEPT_DESCRIPTORS, Places, placesFor } from './places.ts'

test('there are as many places as descriptors beyond those kept, and one at least', () => {
  assert.equal(placesFor(1_024), 1_024 - KEPT_DESCRIPTORS)
  assert.equal(placesFor(10), 1)
})

test('a place that was given back can be taken again', () => {
  const places = new Places(2)
  assert.deepEqual([places.take(), places.take(), places.take()], [true, true, false])
  places.give()
  assert.deepEqual([places.take(), places.take()], [true, false])
})

test('what idles gives way, in whichever pool it is, until nothing does', () => {
  const places = new Places(3)
  for (let count = 0; count < 3; count++) places.take()
  let idle = 2
  const takeBack = places.lend(() => false)
  places.lend(() => idle > 0 && idle-- > 0)
  assert.deepEqual([places.take(), places.take(), places.take()], [true, true, false])
  // The sockets that gave way have closed.
  places.give()
  places.give()
  assert.equal(places.take(), false)
  takeBack()
  places.give()
  assert.equal(places.take(), true)
})
