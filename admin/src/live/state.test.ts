// What the panel knows, message by message.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { TunnelState, WatchResponseSchema } from '@pbt/proto/admin/v1'
import { client, NOW, tunnel } from '../words/testing/household.ts'
import { after } from './state.ts'

test('each message of the stream changes what it is about, and nothing else', () => {
  const snapshot = create(WatchResponseSchema, {
    message: {
      case: 'snapshot',
      value: { number: 5n, tunnels: [tunnel(), tunnel({ name: 'git' })], clients: [client()] },
    },
  })
  const first = after(undefined, snapshot, NOW)
  assert.ok(first)
  const paused = tunnel({ state: TunnelState.PAUSED })
  const told = create(WatchResponseSchema, {
    message: { case: 'event', value: { event: { number: 6n, kind: 'tunnel.paused' }, tunnels: [paused], gone: ['n'] } },
  })
  const second = after(first, told, NOW)
  assert.deepEqual(
    [second?.number, second?.tunnels.get('plex')?.state, second?.clients.size],
    [6n, TunnelState.PAUSED, 0],
  )
  assert.equal(second?.tunnels.get('git'), first.tunnels.get('git'))
  assert.equal(second?.addresses, first.addresses)
  const rates = create(WatchResponseSchema, {
    message: { case: 'rates', value: { tunnels: [{ name: 'git', openConnections: 7 }, { name: 'unknown' }] } },
  })
  const third = after(second, rates, NOW)
  assert.deepEqual([third?.tunnels.get('git')?.openConnections, third?.tunnels.size], [7, 2])
  const beat = create(WatchResponseSchema, {
    message: { case: 'heartbeat', value: { time: timestampFromMs(NOW + 300_000) } },
  })
  assert.equal(after(third, beat, NOW)?.clockOffMs, 300_000)
  assert.equal(after(undefined, told, NOW), undefined, 'nothing is known before the first snapshot')
})
