import assert from 'node:assert/strict'
import { test } from 'node:test'
import { filterOf } from './filter.ts'

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
  assert.deepEqual([filterOf('').isOfTunnel, filterOf('tunnel:app').isOfTunnel], [true, true])
  const named = filterOf('answer:not-allowed')
  assert.equal(named.asked.withReason, true)
  assert.deepEqual([fits('answer:not-allowed'), fits('answer:not-allowed', { reason: 'not-allowed' })], [false, true])
  assert.deepEqual(
    [fits('answer:refused', { reason: 'paused' }), fits('answer:refused', { reason: 'target-broke' })],
    [true, false],
  )
})

test('- leaves out, a second word narrows further, and what means nothing is told', () => {
  assert.deepEqual([fits('-answer:404'), fits('-answer:404', { status: 200 })], [false, true])
  assert.deepEqual([fits('-tunnel:app'), fits('-path'), fits('-other')], [false, false, true])
  assert.equal(filterOf('-answer:404').asked.statuses?.length, 0)
  assert.deepEqual([fits('get path'), fits('get nothing')], [true, false])
  assert.deepEqual(filterOf('answer:9xx kind:smoke answer:4').wrong, ['answer:9xx', 'kind:smoke'])
  // A beginning of an address is no block.
  assert.deepEqual([filterOf('from:203.0').asked.peer, fits('from:203.0'), fits('from:10.')], ['', true, false])
})
