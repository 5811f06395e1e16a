// The owner's verbs for clients, on a real database.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { PROTOCOL_MINOR } from '@pbt/proto'
import type { LiveClient } from '../relay/sessions.ts'
import { makeStore } from '../store/store.ts'
import { ClientVerbs } from './clients.ts'

const SINCE = new Date('2026-11-28T10:00:00Z')

function clientOf(clientId: string, parts: Partial<LiveClient> = {}): LiveClient {
  return {
    ...{
      clientId,
      machineId: 'machine',
      label: 'nas',
      agent: 'pbt/0.1.0',
      minor: PROTOCOL_MINOR,
      address: '192.0.2.1',
    },
    ...{ tokenId: 1, isConnected: true, since: SINCE, roundTripMs: 12, tunnels: ['app'], ...parts },
  }
}

async function setUp(t: TestContext, ...live: LiveClient[]) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-clients-'))
  const store = await makeStore(dataDir)
  t.after(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
  const gone = { id: 'b.1', machineId: 'b', label: 'attic', agent: 'pbt/0.0.9', minor: PROTOCOL_MINOR - 1, tokenId: 1 }
  await store.clients.seen([{ ...gone, address: '192.0.2.2', lastSeenAt: SINCE }])
  const ended: string[] = []
  const told: string[] = []
  const verbs = new ClientVerbs({
    records: store.clients,
    live: {
      clients: () => live,
      client: id => live.find(({ clientId }) => clientId === id),
      disconnect: id => ended.push(id) > 0,
    },
    history: () => Promise.resolve([]),
    tell: ({ kind, subject }) => void told.push(`${kind} ${subject}`),
  })
  return { verbs, ended, told }
}

test('the list has those who are connected, those who are expected back and those who are gone', async t => {
  const away = clientOf('c.1', { label: 'laptop', isConnected: false, roundTripMs: 0, tunnels: [] })
  const { verbs } = await setUp(t, clientOf('a.1'), away)
  const list = await verbs.list()
  assert.deepEqual(
    list.map(({ label, state, roundTripMs, isOutdated, tunnels }) => [label, state, roundTripMs, isOutdated, tunnels]),
    [
      ['attic', 'gone', undefined, true, []],
      ['laptop', 'awaited', undefined, false, []],
      ['nas', 'connected', 12, false, ['app']],
    ],
  )
  assert.deepEqual([list[0]?.since, list[0]?.lastSeenAt, list[1]?.lastSeenAt], [SINCE, SINCE, SINCE])
})

test('one that is connected can be disconnected and not forgotten; one that is gone the other way round', async t => {
  const { verbs, ended, told } = await setUp(t, clientOf('a.1'))
  await assert.rejects(verbs.forget('a.1'), { code: 'client-connected', cure: /stop pbt/ })
  await assert.rejects(verbs.disconnect('b.1'), { code: 'client-gone' })
  await assert.rejects(verbs.get('nobody'), { code: 'unknown-client' })
  await verbs.disconnect('a.1')
  await verbs.forget('b.1')
  assert.deepEqual([ended, told], [['a.1'], ['client.disconnected nas', 'client.forgotten attic']])
  await assert.rejects(verbs.forget('b.1'), { code: 'unknown-client' })
})
