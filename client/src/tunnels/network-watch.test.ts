// What counts as a change of the network, in virtual time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import { LOOK_EVERY_MS, NetworkWatch } from './network-watch.ts'

function watching() {
  const clock = new FakeClock()
  const state = { sleptMs: 0, network: 'wlan0 192.0.2.7/24', changes: 0 }
  const watch = new NetworkWatch({
    clock,
    wallTime: () => 1_800_000_000_000 + clock.now() + state.sleptMs,
    network: () => state.network,
    onChange: () => state.changes++,
  })
  return { clock, state, watch }
}

test('a quiet hour is no change, nor is a clock that is corrected by a little', () => {
  const { clock, state } = watching()
  clock.advance(1_800_000)
  state.sleptMs += 3_000
  clock.advance(1_800_000)
  assert.equal(state.changes, 0)
})

test('a machine that slept is noticed within a second, once, and also when the clock is set back', () => {
  const { clock, state } = watching()
  for (const sleptMs of [600_000, -600_000]) {
    state.changes = 0
    state.sleptMs += sleptMs
    clock.advance(LOOK_EVERY_MS)
    assert.equal(state.changes, 1)
    clock.advance(60_000)
    assert.equal(state.changes, 1)
  }
})

test('another address is noticed within a second, and again when the first one is back', () => {
  const { clock, state, watch } = watching()
  clock.advance(500)
  state.network = 'wlan0 198.51.100.9/24'
  clock.advance(LOOK_EVERY_MS)
  assert.equal(state.changes, 1)
  state.network = 'wlan0 192.0.2.7/24'
  clock.advance(LOOK_EVERY_MS)
  assert.equal(state.changes, 2)
  watch.end()
  state.network = ''
  clock.advance(60_000)
  assert.equal(state.changes, 2)
})
