// The owner's verbs for tunnels, on a real database, with a server that does what it is told.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { LiveConnection, LiveTunnelView } from '../relay/live.ts'
import { makeStore } from '../store/store.ts'
import type { Happening } from './event.ts'
import { type LiveTunnelsOf, TunnelVerbs } from './tunnels.ts'

const CLIENT = { id: 'm.1', label: 'nas' }
const APP = { name: 'app', machineId: 'm', kind: 'http', target: '3000', allow: ['192.0.2.1'], client: CLIENT }

const OPEN: LiveConnection = {
  ...{ id: `${'0'.repeat(32)}-1`, tunnel: 'app', kind: 'http', peer: '203.0.113.7', startedAt: new Date() },
  ...{ bytesIn: 1, bytesOut: 2, summary: 'GET /' },
}

async function setUp(t: TestContext, isServerRunning = true) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-owner-'))
  const store = await makeStore(dataDir)
  t.after(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
  await store.addresses.claim(APP, ['app', 'shop'])
  const told: Happening[] = []
  const views = new Map<string, LiveTunnelView>()
  const awaited = new Set<string>()
  const there = new Set<string>()
  const started: string[] = []
  const ended: string[] = []
  const live: LiveTunnelsOf = {
    tunnels: () => views,
    endOf: () => undefined,
    isAwaited: address => awaited.has(address),
    isConnected: clientId => there.has(clientId),
    connections: tunnel => (tunnel === undefined || tunnel === 'app' ? [OPEN] : []),
    end: id => {
      ended.push(id)
      return id === OPEN.id ? OPEN : undefined
    },
    start: (clientId, tunnel) => {
      started.push(`${clientId} ${tunnel}`)
      return true
    },
  }
  const steps: string[] = []
  const verbs = new TunnelVerbs({
    records: store.tunnels,
    addresses: () => store.addresses.list(),
    live: isServerRunning ? live : undefined,
    figures: undefined,
    waitingAt: address => (address === 'shop' ? { reason: 'no certificate', cure: 'get one' } : undefined),
    changed: async () => {
      const { isKilled, isPaused } = (await store.tunnels.find('app')) ?? {}
      steps.push(`killed ${isKilled}, paused ${isPaused}`)
    },
    tell: happening => void told.push(happening),
  })
  const kinds = () => told.splice(0).map(({ kind }) => kind)
  return { store, verbs, kinds, views, awaited, there, started, ended, steps, told }
}

function liveView(more: Partial<LiveTunnelView> = {}): LiveTunnelView {
  const since = new Date(1_000)
  const client = { clientId: 'm.1', clientLabel: 'nas', clientBlocks: [] }
  return { name: 'app', isConnected: true, since, target: '3000', health: undefined, open: 3, ...client, ...more }
}

test('a tunnel is shown with its state, since when and why, its addresses and its client', async t => {
  const { verbs, views, awaited, there } = await setUp(t)
  const state = async () => {
    const { state, reason } = await verbs.get('app')
    return [state, reason]
  }
  assert.deepEqual(await state(), ['offline', 'nas is away'])
  there.add('m.1')
  assert.deepEqual(await state(), ['offline', 'nas is connected and does not open it'])
  awaited.add('app')
  assert.deepEqual(await state(), ['awaited', 'nas is expected back after a restart of the server'])
  views.set('app', liveView({ isConnected: false }))
  assert.deepEqual(await state(), ['awaited', 'nas lost its link and is expected back'])
  views.set('app', liveView({ health: { isAnswering: false, since: new Date(), message: 'connection refused' } }))
  assert.deepEqual(await state(), ['online', 'nas cannot reach 3000: connection refused'])
  views.set('app', liveView())
  const app = await verbs.get('app')
  assert.deepEqual([app.state, app.reason, app.since, app.open], ['online', '', new Date(1_000), 3])
  assert.deepEqual(
    app.addresses.map(({ address, waiting, cure }) => [address, waiting, cure]),
    [
      ['app', '', ''],
      ['shop', 'no certificate', 'get one'],
    ],
  )
  assert.deepEqual(
    (await verbs.list()).map(({ name, clientLabel }) => [name, clientLabel]),
    [['app', 'nas']],
  )
  await assert.rejects(verbs.get('other'), { code: 'unknown-tunnel', cure: /tunnel list/ })
})

test('a tunnel is ended by a row, then by effect, once; its client is not expected back, and it starts again', async t => {
  const { verbs, store, kinds, steps, started } = await setUp(t)
  const dry = await verbs.kill('app', { isDry: true })
  assert.deepEqual([dry.cut, dry.tunnel.state, steps.length], [[OPEN], 'offline', 0])
  const { tunnel, cut } = await verbs.kill('app')
  assert.deepEqual([cut.length, tunnel.state, steps], [1, 'killed', ['killed true, paused false']])
  assert.ok(Math.abs(tunnel.since.getTime() - Date.now()) < 10_000)
  assert.deepEqual(
    (await store.addresses.list()).map(({ isExpected }) => isExpected),
    [false, false],
  )
  await verbs.kill('app')
  assert.deepEqual([kinds(), steps.length], [['tunnel.killed'], 1])
  const again = await verbs.start('app')
  assert.deepEqual([again.isOpening, again.tunnel.state, started], [true, 'offline', ['m.1 app']])
  await verbs.start('app')
  assert.deepEqual([kinds(), steps.length], [['tunnel.started'], 2])
  for (const verb of [verbs.kill('x'), verbs.start('x'), verbs.pause('x'), verbs.resume('x'), verbs.connections('x')])
    await assert.rejects(verb, { code: 'unknown-tunnel' })
})

test('the owner’s asking lifts an end, on disk', async t => {
  const { verbs, store } = await setUp(t)
  await verbs.kill('app')
  assert.deepEqual(await store.tunnels.steered(), { paused: [], killed: ['app'] })
  await store.tunnels.lift('app')
  assert.deepEqual(await store.tunnels.steered(), { paused: [], killed: [] })
  // A claim by a program that comes back lifts nothing.
  await verbs.kill('app')
  await store.addresses.claim(APP, ['app'])
  assert.deepEqual((await store.tunnels.steered()).killed, ['app'])
})

test('a tunnel is paused and resumed, each once, whether its client is there or not', async t => {
  const { verbs, store, kinds, steps, views } = await setUp(t)
  assert.deepEqual((await verbs.pause('app')).state, 'paused')
  assert.equal((await verbs.pause('app')).reason, 'paused by the owner: visitors are turned away; nas is away')
  assert.deepEqual((await store.tunnels.steered()).paused, ['app'])
  views.set('app', liveView())
  assert.equal((await verbs.get('app')).reason, 'paused by the owner: visitors are turned away')
  assert.equal((await verbs.resume('app')).state, 'online')
  await verbs.resume('app')
  assert.deepEqual([kinds(), steps.length], [['tunnel.paused', 'tunnel.resumed'], 2])
})

test('a connection is ended by its id, and one that is not open is refused', async t => {
  const { verbs, kinds, ended } = await setUp(t)
  assert.deepEqual(await verbs.connections(), [OPEN])
  assert.deepEqual(await verbs.connections('app'), [OPEN])
  verbs.end(OPEN.id)
  assert.throws(() => verbs.end('x'), { code: 'unknown-connection' })
  assert.deepEqual([kinds(), ended], [['connection.ended'], [OPEN.id, 'x']])
})

test('without a server everything is offline, and can be ended, started and paused', async t => {
  const { verbs } = await setUp(t, false)
  assert.deepEqual([(await verbs.get('app')).state, (await verbs.get('app')).reason], ['offline', 'no server runs'])
  assert.equal((await verbs.kill('app')).tunnel.state, 'killed')
  assert.deepEqual([(await verbs.start('app')).isOpening, (await verbs.pause('app')).state], [false, 'paused'])
  assert.deepEqual(await verbs.connections(), [])
  assert.throws(() => verbs.end(OPEN.id), { code: 'unknown-connection' })
})
