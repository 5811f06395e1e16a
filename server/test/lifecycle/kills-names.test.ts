// The server is killed while names and ports are claimed: what was acknowledged is remembered.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killWhileClaiming } from '../support/claiming.ts'

test('H11: every name and port that was acknowledged before kill -9 is there afterwards, and the database is whole', async t => {
  const { names, ports } = await killWhileClaiming(t, 6, said => t.diagnostic(said))
  t.diagnostic(`${names} names and ${ports} ports were acknowledged`)
  assert.ok(names > 0 && ports > 0)
})
