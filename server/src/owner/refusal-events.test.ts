// Who was turned away, told within bounds.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import type { Happening } from './event.ts'
import { RefusalEvents } from './refusal-events.ts'

function setUp() {
  const clock = new FakeClock()
  const told: (Happening & { at: number })[] = []
  const refusals = new RefusalEvents({ clock, tell: happening => told.push({ ...happening, at: clock.now() }) })
  return { clock, told, refusals }
}

const PEER = { peer: '203.0.113.7', tunnel: 'app', rule: 'not-allowed' }

test('the first refusal is told at once, the next ones of the same peer, tunnel and rule once a minute with their count', () => {
  const { clock, told, refusals } = setUp()
  for (let second = 0; second < 300; second++) {
    refusals.refused({ ...PEER, summary: () => 'GET /x' })
    clock.advance(1_000)
  }
  assert.deepEqual(
    told.map(({ at, fields }) => [at, fields?.count]),
    [
      [0, '1'],
      [60_000, '59'],
      [120_000, '60'],
      [180_000, '60'],
      [240_000, '60'],
      [300_000, '60'],
    ],
  )
  assert.deepEqual(told[0], {
    ...{ kind: 'visitor.refused', subject: 'app', message: '203.0.113.7 may not visit app', at: 0 },
    fields: { peer: '203.0.113.7', rule: 'not-allowed', count: '1', tunnel: 'app', summary: 'GET /x' },
  })
  clock.advance(600_000)
  assert.equal(
    told.reduce((sum, { fields }) => sum + Number(fields?.count), 0),
    300,
    'every one is counted',
  )
  refusals.refused(PEER)
  assert.equal(told.at(-1)?.fields?.count, '1', 'after a quiet minute it is told at once again')
})

test('another tunnel, rule or peer is told by itself; a rule that is none of ours is not', () => {
  const { told, refusals } = setUp()
  refusals.refused(PEER)
  refusals.refused({ ...PEER, tunnel: 'other' })
  refusals.refused({ ...PEER, rule: 'paused' })
  refusals.refused({ peer: '203.0.113.8', tunnel: '', rule: 'token-refused' })
  refusals.refused({ peer: '203.0.113.8', tunnel: '', rule: 'login-refused' })
  refusals.refused({ ...PEER, rule: 'bad-request' })
  assert.deepEqual(
    told.map(({ kind }) => kind),
    ['visitor.refused', 'visitor.refused', 'visitor.refused', 'token.refused', 'panel.refused'],
  )
})

test('a flood from many addresses is told in a few events for a day, and no one of it is forgotten', () => {
  const { clock, told, refusals } = setUp()
  for (let minute = 0; minute < 24 * 60; minute++) {
    for (let peer = 0; peer < 200; peer++) refusals.refused({ ...PEER, peer: `10.${minute % 256}.${peer}.1` })
    clock.advance(60_000)
  }
  refusals.end()
  const counted = told.reduce((sum, { fields }) => sum + Number(fields?.count), 0)
  assert.equal(counted, 24 * 60 * 200)
  // 30 such days are far from what is kept in all.
  assert.ok(told.length < 1_200, `${told.length} events`)
})

test('what it keeps is bounded', () => {
  const { clock, told, refusals } = setUp()
  for (let peer = 0; peer < 100_000; peer++) refusals.refused({ ...PEER, peer: `2001:db8::${peer.toString(16)}` })
  clock.advance(700_000)
  assert.equal(
    told.reduce((sum, { fields }) => sum + Number(fields?.count), 0),
    100_000,
  )
  assert.ok(told.length < 70, `${told.length} events`)
})
