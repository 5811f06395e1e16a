import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import { FAILURES_A_MINUTE, REFUSED_MS } from './limiter.ts'
import { TokenCheck } from './token-check.ts'
import { hashToken, newToken, TokenBook } from './tokens.ts'

function setUp() {
  const token = newToken()
  const clock = new FakeClock()
  const check = new TokenCheck(new TokenBook([{ id: 7, hash: hashToken(token) }]), clock)
  return { clock, check, right: [`Bearer ${token}`], wrong: [`Bearer ${newToken()}`] }
}

test('the right token is accepted, everything else refused alike', () => {
  const { check, right, wrong } = setUp()
  assert.deepEqual(check.check(right, '203.0.113.7'), { verdict: 'accepted', tokenId: 7 })
  for (const values of [wrong, [], [''], ['x'.repeat(1_000_000)], [...right, ...right]]) {
    assert.deepEqual(check.check(values, '203.0.113.7'), { verdict: 'refused' })
  }
})

test('who fails too often is turned away for a minute, even with the right token; others are not', () => {
  const { clock, check, right, wrong } = setUp()
  for (let time = 0; time < FAILURES_A_MINUTE; time++) check.check(wrong, '203.0.113.7')
  assert.deepEqual(check.check(right, '203.0.113.7'), { verdict: 'limited' })
  assert.deepEqual(check.check(right, '203.0.113.8'), { verdict: 'accepted', tokenId: 7 })
  clock.advance(REFUSED_MS)
  assert.deepEqual(check.check(right, '203.0.113.7'), { verdict: 'accepted', tokenId: 7 })
})

test('the right token never counts as a failure', () => {
  const { check, right } = setUp()
  for (let time = 0; time < 100; time++) {
    assert.deepEqual(check.check(right, '203.0.113.7'), { verdict: 'accepted', tokenId: 7 })
  }
})
