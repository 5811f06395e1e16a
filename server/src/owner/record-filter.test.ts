// Filters and page tokens of the access log, as they are given by others.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pageToken, positionIn } from './page-token.ts'
import { matcherOf, type RecordFilter, wrongIn } from './record-filter.ts'

test('every field of a filter that cannot be used is told, all at once', () => {
  const filter = {
    kinds: ['http', 'ftp'],
    statuses: [2, 6],
    peer: '203.0.113.0/99',
    text: 'x'.repeat(301),
  }
  assert.deepEqual(
    wrongIn(filter).map(({ field }) => field),
    ['kinds', 'statuses', 'peer', 'text'],
  )
  for (const statuses of [[0], [-1], [99], [600], [2.5], [Number.NaN]]) assert.equal(wrongIn({ statuses }).length, 1)
  for (const statuses of [
    [1, 2, 3, 4, 5],
    [100, 404, 599],
  ])
    assert.deepEqual(wrongIn({ statuses }), [])
  assert.throws(() => matcherOf(filter), { code: 'usage', message: /"kinds"/, cure: /pbt-server log/ })
})

test('lines in which a text is not are told without reading each', () => {
  const matcher = matcherOf({ text: 'Login' })
  assert.equal(matcher.mayBeIn('app\t0\thttp\t::1\tPOST /LOGIN\t200'), true)
  assert.equal(matcher.mayBeIn('app\t0\thttp\t::1\tPOST /logout\t200'), false)
  assert.equal(matcherOf({}).mayBeIn(''), true)
})

const NUMBER = fc.maxSafeNat()
const SEARCH = { filter: { tunnel: 'app', text: 'x', statuses: [4] }, from: 5 }

test('a page token tells its place, for the same search only', () => {
  fc.assert(
    fc.property(NUMBER, NUMBER, NUMBER, (since, batch, index) => {
      const token = pageToken({ since, batch, index }, SEARCH)
      assert.match(token, /^[\w.-]{1,100}$/)
      assert.deepEqual(positionIn(token, SEARCH), { since, batch, index })
      const others: RecordFilter[] = [{}, { ...SEARCH.filter, tunnel: 'b' }, { ...SEARCH.filter, hasReason: true }]
      for (const filter of others) assert.equal(positionIn(token, { ...SEARCH, filter }), undefined)
      assert.equal(positionIn(token, { filter: SEARCH.filter }), undefined)
    }),
  )
})

test('what is no page token, or a damaged one, tells nothing and never throws', () => {
  const token = pageToken({ since: 1_700_000_000_000, batch: 1_000_000, index: 7 }, SEARCH)
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.string({ minLength: 1, maxLength: 3 }), (at, instead) => {
      const damaged = token.slice(0, at) + instead + token.slice(at + 1)
      if (damaged !== token) assert.equal(positionIn(damaged, SEARCH), undefined)
    }),
  )
  fc.assert(fc.property(fc.string({ maxLength: 300 }), text => assert.equal(positionIn(text, SEARCH), undefined)))
  assert.equal(positionIn(`${'A'.repeat(100_000)}.${'A'.repeat(16)}`, SEARCH), undefined)
})
