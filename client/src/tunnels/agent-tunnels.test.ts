// Tunnels that are added and taken away while others run, whatever the link does meanwhile: real multiplexers, in virtual time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Call, HEAD, online, opened, type Run, refused } from './testing/agent-run.ts'

const HANDLER = { onReset: () => {} }

/** A visitor of the tunnel comes. */
function visit(run: Run, call: number, tunnel: number) {
  const channel = run.call(call).mux.open({ kind: 'http', head: { ...HEAD, tunnel } }, true, HANDLER)
  run.clock.advance(10)
  return channel
}

/** The tunnels that a call was asked for and not told to close, as its server has them. */
function wantedOf({ frames }: Call): number[] {
  const wanted = new Set<number>()
  for (const { case: kind, value } of frames) {
    if (kind === 'openTunnel') wanted.add(value.tunnel)
    else if (kind === 'closeTunnel') wanted.delete(value.tunnel)
  }
  return [...wanted]
}

function lose(run: Run): void {
  run.call(-1).end('link-lost')
  run.clock.advance(1)
}

/** The next link, of the same session. */
function resume(run: Run, before: Call): void {
  run.call(-1).welcome(before.mux)
  run.clock.advance(10)
}

test('a tunnel that is added is asked for, alone, and what the others have under way goes on', () => {
  const run = online()
  visit(run, 0, 1)
  run.agent.open(run.planOf(2, 'two'))
  run.clock.advance(10)
  opened(run.call(0), 2, 'two')
  run.clock.advance(10)
  visit(run, 0, 2)
  assert.deepEqual(wantedOf(run.call(0)), [1, 2])
  assert.equal(run.call(0).frames.length, 2)
  assert.deepEqual(run.names(), ['connected', 'online', 'added', 'online'])
  assert.deepEqual([run.accepted.map(({ isOpen }) => isOpen), run.resets, run.dials()], [[true, true], [], 1])
})

test('a tunnel that is taken away gets no new visitors; those on their way are served, and the others go on', () => {
  const run = online()
  run.agent.open(run.planOf(2, 'two'))
  run.clock.advance(10)
  opened(run.call(0), 2, 'two')
  run.clock.advance(10)
  const [one, two] = [visit(run, 0, 1), visit(run, 0, 2)]
  run.agent.close(2)
  assert.deepEqual([run.events.at(-1), run.closedForwarders], [{ event: 'removed', number: 2, tunnel: 'two' }, [2]])
  // The server has not heard of it yet.
  const late = visit(run, 0, 2)
  assert.deepEqual(wantedOf(run.call(0)), [1])
  assert.ok(one.isOpen && two.isOpen && late.isOpen)
  run.clock.advance(20_000)
  assert.equal(visit(run, 0, 2).isOpen, false, 'a server that goes on sending visitors is told that there is no tunnel')
  assert.ok(visit(run, 0, 1).isOpen && one.isOpen && two.isOpen)
  run.agent.close(2)
  assert.equal(run.names().filter(name => name === 'removed').length, 1)
})

test('without tunnels the session stays, and takes the next one', () => {
  const run = online()
  run.agent.close(1)
  run.clock.advance(60_000)
  run.agent.open(run.planOf(2, 'two'))
  run.clock.advance(10)
  opened(run.call(0), 2, 'two')
  run.clock.advance(10)
  assert.deepEqual([wantedOf(run.call(0)), run.dials()], [[2], 1])
  assert.equal(run.events.at(-1)?.event, 'online')
})

test('what is added and taken away while the link is down comes with the next link of the session', () => {
  const run = online()
  const first = run.call(0)
  visit(run, 0, 1)
  lose(run)
  run.agent.open(run.planOf(2, 'two'))
  run.agent.open(run.planOf(3, 'three'))
  run.agent.close(1)
  run.agent.close(3)
  resume(run, first)
  assert.deepEqual(wantedOf(first), [2])
  opened(run.call(1), 2, 'two')
  run.clock.advance(10)
  assert.deepEqual(run.names().slice(-2), ['resumed', 'online'])
  assert.equal(run.accepted[0]?.isOpen, true, 'what was under way goes on')
})

test('a session that is begun anew asks for what is wanted now', () => {
  const run = online()
  lose(run)
  run.agent.open(run.planOf(2, 'two'))
  run.agent.close(1)
  run.call(1).welcome()
  run.clock.advance(10)
  assert.deepEqual(wantedOf(run.call(1)), [2])
  assert.equal(run.call(1).frames.length, 1)
})

test('a tunnel taken away before the server answered, or while it is refused, is not asked for again', () => {
  const run = online()
  run.agent.open(run.planOf(2, 'two'))
  run.agent.close(2)
  run.clock.advance(10)
  opened(run.call(0), 2, 'two')
  run.agent.open(run.planOf(3, 'three'))
  run.clock.advance(10)
  refused(run.call(0), 'limit', 3)
  run.clock.advance(10)
  run.agent.close(3)
  run.clock.advance(100_000)
  assert.equal(run.call(0).frames.filter(frame => frame.case === 'openTunnel').length, 3)
  assert.equal(run.dials(), 1, 'no answer is missed')
  assert.deepEqual(run.names(), ['connected', 'online', 'added', 'removed', 'added', 'error', 'removed'])
})

test('a tunnel that is added and refused for good leaves the others alone', () => {
  const run = online()
  run.agent.open(run.planOf(2, 'two'))
  run.clock.advance(10)
  refused(run.call(0), 'name-taken', 2)
  run.clock.advance(10)
  assert.deepEqual(run.closedForwarders, [2])
  run.clock.advance(60_000)
  assert.deepEqual([run.ended.exitCode, run.dials(), run.names().at(-1)], [undefined, 1, 'error'])
})

test('while a server goes down a tunnel is taken away at both, and one that is added is asked of the next', () => {
  const run = online()
  run.call(0).mux.goAway('shutdown', 'restarting', true, 100)
  run.clock.advance(300)
  run.call(1).welcome()
  run.clock.advance(10)
  opened(run.call(1))
  run.clock.advance(10)
  run.agent.open(run.planOf(2, 'two'))
  run.agent.close(1)
  run.clock.advance(10)
  assert.deepEqual([wantedOf(run.call(0)), wantedOf(run.call(1))], [[], [2]])
})

test('once the process is told to stop nothing is added', () => {
  const run = online()
  run.agent.stop()
  run.agent.open(run.planOf(2, 'two'))
  run.agent.close(1)
  run.clock.advance(10)
  assert.deepEqual(
    run.call(0).frames.map(frame => frame.case),
    ['openTunnel', 'goodbye'],
  )
  assert.ok(run.closedForwarders.includes(2))
})

test('whatever is added, taken away and lost, in any order, the server ends with what is wanted', () => {
  const step = fc.constantFrom('open', 'close', 'lose', 'resume', 'anew', 'wait')
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const run = online()
      const wanted = new Set([1])
      let [last, isLinked, session] = [1, true, run.call(0)]
      const back = (isAnew: boolean) => {
        run.clock.advance(5_000)
        run.call(-1).welcome(isAnew ? undefined : session.mux)
        if (isAnew) session = run.call(-1)
        isLinked = true
        run.clock.advance(10)
      }
      for (const one of steps) {
        if (one === 'open') {
          wanted.add(++last)
          run.agent.open(run.planOf(last, `t${last}`))
        } else if (one === 'close') {
          const [number = 0] = [...wanted].slice(-1)
          wanted.delete(number)
          run.agent.close(number)
        } else if (one === 'wait')
          run.clock.advance(500) // in all less than the grace time
        else if (one === 'lose' && isLinked) {
          run.call(-1).end('link-lost')
          isLinked = false
        } else if ((one === 'resume' || one === 'anew') && !isLinked) back(one === 'anew')
      }
      if (!isLinked) back(false)
      run.clock.advance(10)
      assert.deepEqual(wantedOf(session).sort(), [...wanted].sort())
    }),
    { numRuns: 200 },
  )
})
