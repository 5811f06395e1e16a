// Which addresses an allowlist lets in.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Allowlist, isSameBlock } from './allowlist.ts'

test('B5: blocks of both families, IPv4 within IPv6 as IPv4, and nothing that is no address', () => {
  const list = new Allowlist([
    '203.0.113.7',
    '10.0.0.0/8',
    '192.0.2.128/25',
    '2001:db8::/33',
    '::ffff:198.51.100.0/120',
  ])
  const allowed = ['203.0.113.7', '10.255.0.1', '192.0.2.128', '2001:db8:7fff::1', '198.51.100.9', '::ffff:10.1.2.3']
  const refused = [
    '203.0.113.8',
    '11.0.0.0',
    '192.0.2.127',
    '2001:db8:8000::',
    '198.51.101.0',
    '::ffff:11.1.2.3',
    '',
    'x',
  ]
  for (const address of allowed) assert.equal(list.allows(address), true, address)
  for (const address of refused) assert.equal(list.allows(address), false, address)
})

test('an empty list lets nobody in, and /0 one family', () => {
  assert.equal(new Allowlist([]).allows('203.0.113.7'), false)
  const all4 = new Allowlist(['0.0.0.0/0'])
  assert.equal(all4.allows('255.255.255.255'), true)
  assert.equal(all4.allows('2001:db8::1'), false)
})

test('blocks that overlap, in any order, are one', () => {
  const list = new Allowlist(['10.1.0.0/16', '10.0.0.0/8', '10.255.255.255', '9.0.0.0/8'])
  for (const address of ['9.0.0.0', '10.0.0.0', '10.1.2.3', '10.255.255.255']) assert.equal(list.allows(address), true)
  for (const address of ['8.255.255.255', '11.0.0.0']) assert.equal(list.allows(address), false)
})

test('entries that cannot be read are refused with the entry', () => {
  for (const entry of ['', 'localhost', '10.0.0.0/33', '2001:db8::/129', '10.0.0.0/', '1.2.3', '::ffff:1.2.3.4/95']) {
    assert.throws(() => new Allowlist([entry]), { code: 'not-allowed' }, entry)
  }
  assert.throws(() => new Allowlist(Array<string>(10_001).fill('10.0.0.1')), { code: 'not-allowed' })
})

test('ten thousand entries are matched one by one exactly', () => {
  const entries = Array.from({ length: 10_000 }, (_, index) => `10.${index >> 8}.${index & 255}.${index & 254}`)
  const list = new Allowlist(entries)
  for (const [index, entry] of entries.entries()) {
    assert.equal(list.allows(entry), true)
    assert.equal(list.allows(`10.${index >> 8}.${index & 255}.${(index & 254) + 1}`), false)
  }
})

test('a block is the same however it is written', () => {
  for (const [one, other] of [
    ['203.0.113.7', '203.0.113.7/32'],
    ['203.0.113.7/24', '203.0.113.0/24'],
    ['2001:db8::/32', '2001:0DB8:0:0::1/32'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
  ] as const)
    assert.ok(isSameBlock(one, other), one)
  assert.ok(!isSameBlock('203.0.113.0/24', '203.0.113.0/25'))
  assert.ok(!isSameBlock('0.0.0.0/0', '::/0'))
})
