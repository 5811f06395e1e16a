import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { bareAddress, parseAddress, parseBlock } from './ip-address.ts'

const octet = fc.oneof(fc.nat(255).map(String), fc.constantFrom('256', '00', '01', '', '1e1', ' 1', '+1'))
const dotted = fc.array(octet, { minLength: 3, maxLength: 5 }).map(parts => parts.join('.'))
const hex = fc.oneof(
  fc.nat(0xffff).map(group => group.toString(16)),
  fc.constantFrom('', '0000', '00000', 'g', 'FFFF', '0x1'),
)
const colons = fc
  .tuple(fc.array(hex, { maxLength: 9 }), fc.option(fc.nat(9)), fc.option(dotted))
  .map(([groups, at, tail]) => {
    const all = tail === null ? groups : [...groups, tail]
    return at === null ? all.join(':') : `${all.slice(0, at).join(':')}::${all.slice(at).join(':')}`
  })
const anyAddress = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  dotted,
  colons,
  fc.string({ unit: fc.constantFrom(...'0123456789abf.:') }),
)

test('an address is what the system takes for one, and nothing else', () => {
  fc.assert(
    fc.property(anyAddress, text => {
      const isMapped = /^::ffff:\d+\.[\d.]+$/i.test(text) && isIP(text) === 6
      const family = isMapped ? 4 : isIP(text)
      const parts = parseAddress(text)
      assert.equal(parts === undefined ? 0 : parts.length === 4 ? 4 : 6, family, JSON.stringify(text))
    }),
    { numRuns: 5_000 },
  )
})

test('the parts of an address are those that URLs have', () => {
  fc.assert(
    fc.property(fc.ipV6(), text => {
      const { hostname } = new URL(`http://[${text}]/`)
      const parts = parseAddress(text) ?? []
      const full = parts.length === 4 ? `::ffff:${parts.join('.')}` : parts.map(group => group.toString(16)).join(':')
      assert.equal(new URL(`http://[${full}]/`).hostname, hostname)
    }),
  )
})

test('IPv4 within IPv6 is IPv4, and a zone is none of ours', () => {
  assert.deepEqual(parseAddress('::FFFF:203.0.113.7'), [203, 0, 113, 7])
  assert.deepEqual(parseAddress('fe80::1%eth0'), [0xfe80, 0, 0, 0, 0, 0, 0, 1])
  assert.deepEqual(parseAddress('1:2:3:4:5:6:1.2.3.4'), [1, 2, 3, 4, 5, 6, 0x102, 0x304])
  assert.equal(bareAddress('::ffff:203.0.113.7'), '203.0.113.7')
  assert.equal(bareAddress('unknown'), 'unknown')
})

test('blocks, and why something is none', () => {
  assert.deepEqual(parseBlock('203.0.113.7'), { address: [203, 0, 113, 7], prefix: 32 })
  assert.deepEqual(parseBlock('2001:db8::/32'), { address: [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], prefix: 32 })
  assert.deepEqual(parseBlock('::ffff:10.0.0.0/104'), { address: [10, 0, 0, 0], prefix: 8 })
  for (const text of ['', 'localhost', '1.2.3', '10.0.0.0/8/8', '/8', ' 10.0.0.1'])
    assert.equal(parseBlock(text), 'it is not an IP address', text)
  for (const text of ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/1e1', '10.0.0.0/0x8'])
    assert.equal(parseBlock(text), 'its prefix is not between 0 and 32', text)
  assert.equal(parseBlock('2001:db8::/129'), 'its prefix is not between 0 and 128')
  assert.equal(parseBlock('::ffff:1.2.3.4/95'), 'its prefix is not between 96 and 128')
})
