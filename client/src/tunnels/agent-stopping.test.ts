// An agent that is told to stop: who is let end, for how long, and what the server hears, in virtual time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { STOP_MS } from './idle.ts'
import { exitCodeOf, HEAD, online, start } from './testing/agent-run.ts'

test('stopping says goodbye and waits for the server to end the line, but not for long', async () => {
  const run = online()
  run.agent.stop()
  run.clock.advance(10)
  assert.equal(run.call(0).frames.at(-1)?.case, 'goodbye')
  assert.equal(run.ended.exitCode, undefined)
  run.call(0).end('link-lost')
  assert.equal(await exitCodeOf(run), 0)

  const slow = online()
  slow.agent.stop()
  assert.equal(await exitCodeOf(slow), 0)
})

test('H44: stopping lets what is under way end, for ten seconds at most, and takes nobody new', async () => {
  for (const ends of [true, false]) {
    const run = online()
    const channel = run.call(0).mux.open({ kind: 'http', head: HEAD }, true, { onReset: () => {} })
    run.clock.advance(10)
    run.agent.stop()
    assert.deepEqual(run.events.at(-1), { event: 'stopping', open: 1, limitMs: STOP_MS })
    run.clock.advance(10)
    assert.equal(run.call(0).frames.at(-1)?.case, 'closeTunnel')
    run.clock.advance(STOP_MS / 2)
    assert.equal(run.call(0).frames.at(-1)?.case, 'closeTunnel', 'no goodbye yet')
    if (ends) channel.reset('cancelled', 'the visitor went away')
    run.clock.advance(ends ? 100 : STOP_MS / 2 + 100)
    assert.equal(run.call(0).frames.at(-1)?.case, 'goodbye')
    run.call(0).end('link-lost')
    assert.equal(await exitCodeOf(run), 0)
  }
})

test('H44: stopping a second time says goodbye at once, and waits for the server no longer than the first', async () => {
  const run = online()
  run.call(0).mux.open({ kind: 'http', head: HEAD }, true, { onReset: () => {} })
  run.clock.advance(10)
  run.agent.stop()
  run.agent.stop()
  run.clock.advance(10)
  assert.equal(run.call(0).frames.at(-1)?.case, 'goodbye')
  run.agent.stop()
  assert.equal(run.ended.exitCode, undefined, 'the goodbye is on its way')
  assert.equal(await exitCodeOf(run), 0)
})

test('H44: stopping ends at once when the link breaks meanwhile', async () => {
  const run = online()
  run.call(0).mux.open({ kind: 'http', head: HEAD }, true, { onReset: () => {} })
  run.clock.advance(10)
  run.agent.stop()
  run.call(0).end('link-lost')
  assert.equal(await exitCodeOf(run), 0)
  assert.equal(run.dials(), 1)
})

test('stopping while the server is away ends at once', async () => {
  const run = start()
  run.call(0).end('unreachable')
  run.agent.stop()
  assert.equal(await run.agent.finished, 0)
  run.clock.advance(60_000)
  assert.equal(run.dials(), 1)
})
