import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FEW_UNDER_WAY, MAX_HELD_BY_MANY_BYTES, MAX_HELD_BYTES, UseOfAddress } from './address-use.ts'

test('an address has so many requests at once, and who ends makes room', () => {
  const all = { underWay: 0 }
  const use = new UseOfAddress(3, all)
  assert.deepEqual([use.began(), use.began(), use.began(), use.began()], [true, true, true, false])
  assert.deepEqual([use.requests, all.underWay], [3, 3])
  use.ended()
  assert.equal(use.began(), true)
  assert.equal(new UseOfAddress(3, all).began(), true)
  assert.equal(all.underWay, 4)
})

test('what an address holds is bounded, by less when it has much under way, and what was taken makes room', () => {
  const use = new UseOfAddress(1_000, { underWay: 0 })
  use.connections = 1
  assert.equal(use.hold(MAX_HELD_BYTES), true)
  assert.equal(use.hold(1), false)
  use.release(MAX_HELD_BYTES - MAX_HELD_BY_MANY_BYTES + 1)
  assert.ok(use.isSmall && !use.isCrowded)
  for (let count = 0; count < FEW_UNDER_WAY; count++) use.began()
  assert.ok(!use.isSmall && use.isCrowded)
  assert.equal(use.hold(0), true)
  assert.equal(use.hold(1), false)
})

test("the owner's own programs and proxies have no limit", () => {
  const use = new UseOfAddress(Number.POSITIVE_INFINITY, { underWay: 0 })
  for (let count = 0; count < 5_000; count++) assert.equal(use.began(), true)
  assert.equal(use.hold(10 * MAX_HELD_BYTES), true)
  use.connections = 5_000
  assert.equal(use.crowd, 0)
  assert.ok(!use.isCrowded)
})
