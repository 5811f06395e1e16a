// What a tunnel carried, by a clock that the test moves.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import { Tally } from './tally.ts'
import { TunnelFigures } from './tunnel-figures.ts'

function house() {
  const clock = new FakeClock()
  const tally = new Tally('app')
  const tallies = new Map([['app', tally]])
  const zeros = new Tally('')
  const before = [{ ...zeros, tunnel: 'app', requests: 40, bytesOut: 1_000 }]
  const figures = new TunnelFigures({ tallies, before: Promise.resolve(before), clock })
  return { clock, tally, figures }
}

test('totals are those of before and those since', async () => {
  const { tally, figures } = house()
  tally.requests = 2
  assert.equal(figures.totalsOf('app').requests, 2)
  await Promise.resolve()
  assert.deepEqual([figures.totalsOf('app').requests, figures.totalsOf('app').bytesOut], [42, 1_000])
  assert.equal(figures.totalsOf('other').requests, 0)
  figures.end()
})

test('a rate is of the last 10 s, and the series has the last 10 minutes, the oldest first', () => {
  const { clock, tally, figures } = house()
  assert.deepEqual(figures.trafficOf('app').recent.length, 40)
  for (let second = 0; second < 20; second++) {
    tally.bytesIn += 100
    tally.bytesOut += 900
    clock.advance(1_000)
  }
  const { inRate, outRate, recent } = figures.trafficOf('app')
  assert.deepEqual([inRate, outRate], [100, 900])
  assert.equal(recent.length, 40)
  assert.equal(
    recent.reduce((all, bytes) => all + bytes, 0),
    20_000,
  )
  assert.ok((recent.at(-1) ?? 0) > 0 && recent[0] === 0)
  clock.advance(10_000)
  assert.deepEqual([figures.trafficOf('app').inRate, figures.trafficOf('app').outRate], [0, 0])
  clock.advance(600_000)
  assert.ok(figures.trafficOf('app').recent.every(bytes => bytes === 0))
  figures.end()
})
