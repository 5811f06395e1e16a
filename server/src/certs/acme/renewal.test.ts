// The arithmetic of renewals, back-off and the CA's limits.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KeptOrder } from './records.ts'
import { asksAt, keptTime, looksAt, momentIn, renewalWithin, renewsAt, triesAt } from './renewal.ts'
import { orderFreeAt, SAME_NAMES_MS, sameNamesFreeAt } from './spent.ts'

const MINUTE = 60_000
const DAY = 86_400_000
const never = () => 0
const NOW = 1_000 * DAY

test('a third of the life is left at a renewal, half below ten days', () => {
  assert.equal(renewsAt(0, 90 * DAY, never), 60 * DAY)
  assert.equal(renewsAt(0, 6 * DAY, never), 3 * DAY)
  assert.ok(renewsAt(0, 90 * DAY, () => 1) > 57 * DAY)
})

test("a moment of the CA's window; one that has passed is now", () => {
  assert.equal(
    momentIn({ start: NOW + DAY, end: NOW + 3 * DAY }, NOW, () => 0.5),
    NOW + 2 * DAY,
  )
  assert.equal(momentIn({ start: NOW - 2 * DAY, end: NOW - DAY }, NOW, never), NOW)
  assert.equal(asksAt(undefined, NOW, never), NOW + DAY / 2)
  assert.equal(asksAt(10 * DAY, NOW, never), NOW + DAY / 2, 'twice a day at least')
  assert.equal(asksAt(0, NOW, never), NOW + MINUTE)
})

test("I4: a CA that says 'now' each time, or 'later' than the end, does no harm; nor does a clock that was wrong", () => {
  const life = { notBefore: new Date(NOW), notAfter: new Date(NOW + 90 * DAY) }
  assert.equal(renewalWithin(NOW, life, NOW), NOW + 60 * MINUTE)
  assert.equal(renewalWithin(NOW + 60 * DAY, life, NOW), NOW + 60 * DAY)
  assert.equal(renewalWithin(NOW + 900 * DAY, life, NOW), NOW + 81 * DAY)
  assert.equal(renewalWithin(NOW, life, NOW + 89 * DAY), NOW + 89 * DAY + 60 * MINUTE)
  assert.equal(keptTime(undefined, NOW), 0)
  assert.equal(keptTime(new Date(NOW + 31 * DAY), NOW), NOW + 31 * DAY)
  assert.equal(keptTime(new Date(NOW + 365 * DAY), NOW), 0)
})

test('I4: after refusals 1, 10 and 100 minutes, then daily, and never before Retry-After', () => {
  const after = (failures: number, retryAfterMs?: number) => triesAt(failures, retryAfterMs, NOW, never) - NOW
  assert.deepEqual([after(1), after(2), after(3), after(4), after(9)], [MINUTE, 10 * MINUTE, 100 * MINUTE, DAY, DAY])
  assert.equal(after(1, 3 * DAY), 3 * DAY)
  assert.ok(triesAt(1, 3 * DAY, NOW, () => 1) >= NOW + 3 * DAY)
  assert.equal(looksAt(1, NOW, never) - NOW, 10_000)
  assert.equal(looksAt(1_000, NOW, never) - NOW, 60 * MINUTE)
})

test('I4: five orders for exactly the same names in seven days, ten of all in ten seconds', () => {
  const order = (change: Partial<KeptOrder>, agoMs: number): KeptOrder => ({
    ...{ id: 1, names: ['a'], directory: 'd', isRenewal: false, stage: 'finalize', outcome: 'issued' },
    ...{ startedAt: new Date(NOW - agoMs), ...change },
  })
  const five = [1, 2, 3, 4, 5].map(days => order({}, days * DAY))
  assert.equal(sameNamesFreeAt(five, NOW, undefined), NOW - 5 * DAY + SAME_NAMES_MS)
  assert.equal(sameNamesFreeAt(five.slice(1), NOW, undefined), undefined)
  assert.equal(sameNamesFreeAt(five, NOW, MINUTE), undefined, 'a CA of such short lives means no such limit')
  const uncounted: Partial<KeptOrder>[] = [
    { isRenewal: true },
    { outcome: 'failed' },
    { outcome: '', stage: 'challenge' },
    { outcome: '', stage: '' },
  ]
  for (const change of uncounted) {
    assert.equal(sameNamesFreeAt([...five.slice(1), order(change, DAY)], NOW, undefined), undefined)
  }
  const cutOff = order({ outcome: '', stage: 'finalize' }, DAY)
  assert.notEqual(sameNamesFreeAt([cutOff, ...five.slice(0, 4)], NOW, undefined), undefined, 'it may have been issued')
  const many = Array.from({ length: 10 }, () => order({}, 1_000))
  assert.equal(orderFreeAt(many, NOW), NOW + 9_000)
  assert.equal(orderFreeAt(many.slice(1), NOW), undefined)
})
