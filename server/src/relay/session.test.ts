import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { codeOf, GRACE_MS, LINK_SILENCE_MS, MAX_CHANNELS, MAX_TUNNELS } from '@pbt/proto'
import { GoodbyeSchema, NewTokenSchema, type TunnelKind } from '@pbt/proto/tunnel/v1'
import { house } from './testing/session-house.ts'
import { RESERVED_CHANNELS } from './tunnel.ts'

test('a session without a link is kept for the grace time, and no longer', async () => {
  const { clock, ended, offline, state, join } = house()
  const { session, connect, open } = join()
  const first = connect()
  await open(1)
  assert.equal(state(), 'online')
  for (let time = 0; time < 3; time++) {
    session.linkLost(time === 0 ? first : connect())
    assert.ok(!session.isAttached)
    clock.advance(GRACE_MS - 1)
  }
  assert.deepEqual([session.isClosed, state()], [false, 'online'])
  clock.advance(1)
  assert.deepEqual([session.isClosed, state(), offline], [true, 'offline', ['app']])
  session.linkLost(first)
  session.close('killed', '')
  assert.deepEqual(ended, [session])
  assert.throws(() => connect(), /the session is over/)
})

test('a newer link takes the place of an older one, whose end changes nothing', () => {
  const { clock, join } = house()
  const { session, connect, line } = join()
  const older = connect()
  const newer = connect()
  assert.equal(line.drops, 1)
  session.linkLost(older)
  clock.advance(1_000)
  assert.ok(session.isAttached)
  session.linkLost(newer)
  assert.ok(!session.isAttached)
})

test('a silent link is dropped, and the session can be resumed', () => {
  const { clock, ended, join } = house()
  const { session, connect, line } = join()
  connect()
  line.isBroken = true
  clock.advance(LINK_SILENCE_MS)
  assert.deepEqual([session.isAttached, line.drops], [false, 1])
  line.isBroken = false
  connect()
  clock.advance(GRACE_MS)
  assert.deepEqual([session.isAttached, ended], [true, []])
})

test('a tunnel that ends while its name is written is offline afterwards', async () => {
  for (const end of ['close', 'goodbye'] as const) {
    const { disk, offline, state, join } = house()
    const { connect, open, closeTunnel, say, settle, heard } = join()
    connect()
    const writing = Promise.withResolvers<void>()
    disk.written = writing.promise
    await open(1)
    if (end === 'close') await closeTunnel(1)
    else await say({ case: 'goodbye', value: create(GoodbyeSchema, {}) })
    writing.resolve()
    await settle()
    assert.deepEqual([state(), heard.map(frame => frame.case)], ['offline', []], end)
    assert.ok(offline.includes('app'), end)
  }
})

test('what cannot be opened is refused with the reason, and the session goes on', async () => {
  const { disk, join, warnings } = house()
  const { session, connect, open, refusals } = join()
  connect()
  await open(1)
  await open(1)
  await open(2, { kind: 9 as TunnelKind })
  await open(3, { domains: ['-'] })
  await open(4, { allow: ['nonsense'] })
  disk.written = Promise.reject(new Error('disk full'))
  await open(5, { domains: ['other'] })
  const codes = refusals().map(({ code }) => code)
  assert.deepEqual(codes, ['protocol', 'unsupported', 'name-invalid', 'not-allowed', 'internal'])
  assert.match(refusals()[4]?.cure ?? '', /disk may be full/)
  assert.match(refusals()[1]?.cure ?? '', /upgrade/)
  assert.deepEqual([session.tunnelCount, session.isClosed, warnings.length], [1, false, 5])
})

test('a session has so many tunnels and no more', async () => {
  const { join } = house()
  const { session, connect, open, refusals } = join()
  connect()
  for (let tunnel = 1; tunnel <= MAX_TUNNELS + 1; tunnel++) await open(tunnel, { domains: [`app-${tunnel}`] })
  assert.equal(session.tunnelCount, MAX_TUNNELS)
  assert.deepEqual(
    refusals().map(({ code }) => code),
    ['limit'],
  )
})

test('tunnels closed again and again end the session', async () => {
  const { clock, join } = house()
  const { session, connect, closeTunnel, goAways } = join()
  connect()
  for (let count = 0; count < 2 * MAX_TUNNELS; count++) await closeTunnel(9)
  assert.ok(!session.isClosed)
  clock.advance(1_000)
  for (let count = 0; count < 3; count++) await closeTunnel(9)
  assert.deepEqual([session.isClosed, goAways], [true, ['limit']])
})

test('frames that only a server sends end the session', async () => {
  const { join } = house()
  const { session, connect, say, goAways } = join()
  connect()
  await say({ case: 'newToken', value: create(NewTokenSchema, { token: 'x' }) })
  assert.deepEqual([session.isClosed, goAways], [true, ['protocol']])
})

test('at its end names are offline, unless the server stops and the client is expected back', async () => {
  for (const [code, remembered] of [
    ['shutdown', []],
    ['killed', ['app']],
  ] as const) {
    const { offline, join } = house()
    const { session, connect, open, settle, goAways } = join()
    connect()
    await open(1)
    session.close(code, 'over')
    await settle()
    assert.deepEqual([offline, goAways], [remembered, [code]])
  }
})

test('a tunnel whose last name another of the same client takes is told so', async () => {
  const { join, state } = house()
  const [first, second] = [join(), join()]
  first.connect()
  second.connect()
  await first.open(1)
  await second.open(7)
  await first.settle()
  const [closed] = first.heard.flatMap(({ case: name, value }) => (name === 'tunnelClosed' ? [value] : []))
  assert.deepEqual([closed?.tunnel, codeOf(closed?.reason ?? 0)], [1, 'replaced'])
  assert.deepEqual([first.session.tunnelCount, second.session.tunnelCount, state()], [0, 1, 'online'])
})

test('a session of which nine tenths of the channels are open says so', async () => {
  const { registry, join } = house()
  const { connect, open } = join()
  connect()
  await open(1)
  const lookup = registry.lookup('app.localhost')
  assert.ok(lookup.state === 'online')
  const { tunnel } = lookup
  const head = { tunnel: 0, method: 'GET', target: '/', headers: [], upgrade: '', visitor: '', connection: '' }
  const handler = { onReset: () => {} }
  let first: ReturnType<typeof tunnel.open> | undefined
  for (let count = 0; count < MAX_CHANNELS - RESERVED_CHANNELS; count++) {
    assert.ok(!tunnel.isNearlyFull)
    const channel = tunnel.open({ ...head }, true, handler)
    first ??= channel
  }
  assert.ok(tunnel.isNearlyFull)
  tunnel.open({ ...head }, true, handler).reset('cancelled', '')
  first?.reset('cancelled', '')
  assert.ok(!tunnel.isNearlyFull)
})

test('a session whose client had no room counts as short for ten seconds', async () => {
  const { clock, registry, join } = house()
  const { connect, open } = join()
  connect()
  await open(1)
  const lookup = registry.lookup('app.localhost')
  assert.ok(lookup.state === 'online')
  const { tunnel } = lookup
  assert.ok(!tunnel.isShort)
  tunnel.noteShort()
  clock.advance(9_999)
  assert.ok(tunnel.isShort && !tunnel.isNearlyFull)
  clock.advance(1)
  assert.ok(!tunnel.isShort)
})
