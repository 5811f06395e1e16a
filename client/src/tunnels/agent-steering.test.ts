// What the owner says on the server, as an agent takes it: ended tunnels, their start, new tokens; and what it tells of targets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { GRACE_MS } from '@pbt/proto'
import { Feature, NewTokenSchema, StartTunnelSchema } from '@pbt/proto/tunnel/v1'
import { type Call, closed, online, opened, refused, start } from './testing/agent-run.ts'

/** Whether each tunnel that was asked for was so by the owner. */
function asked(call: Call): boolean[] {
  return call.frames.flatMap(frame => (frame.case === 'openTunnel' ? [frame.value.ownerAsked] : []))
}

test('a command says that the owner asked until it has an answer, and never again by itself', () => {
  const run = start()
  run.call(0).welcome()
  run.clock.advance(10)
  // The server failed, and has not heard it.
  refused(run.call(0), 'internal')
  run.clock.advance(3_000)
  refused(run.call(0), 'name-taken')
  assert.deepEqual(asked(run.call(0)), [true, true])

  const other = online()
  other.call(0).end('link-lost')
  other.clock.advance(GRACE_MS + 1_000)
  other.call(-1).welcome()
  other.clock.advance(10)
  assert.deepEqual([asked(other.call(0)), asked(other.call(-1))], [[true], [false]])
  other.agent.open(other.planOf(2, 'more'))
  other.clock.advance(10)
  assert.deepEqual(asked(other.call(-1)), [false, true])
})

test('what restarts by itself never says that the owner asked', () => {
  const run = online({ isAskedByOwner: false })
  assert.deepEqual(asked(run.call(0)), [false])
})

test('an end by the owner is exit code 5, also for one who asks again by itself', async () => {
  const run = online()
  run.call(0).end('link-lost')
  run.clock.advance(GRACE_MS + 1_000)
  run.call(-1).welcome()
  run.clock.advance(10)
  refused(run.call(-1), 'killed')
  run.clock.advance(10)
  const told = run.events.at(-1)
  assert.deepEqual(told?.event === 'error' && [told.code, told.retrying], ['killed', undefined])
  run.clock.advance(2_000)
  assert.equal(await run.agent.finished, 5)
})

test('one of several tunnels that is ended leaves the others alone', () => {
  const run = online()
  run.agent.open(run.planOf(2, 'other'))
  run.clock.advance(10)
  opened(run.call(0), 2, 'other')
  closed(run.call(0), 'killed')
  run.clock.advance(2_000)
  assert.equal(run.ended.exitCode, undefined)
  run.call(0).end('link-lost')
  run.clock.advance(GRACE_MS + 1_000)
  run.call(-1).welcome()
  run.clock.advance(10)
  const wanted = run.call(-1).frames.map(frame => frame.case === 'openTunnel' && frame.value.tunnel)
  assert.deepEqual(wanted, [2])
})

test('a daemon keeps a tunnel that is ended, over sessions, and opens it when the owner starts it', () => {
  const run = online({ keepsEnded: true })
  assert.ok(run.call(0).hello.features?.includes(Feature.START_TUNNEL))
  closed(run.call(0), 'killed')
  run.clock.advance(10)
  assert.deepEqual([run.ended.exitCode, run.closedForwarders], [undefined, []])
  run.call(0).end('link-lost')
  run.clock.advance(GRACE_MS + 1_000)
  run.call(-1).welcome()
  run.clock.advance(10)
  assert.deepEqual(asked(run.call(-1)), [])
  for (const name of ['another', 'app', 'app']) {
    run.call(-1).mux.sendSessionFrame({ case: 'startTunnel', value: create(StartTunnelSchema, { name }) })
  }
  run.clock.advance(10)
  assert.deepEqual(asked(run.call(-1)), [true])
  opened(run.call(-1))
  run.clock.advance(10)
  assert.equal(run.names().at(-1), 'online')
})

test('a new token is taken and said so, with why it is not stored; one without a number needs no answer', () => {
  const token = `pbt_${'n'.repeat(43)}`
  const run = online({ notStored: 'no place' })
  for (const id of [0n, 7n]) {
    run.call(0).mux.sendSessionFrame({ case: 'newToken', value: create(NewTokenSchema, { token, id }) })
  }
  run.clock.advance(10)
  const taken = run.call(0).frames.flatMap(frame => (frame.case === 'tokenTaken' ? [frame.value] : []))
  assert.deepEqual(
    taken.map(({ id, notStored }) => [id, notStored]),
    [[7n, 'no place']],
  )
  assert.deepEqual(run.tokens, [token, token])
})

test('one that has the new token goes on with it when its session ends with the old one', () => {
  const run = online()
  const value = create(NewTokenSchema, { token: `pbt_${'n'.repeat(43)}`, id: 7n })
  run.call(0).mux.sendSessionFrame({ case: 'newToken', value })
  run.clock.advance(1)
  run.call(0).mux.goAway('token-revoked', 'the owner made a new token', false, 0)
  run.clock.advance(1_000)
  assert.equal(run.dials(), 2)
  // Once the server knows that it was taken, it is that one that has ended.
  const known = online()
  known.call(0).mux.sendSessionFrame({ case: 'newToken', value })
  known.clock.advance(1_000)
  known.call(0).mux.goAway('token-revoked', 'the owner made a new token', false, 0)
  known.clock.advance(1_000)
  assert.equal(known.dials(), 1)
})

test('how a target is goes to the server, again in a new session, and not once the tunnel is over', () => {
  const run = online()
  const health = (call: Call) =>
    call.frames.flatMap(({ case: name, value }) =>
      name === 'targetHealth' ? [[value.tunnel, value.state, value.message]] : [],
    )
  run.agent.targetSeen(1, 'connection refused')
  run.clock.advance(10)
  assert.deepEqual(health(run.call(0)), [[1, 2, 'connection refused']])
  run.call(0).end('link-lost')
  run.clock.advance(GRACE_MS + 1_000)
  run.call(-1).welcome()
  run.clock.advance(10)
  opened(run.call(-1))
  run.clock.advance(10)
  assert.deepEqual(health(run.call(-1)), [[1, 2, 'connection refused']])
})
