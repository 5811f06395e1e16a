// What an agent makes of a network that changes and of a machine that slept, in virtual time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROBE_MS } from '../session/session.ts'
import { HEAD, online, start } from './testing/agent-run.ts'

test('a link that answers after a change of the network stays', () => {
  const run = online()
  run.agent.networkChanged()
  run.clock.advance(20_000)
  assert.equal(run.dials(), 1)
  assert.deepEqual(run.names(), ['connected', 'online'])
})

test('a link that does not answer after a change of the network is replaced within a second, and nothing is lost', () => {
  const run = online()
  run.clock.advance(60_000)
  run.call(0).mux.open({ kind: 'http', head: HEAD }, true, { onReset: () => {} })
  run.clock.advance(10)
  run.call(0).isCut = true
  run.agent.networkChanged()
  run.clock.advance(PROBE_MS + 10)
  assert.equal(run.dials(), 2)
  run.call(1).welcome(run.call(0).mux)
  run.clock.advance(10)
  assert.deepEqual(run.names(), ['connected', 'online', 'reconnecting', 'resumed'])
  assert.deepEqual(run.resets, [])
  const [, , lost] = run.events
  assert.equal(lost?.event === 'reconnecting' && lost.reason, 'the server did not respond for 0.7 s')
})

test('after a change of the network the next try is at once, also when one is under way that leads nowhere', () => {
  const run = start()
  for (let failures = 0; failures < 8; failures++) {
    run.call(-1).end('unreachable', 'nobody there')
    run.clock.advance(30_000)
  }
  run.call(-1).end('unreachable', 'nobody there')
  const before = run.dials()
  run.agent.networkChanged()
  assert.equal(run.dials(), before + 1)
  run.agent.networkChanged()
  assert.equal(run.dials(), before + 2)
  assert.equal(run.call(-2).isHungUp, true)
  run.call(-1).end('unreachable', 'not yet')
  run.clock.advance(600)
  assert.ok(run.dials() >= before + 3)
})

test('a network that changes all the time does not make it dial all the time', () => {
  const run = start()
  for (let second = 0; second < 600; second++) {
    run.agent.networkChanged()
    run.clock.advance(1_000)
  }
  assert.ok(run.dials() <= 120, `${run.dials()} dials in 600 s`)
})

test('ten minutes of sleep: what the server gave up meanwhile is begun anew at once, at the same address', () => {
  const run = online()
  // The monotonic clock stood still; the server's link is long gone and tells nobody.
  run.call(0).isCut = true
  run.agent.networkChanged()
  run.clock.advance(PROBE_MS + 10)
  run.call(1).welcome()
  run.clock.advance(10)
  const [asked] = run.call(1).frames
  assert.deepEqual(asked?.case === 'openTunnel' && asked.value.domains, ['app'])
})

test('a name service or a route that has been away for long is found within two seconds of being back', () => {
  const run = start()
  for (let failures = 1; failures <= 100; failures++) {
    run.call(-1).end('unreachable', 'getaddrinfo EAI_AGAIN', true)
    run.clock.advance(2_000)
    assert.equal(run.dials(), failures + 1)
  }
  // A server that does not answer is not dialled so often.
  run.call(-1).end('unreachable', 'nobody there')
  run.clock.advance(20_000)
  assert.equal(run.dials(), 101)
})
