import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Allowance } from './allowance.ts'

function spend(allowance: Allowance): number {
  let spent = 0
  while (allowance.spend(1)) spent++
  return spent
}

test('so much at once, and then as it fills', () => {
  let now = 0
  const allowance = new Allowance({ now: () => now }, 10, 2)
  assert.equal(spend(allowance), 10)
  now += 1_500
  assert.equal(spend(allowance), 3)
  now += 1_000_000
  assert.equal(spend(allowance), 10)
})

test('what is not there is not taken in part', () => {
  const allowance = new Allowance({ now: () => 0 }, 10, 1)
  assert.equal(allowance.spend(11), false)
  assert.equal(spend(allowance), 10)
})

test('other terms hold at once, and what was saved by the old ones is not kept beyond them', () => {
  let now = 0
  const allowance = new Allowance({ now: () => now }, 100, 50)
  allowance.change(1, 1)
  assert.equal(spend(allowance), 1)
  now += 3_000
  assert.equal(spend(allowance), 1)
  now += 1_000
  allowance.change(100, 50)
  assert.equal(spend(allowance), 50)
})
