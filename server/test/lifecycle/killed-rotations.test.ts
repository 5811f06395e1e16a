// The short form of `node bench/rotations.ts`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killRotations } from '../support/killed-rotations.ts'

test('A4: kill -9 in the middle of rotations leaves exactly one token without an end', async t => {
  const { told, untold } = await killRotations(t, 4)
  t.diagnostic(`${told} rotations were told, ${untold} were not`)
  assert.equal(told + untold, 4)
})
