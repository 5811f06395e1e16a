import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@pbt/proto'
import { NetworkRates, networkOf } from './rate.ts'

test('a network is a /24 of IPv4 or a /56 of IPv6', () => {
  assert.equal(networkOf('203.0.113.7'), networkOf('203.0.113.250'))
  assert.notEqual(networkOf('203.0.113.7'), networkOf('203.0.114.7'))
  assert.equal(networkOf('::ffff:203.0.113.7'), networkOf('203.0.113.7'))
  assert.equal(networkOf('2001:db8:1:2200::1'), networkOf('2001:db8:1:22ff:1::2'))
  assert.notEqual(networkOf('2001:db8:1:2200::1'), networkOf('2001:db8:1:2300::1'))
})

test('a network that asks too much is limited, others are not, and it recovers', () => {
  let now = 0
  const rates = new NetworkRates({ ...systemClock, now: () => now })
  const allowed = Array.from({ length: 500 }, (_, index) => rates.allows(`203.0.113.${index % 250}`)).filter(Boolean)
  assert.equal(allowed.length, 100)
  assert.equal(rates.allows('198.51.100.1'), true)
  now += 1_000
  assert.equal(rates.allows('203.0.113.1'), true)
})

test('however many networks ask, what is kept is bounded', () => {
  const rates = new NetworkRates(systemClock)
  for (let index = 0; index < 12_000; index++) rates.allows(`10.${index >> 8}.${index & 255}.1`)
  assert.equal(rates.size, 10_000)
})
