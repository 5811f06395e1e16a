// A minute of everything at once: `bench/chaos.ts` does the same for as long as one likes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runChaos } from '../support/chaos.ts'

test('H1, H2, H5: a minute of cuts, black holes, kills, junk and slow peers loses, repeats and mixes up nothing', async t => {
  const seed = Number(process.env.PBT_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
  t.diagnostic(`PBT_TEST_SEED=${seed}`)
  const options = { seed, seconds: 60, perSecond: 100, say: (what: string) => t.diagnostic(what) }
  const { rows, faults, growth } = await runChaos(t, options)
  for (const { kind, visits, whole, cut } of rows) t.diagnostic(`${kind}: ${visits} visits, ${whole} whole, ${cut} cut`)
  t.diagnostic(JSON.stringify(growth))
  assert.deepEqual(faults.slice(0, 10), [], `${faults.length} faults`)
  assert.ok(rows.every(({ whole }) => whole > 0))
})
