// One block against an allowlist of it alone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Allowlist } from './allowlist.ts'
import { oneBlock } from './one-block.ts'

test('a block has the same addresses as an allowlist of it alone, whatever is asked', () => {
  const v4 = fc.ipV4()
  const near = fc.constantFrom('203.0.113.7', '203.0.113.255', '203.0.112.0', '0.0.0.0', '255.255.255.255')
  const mapped = near.map(address => `::ffff:${address}`)
  const odd = fc.constantFrom(
    '',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.256',
    '1..2.3',
    '.1.2.3',
    '1.2.3.',
    '1.2.3.4%x',
    'x',
  )
  const addresses = fc.oneof(v4, near, mapped, fc.ipV6(), odd, fc.string({ maxLength: 20 }))
  const blocks = fc.oneof(
    fc.tuple(fc.oneof(v4, near), fc.integer({ min: 0, max: 32 })).map(([address, bits]) => `${address}/${bits}`),
    fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })).map(([address, bits]) => `${address}/${bits}`),
    fc.oneof(v4, mapped),
  )
  fc.assert(
    fc.property(blocks, fc.array(addresses, { maxLength: 20 }), (block, asked) => {
      let list: Allowlist
      try {
        list = new Allowlist([block])
      } catch {
        return assert.throws(() => oneBlock(block), { code: 'not-allowed' })
      }
      const has = oneBlock(block)
      for (const address of asked) assert.equal(has(address), list.allows(address), `${address} in ${block}`)
    }),
    { numRuns: 2_000 },
  )
})
