import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countedAs } from './peer-address.ts'

test('IPv4 counts as it is, also when it is mapped into IPv6', () => {
  assert.equal(countedAs('203.0.113.7'), '203.0.113.7')
  assert.equal(countedAs('::ffff:203.0.113.7'), '203.0.113.7')
  assert.equal(countedAs('::FFFF:203.0.113.7'), '203.0.113.7')
})

test('IPv6 counts by its /64, however it is written', () => {
  const same = ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:DB8:0001:2:3::', '2001:db8:1:2::1.2.3.4']
  for (const address of same) assert.equal(countedAs(address), '2001:db8:1:2::/64', address)
  assert.equal(countedAs('2001:db8:1:3::1'), '2001:db8:1:3::/64')
  assert.equal(countedAs('2001:db8::1'), '2001:db8:0:0::/64')
  assert.equal(countedAs('::1'), '0:0:0:0::/64')
  assert.equal(countedAs('fe80::1%eth0'), 'fe80:0:0:0::/64')
  assert.equal(countedAs('1:2:3:4:5:6:7:8'), '1:2:3:4::/64')
})

test('what is no address counts as one visitor', () => {
  for (const address of [undefined, '', 'nonsense', '1.2.3']) assert.equal(countedAs(address), '')
})
