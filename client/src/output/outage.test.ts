// An outage of an hour, in virtual time: what a log has of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import { opened, start } from '../tunnels/testing/agent-run.ts'
import { Lines } from './lines.ts'

test('H3: a server that cannot be reached for the hour after a boot is one line a minute, then the tunnel is up', () => {
  const run = start()
  let text = ''
  const lines = new Lines(
    run.clock,
    () => run.clock.now(),
    part => {
      text += part
    },
  )
  let told = 0
  const tell = () => {
    for (; told < run.events.length; told++) {
      const event = run.events[told]
      if (event !== undefined) lines.event(event)
    }
  }
  const dials = () => run.dials()
  for (let seconds = 0; seconds < 3_600; seconds++) {
    if (!run.call(-1).isHungUp) run.call(-1).end('unreachable', 'connect ECONNREFUSED')
    run.call(-1).isHungUp = true
    run.clock.advance(1_000)
    tell()
  }
  assert.ok(dials() >= 120, `${dials()} tries`)
  const all = text.trim().split('\n')
  const tries = all.filter(line => line.includes('trying again'))
  assert.ok(tries.length >= 55 && tries.length <= 61, `${tries.length} lines`)
  assert.ok(all.length <= tries.length + 1, 'besides that it is offline, nothing')
  run.clock.advance(40_000)
  run.call(-1).welcome()
  run.clock.advance(10)
  opened(run.call(-1))
  run.clock.advance(10)
  text = ''
  tell()
  assert.match(text, /connected to localhost:8443\n.*online: https:\/\/app\.localhost:8443/)
  // The next outage is told at once.
  run.call(-1).end('link-lost', 'gone')
  tell()
  assert.match(text, /gone; trying again now/)
})

test('while a server is tried again and again, what to do is told once', () => {
  const clock = new FakeClock()
  let text = ''
  const lines = new Lines(
    clock,
    () => clock.now(),
    part => {
      text += part
    },
  )
  for (let minute = 0; minute < 5; minute++) {
    lines.event({ event: 'reconnecting', reason: 'nobody there', cure: 'check the port', retryInMs: 30_000 })
    clock.advance(60_000)
  }
  assert.equal(text.split('nobody there').length, 6)
  assert.equal(text.split('to do: check the port').length, 2)
})
