import assert from 'node:assert/strict'
import { test } from 'node:test'
import { filterOf } from './filter.ts'
import { hintsFor } from './hints.ts'

const RECORD = { tunnel: 'app', kind: 'http', peer: '203.0.113.7', summary: 'GET /Path', status: 404, reason: '' }

function fits(text: string, change: object = {}): boolean {
  return filterOf(text).judge?.({ ...RECORD, ...change } as never) !== false
}

test('tokens become the question to the server, and what it cannot ask for is judged here', () => {
  const { asked, judge, isOfTunnel } = filterOf(
    'tunnel:app from:203.0.113.0/24 answer:4xx answer:502 kind:http kind:tcp path',
  )
  assert.deepEqual(asked, {
    tunnel: 'app',
    peer: '203.0.113.0/24',
    statuses: [4, 502],
    kinds: ['http', 'tcp'],
    text: 'path',
    withReason: false,
  })
  assert.deepEqual([judge, isOfTunnel], [undefined, false])
  assert.equal(filterOf('tunnel:bücher').asked.tunnel, 'xn--bcher-kva', 'as it is shown')
  assert.deepEqual([filterOf('').isOfTunnel, filterOf('tunnel:app').isOfTunnel], [true, true])
  const named = filterOf('answer:not-allowed')
  assert.equal(named.asked.withReason, true)
  assert.deepEqual([fits('answer:not-allowed'), fits('answer:not-allowed', { reason: 'not-allowed' })], [false, true])
  assert.deepEqual(
    [fits('answer:refused', { reason: 'paused' }), fits('answer:refused', { reason: 'target-broke' })],
    [true, false],
  )
  const failed = filterOf('tunnel:app answer:failed')
  assert.deepEqual([failed.isOfTunnel, failed.asked.withReason], [true, false])
  const endings = [{ status: 500 }, { status: 502, reason: 'target-broke' }, { status: 503, reason: 'paused' }, {}]
  assert.deepEqual(
    endings.map(ending => fits('answer:failed', ending)),
    [true, true, false, false],
  )
})

test('- leaves out, a second word narrows further, and what means nothing is told', () => {
  assert.deepEqual([fits('-answer:404'), fits('-answer:404', { status: 200 })], [false, true])
  assert.deepEqual([fits('-tunnel:app'), fits('-path'), fits('-other')], [false, false, true])
  assert.equal(filterOf('-answer:404').asked.statuses?.length, 0)
  assert.deepEqual([fits('get path'), fits('get nothing')], [true, false])
  assert.deepEqual([fits('get app'), fits('-app')], [true, false], 'a word may be in the name of the tunnel')
  assert.deepEqual(filterOf('answer:9xx kind:smoke answer:4').wrong, ['answer:9xx', 'kind:smoke'])
  assert.equal(filterOf('tunnel:app tunnel:other').isOfTunnel, false)
  // A beginning of an address is no block.
  assert.deepEqual([filterOf('from:203.0').asked.peer, fits('from:203.0'), fits('from:10.')], ['', true, false])
})

test('while one types, what fits is offered in words: how it ended, tunnels, an answer, a visitor, and the word itself', () => {
  const offered = (draft: string, tokens: string[] = []) =>
    hintsFor(draft, tokens, ['app', 'photos']).map(({ token }) => token)
  assert.deepEqual(offered(''), ['answer:refused', 'answer:failed', 'tunnel:app', 'tunnel:photos'])
  assert.deepEqual(offered('', ['answer:failed']), ['answer:refused', 'tunnel:app', 'tunnel:photos'])
  assert.deepEqual(offered('Turned'), ['answer:refused', 'Turned'])
  assert.deepEqual(offered('pho'), ['tunnel:photos', 'pho'])
  assert.deepEqual(offered('404'), ['answer:404', '404'])
  assert.deepEqual(offered('203.0.113.7'), ['from:203.0.113.7', '203.0.113.7'])
  const many = Array.from({ length: 200 }, (_each, index) => `app${index}`)
  assert.equal(hintsFor('app', [], many).length, 6)
})
