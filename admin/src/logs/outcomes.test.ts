import assert from 'node:assert/strict'
import { test } from 'node:test'
import { outcomesOf } from './outcomes.ts'

const NONE = { requests: 0n, upgrades: 0n, connections: 0n, flows: 0n, broken: 0n, status5xx: 0n, refused: 0n }

test('those turned away come on top of what was served, and take nothing from it', () => {
  assert.deepEqual(outcomesOf({ ...NONE, requests: 34n, refused: 1n }), { answered: 34, failed: 0, refused: 1 })
  assert.deepEqual(outcomesOf({ ...NONE, refused: 3n }), { answered: 0, failed: 0, refused: 3 })
})

test('what broke off or failed is part of what came', () => {
  const figures = { ...NONE, requests: 10n, flows: 5n, broken: 2n, status5xx: 1n }
  assert.deepEqual(outcomesOf(figures), { answered: 12, failed: 3, refused: 0 })
})
