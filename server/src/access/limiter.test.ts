import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import { FAILURES_A_MINUTE, FailureLimiter, MAX_ADDRESSES, REFUSED_MS } from './limiter.ts'

function fail(limiter: FailureLimiter, address: string, times: number): boolean {
  let isRefused = false
  for (let time = 0; time < times; time++) isRefused = limiter.failed(address)
  return isRefused
}

test('the tenth failure within a minute shuts the address out for a minute', () => {
  const clock = new FakeClock()
  const limiter = new FailureLimiter(clock)
  assert.equal(fail(limiter, '203.0.113.7', FAILURES_A_MINUTE - 1), false)
  assert.equal(limiter.refusedForMs('203.0.113.7'), 0)
  assert.equal(limiter.failed('203.0.113.7'), true)
  assert.equal(limiter.refusedForMs('203.0.113.7'), REFUSED_MS)
  assert.equal(limiter.refusedForMs('::ffff:203.0.113.7'), REFUSED_MS)
  clock.advance(REFUSED_MS)
  assert.equal(limiter.refusedForMs('203.0.113.7'), 0)
})

test('other addresses are not refused', () => {
  const limiter = new FailureLimiter(new FakeClock())
  fail(limiter, '203.0.113.7', 100)
  assert.equal(limiter.refusedForMs('203.0.113.8'), 0)
})

test('A3: an IPv6 network is one address', () => {
  const limiter = new FailureLimiter(new FakeClock())
  for (let host = 1; host <= FAILURES_A_MINUTE; host++) limiter.failed(`2001:db8::${host.toString(16)}`)
  assert.equal(limiter.refusedForMs('2001:db8::ffff'), REFUSED_MS)
  assert.equal(limiter.refusedForMs('2001:db8:0:1::1'), 0)
})

test('a few failures now and then are forgiven', () => {
  const clock = new FakeClock()
  const limiter = new FailureLimiter(clock)
  for (let hour = 0; hour < 100; hour++) {
    assert.equal(limiter.failed('203.0.113.7'), false)
    clock.advance(10_000)
  }
})

test('the number of addresses kept is bounded', () => {
  const limiter = new FailureLimiter(new FakeClock())
  for (let host = 0; host < MAX_ADDRESSES + 10; host++)
    limiter.failed(`10.${host >> 16}.${(host >> 8) & 255}.${host & 255}`)
  assert.equal(limiter.size, MAX_ADDRESSES)
})
