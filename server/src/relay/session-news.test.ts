// What a session tells of itself and its tunnels.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { GRACE_MS } from '@pbt/proto'
import { Feature, GoodbyeSchema } from '@pbt/proto/tunnel/v1'
import { house } from './testing/session-house.ts'

const handler = { onReset: () => {} }
const HEAD = { tunnel: 0, method: 'GET', target: '/', headers: [], upgrade: '', visitor: '192.0.2.9:1', connection: '' }

test('a session tells that it began, lost its link and why, how it went on, and that it is over', async () => {
  const { clock, news, registry, join } = house()
  const { session, connect, open } = join()
  const first = connect()
  await open(1)
  const found = registry.lookup('app.localhost')
  assert.ok(found.state === 'online')
  const channels = [1, 2, 3].map(() => found.tunnel.open({ ...HEAD }, true, handler))
  session.linkLost(first)
  clock.advance(2_500)
  channels[0]?.reset('cancelled', '')
  // One who comes while the client is away is not one of those that went on.
  found.tunnel.open({ ...HEAD }, true, handler)
  const second = connect()
  session.linkLost(second)
  clock.advance(GRACE_MS)
  assert.deepEqual(news, [
    'connected 192.0.2.1',
    'online app',
    'lost 3 its connection broke',
    'resumed 2500 2 1',
    'lost 3 its connection broke',
    'gone link-lost 3',
    'offline app link-lost',
  ])
})

test('a client that comes back before its loss was noticed goes on as well; a silent one is lost', async () => {
  const { clock, news, join } = house()
  const { connect, line } = join()
  connect()
  connect()
  line.isBroken = true
  clock.advance(20_000)
  assert.deepEqual(news, ['connected 192.0.2.1', 'resumed 0 0 0', 'lost 0 nothing came from it for 15 s'])
})

test('one that comes for an errand is told of nowhere, and may open no tunnel', async () => {
  const { news, join } = house()
  const { session, connect, open, goAways } = join({ features: [Feature.ERRAND] })
  const link = connect()
  session.linkLost(link)
  connect()
  assert.equal(session.isErrand, true)
  await open(1)
  assert.deepEqual([session.isClosed, goAways, news], [true, ['protocol'], []])
})

test('tunnels tell that they are refused, closed by their client or ended; a stopping server ends none', async () => {
  const { news, join, allow } = house()
  const { connect, open, closeTunnel, say } = join()
  connect()
  await open(1)
  await closeTunnel(1)
  await open(2, { domains: ['www'] })
  await open(3, { domains: ['other'], name: 'mine' })
  await say({ case: 'goodbye', value: create(GoodbyeSchema, {}) })
  const stopping = join()
  stopping.connect()
  await stopping.open(1, { domains: ['stays'] })
  await allow('stays', [], stopping.session)
  stopping.session.close('shutdown', 'the server stopped')
  assert.deepEqual(news, [
    'connected 192.0.2.1',
    'online app',
    'offline app tunnel-closed',
    'refused www name-reserved',
    'online mine',
    'gone tunnel-closed 0',
    'offline mine tunnel-closed',
    'connected 192.0.2.1',
    'online stays',
  ])
})

test('each visitor that the allowlist turns away is told', async () => {
  const { news, registry, join } = house()
  const { connect, open } = join()
  connect()
  await open(1, { allow: ['192.0.2.1'] })
  const found = registry.lookup('app.localhost')
  assert.ok(found.state === 'online')
  assert.deepEqual([found.tunnel.allows('203.0.113.7'), found.tunnel.allows('192.0.2.1')], [false, true])
  assert.deepEqual(news.slice(2), ['visitor app 203.0.113.7 not-allowed'])
})
