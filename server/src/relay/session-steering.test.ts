// What the owner says of tunnels while their sessions live: ended, started again, paused; and newer tokens.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { type ChannelHandler, codeOf, type PbtError } from '@pbt/proto'
import { OpenTunnelSchema, TargetHealth_State, TargetHealthSchema, TokenTakenSchema } from '@pbt/proto/tunnel/v1'
import { house } from './testing/session-house.ts'

const HEAD = { tunnel: 0, method: 'GET', target: '/', headers: [], upgrade: '', visitor: '192.0.2.1:9', connection: '' }

function listening() {
  const errors: PbtError[] = []
  const handler: ChannelHandler = { onReset: error => errors.push(error) }
  return { errors, handler }
}

test('a tunnel that the owner ends is closed with its words, its visitors are cut at once, and others go on', async () => {
  const { registry, state, steer, offline, join } = house()
  const { session, mux, connect, open, heard, settle, refusals } = join()
  connect()
  await open(1)
  await open(2, { domains: ['other'] })
  const [ended, other] = [listening(), listening()]
  for (const [host, { handler }] of [
    ['app.localhost', ended],
    ['other.localhost', other],
  ] as const) {
    const lookup = registry.lookup(host)
    assert.ok(lookup.state === 'online')
    lookup.tunnel.open({ ...HEAD }, true, handler)
  }
  await settle()
  await steer({ killed: ['app'] }, session)
  assert.deepEqual(
    [ended.errors[0]?.code, other.errors.length, state(), state('other.localhost')],
    ['killed', 0, 'offline', 'online'],
  )
  assert.deepEqual(offline, ['app'])
  await settle()
  const closed = heard.at(-1)
  assert.ok(closed?.case === 'tunnelClosed')
  assert.equal(codeOf(closed.value.reason), 'killed')
  assert.match(closed.value.message, /the owner ended the tunnel "app" on the server/)
  assert.equal(mux.channels.size, 1)
  // A program that comes back by itself does not get it, the owner does.
  await open(3)
  assert.deepEqual(refusals(), [{ code: 'killed', cure: refusals()[0]?.cure }])
  assert.match(refusals()[0]?.cure ?? '', /run its command again, or "pbt-server tunnel start app"/)
  assert.equal(state(), 'offline')
  await open(4, { ownerAsked: true })
  assert.deepEqual([state(), refusals().length], ['online', 1])
})

test('a tunnel that is ended while its client is away, or while its name is written, does not come up', async () => {
  const { state, steer, disk, join } = house()
  const { session, connect, open, heard, settle } = join()
  const link = connect()
  await open(1)
  session.linkLost(link)
  await steer({ killed: ['app'] }, session)
  assert.equal(state(), 'offline')
  connect()
  await settle()
  assert.equal(heard.at(-1)?.case, 'tunnelClosed')
  const writing = Promise.withResolvers<void>()
  disk.written = writing.promise
  await open(2, { domains: ['late'] })
  await steer({ killed: ['app', 'late'] }, session)
  writing.resolve()
  await settle()
  assert.deepEqual([state('late.localhost'), heard.at(-1)?.case], ['offline', 'tunnelClosed'])
  assert.equal(session.tunnels.size, 0)
})

test('a tunnel is paused and resumed by its name, with its session and channels as they are', async () => {
  const { registry, steer, join } = house()
  const { session, connect, open, heard } = join()
  connect()
  await open(1)
  const lookup = registry.lookup('app.localhost')
  assert.ok(lookup.state === 'online' && !lookup.tunnel.isPaused)
  const { errors, handler } = listening()
  lookup.tunnel.open({ ...HEAD }, true, handler)
  const before = heard.length
  await steer({ paused: ['app', 'another'] }, session)
  assert.ok(lookup.tunnel.isPaused)
  await steer({ paused: [] }, session)
  assert.ok(!lookup.tunnel.isPaused)
  assert.deepEqual([errors, heard.length], [[], before])
})

test('what was read of ended tunnels before one was asked for again does not end it', async () => {
  const { state, steer, steered, join } = house()
  const { session, connect, open } = join()
  connect()
  await steer({ killed: ['app'] }, session)
  const reading = steer({}, session)
  await open(1, { ownerAsked: true })
  await reading
  assert.deepEqual([state(), steered.killed], ['online', []])
})

test('a session counts as of the token that its client has taken, and of none that it was not sent', async () => {
  const { join, news } = house()
  const { session, connect, say, heard, settle, goAways } = join()
  connect()
  assert.ok(session.offerToken(2, 'pbt_new'))
  assert.ok(!session.offerToken(2, 'pbt_new'))
  await settle()
  const told = heard.at(-1)
  assert.ok(told?.case === 'newToken')
  assert.deepEqual([told.value.token, told.value.id, session.tokenId], ['pbt_new', 2n, 1])
  assert.ok(session.token.isOf(1) && session.token.isOf(2) && !session.token.isOf(3))
  await say({ case: 'tokenTaken', value: create(TokenTakenSchema, { id: 2n, notStored: 'no place' }) })
  assert.deepEqual([session.tokenId, session.token.isOf(1)], [2, false])
  assert.equal(news.at(-1), 'token-taken 2 no place')
  await say({ case: 'tokenTaken', value: create(TokenTakenSchema, { id: 3n }) })
  assert.deepEqual([session.isClosed, goAways], [true, ['protocol']])
})

test('what a client tells of its target is kept, and told on when it changes; too much of it ends the session', async () => {
  const { join, news, registry } = house()
  const { session, connect, open, say } = join()
  connect()
  await open(1)
  const tell = (state: TargetHealth_State, message = '') =>
    say({ case: 'targetHealth', value: create(TargetHealthSchema, { tunnel: 1, state, sinceMs: 500n, message }) })
  const kinds = () => news.filter(text => text.startsWith('target'))
  await tell(TargetHealth_State.ANSWERS)
  assert.deepEqual(kinds(), [])
  await tell(TargetHealth_State.REFUSES, 'connection refused')
  await tell(TargetHealth_State.REFUSES, 'connection refused still')
  await tell(TargetHealth_State.ANSWERS)
  assert.deepEqual(kinds(), ['target-refuses app connection refused', 'target-answers app'])
  const [tunnel] = session.tunnels.open()
  assert.ok(tunnel?.health?.isAnswering === true && Math.abs(Date.now() - 500 - tunnel.health.since.getTime()) < 5_000)
  await say({ case: 'targetHealth', value: create(TargetHealthSchema, { tunnel: 9, state: 2 }) })
  assert.equal(registry.lookup('app.localhost').state, 'online')
  const many = create(TargetHealthSchema, { tunnel: 1, state: 1, sinceMs: 2n ** 63n })
  for (let count = 0; count < 1_100; count++) await say({ case: 'targetHealth', value: many })
  assert.ok(session.isClosed)
})

test('a frame of the owner does not come from a client', async () => {
  const { join } = house()
  const { session, connect, say } = join()
  connect()
  await say({ case: 'startTunnel', value: { $typeName: 'pbt.tunnel.v1.StartTunnel', name: 'app' } })
  assert.ok(session.isClosed)
  assert.ok(create(OpenTunnelSchema).ownerAsked === false)
})
