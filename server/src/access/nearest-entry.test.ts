// The entry of an allowlist that is most like an address.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearestEntry } from './nearest-entry.ts'

test('the entry with most bits in common is the nearest, of its family, and the first of them', () => {
  const entries = ['10.0.0.0/8', '203.0.113.0/28', '203.0.112.5', '2001:db8:1::/48', '2001:db8:2::/48']
  assert.equal(nearestEntry(entries, '203.0.113.200'), '203.0.113.0/28')
  assert.equal(nearestEntry(entries, '203.0.112.200'), '203.0.112.5')
  assert.equal(nearestEntry(entries, '::ffff:10.9.9.9'), '10.0.0.0/8')
  assert.equal(nearestEntry(entries, '2001:db8:2:3::1'), '2001:db8:2::/48')
  assert.equal(nearestEntry(['198.51.100.1', '198.51.100.1/32'], '198.51.100.2'), '198.51.100.1')
})

test('none is near without a bit in common, without an entry, or without an address', () => {
  assert.equal(nearestEntry(['192.0.2.1'], '10.0.0.1'), '')
  assert.equal(nearestEntry(['192.0.2.1'], '2001:db8::1'), '')
  assert.equal(nearestEntry([], '192.0.2.1'), '')
  assert.equal(nearestEntry(['192.0.2.1'], 'unknown'), '')
})
