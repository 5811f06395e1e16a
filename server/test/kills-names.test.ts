// The server is killed while names are claimed: what was acknowledged is remembered.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killWhileClaiming } from './support/claiming.ts'

test('H11: every name that was acknowledged before kill -9 is there afterwards, and the database is whole', async t => {
  assert.ok((await killWhileClaiming(t, 6, said => t.diagnostic(said))) > 0)
})
