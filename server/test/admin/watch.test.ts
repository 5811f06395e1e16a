// Watch and the clients' service of a real server, over gRPC.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Code, ConnectError } from '@connectrpc/connect'
import {
  AddressService,
  Client_State,
  ClientService,
  type GetClientResponse,
  ServerService,
  type Snapshot,
  TunnelService,
  TunnelState,
  type WatchResponse,
} from '@pbt/proto/admin/v1'
import { newEvent } from '../../src/owner/event.ts'
import { openStore } from '../../src/store/store.ts'
import { apiClient } from '../support/api-client.ts'
import { eventual } from '../support/database.ts'
import { type RunningServer, startPbt, startServer, startTunnel } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'

const MANY = 1_000
/** Only a failure waits for it. */
const LIMIT_MS = 30_000

type Cleaner = Parameters<typeof apiClient>[0]

/** One who watches, and what it has heard. */
function watch(t: Cleaner, server: RunningServer, after = 0, client = apiClient(t, server, ServerService)) {
  const abort = new AbortController()
  const messages = client.watch({ after: BigInt(after) }, { signal: abort.signal })[Symbol.asyncIterator]()
  t.after(() => abort.abort())
  const next = async (): Promise<WatchResponse['message']> => {
    const late = pause(LIMIT_MS, undefined, { ref: false }).then(() => assert.fail('nothing was said'))
    const { value, done } = await Promise.race([messages.next(), late])
    return done === true ? { case: undefined } : value.message
  }
  const snapshot = async (): Promise<Snapshot> => {
    const message = await next()
    assert.equal(message.case, 'snapshot')
    return message.case === 'snapshot' ? message.value : assert.fail()
  }
  /** The next event of this kind, past whatever else is said. */
  const event = async (kind: string) => {
    for (;;) {
      const message = await next()
      if (message.case === undefined) assert.fail(`the stream ended before ${kind}`)
      if (message.case === 'event' && message.value.event?.kind === kind) return message.value
    }
  }
  return { next, snapshot, event, stop: () => abort.abort() }
}

test('the first message has everything as it is; then each event comes with how what it is about is now', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('well'))
  const server = await startServer(t)
  await eventual(server.dataDir, events => events.at(0))
  const watcher = watch(t, server)
  const first = await watcher.snapshot()
  assert.deepEqual([first.clients.length, first.addresses.length, first.tokens.length], [0, 0, 1])
  assert.deepEqual([first.server?.baseDomain, first.server?.yourAddress], ['localhost', '127.0.0.1'])
  const client = await startTunnel(t, server, target, { domain: 'app' })
  const connected = await watcher.event('client.connected')
  assert.equal(connected.clients[0]?.state, Client_State.CONNECTED)
  assert.equal(connected.event?.number, first.number + 1n)
  const online = await watcher.event('tunnel.online')
  assert.deepEqual([online.clients[0]?.tunnels, online.addresses[0]?.address], [['app'], 'app'])
  assert.deepEqual([online.tunnels[0]?.name, online.tunnels[0]?.state], ['app', TunnelState.ONLINE])
  assert.equal(online.addresses[0]?.isInUse, true)
  const tunnels = apiClient(t, server, TunnelService)
  await tunnels.pauseTunnel({ name: 'app' })
  assert.equal((await watcher.event('tunnel.paused')).tunnels[0]?.state, TunnelState.PAUSED)
  await client.end()
  const gone = await watcher.event('client.gone')
  assert.deepEqual([gone.clients[0]?.state, gone.tunnels[0]?.name], [Client_State.GONE, 'app'])
  await apiClient(t, server, AddressService).releaseAddress({ address: 'app' })
  const released = await watcher.event('address.released')
  assert.deepEqual(released.gone, ['app'])
  // One that was made a moment ago is good for those who come; events since then follow it.
  let later = await watch(t, server).snapshot()
  while (later.number < (released.event?.number ?? 0n)) later = await watch(t, server).snapshot()
  assert.deepEqual([later.clients.length, later.addresses.length, later.tunnels.length], [1, 0, 1])
})

test('a reader that was away for 1,000 events resumes by its number and has them all, once each', async t => {
  const server = await startServer(t)
  await eventual(server.dataDir, events => events.at(0))
  const before = watch(t, server)
  const { number } = await before.snapshot()
  before.stop()
  // By another process, as a stand-in and commands are, while the server itself tells of others.
  const store = await openStore(server.dataDir)
  t.after(() => store.close())
  const addresses = apiClient(t, server, AddressService)
  for (let batch = 0; batch < 18; batch++) {
    const some = Array.from({ length: 50 }, (_, index) =>
      newEvent({ kind: 'address.noted', subject: `n${batch * 50 + index}`, message: 'noted' }, new Date()),
    )
    await store.events.append(some)
    for (let index = 0; index < 6; index++) await addresses.reserveAddress({ address: `r${batch * 6 + index}` })
  }
  const watcher = watch(t, server, Number(number))
  const snapshot = await watcher.snapshot()
  assert.equal(snapshot.number, number, 'nothing is missing')
  const heard: bigint[] = []
  while (heard.length < 900 + 108) {
    const message = await watcher.next()
    if (message.case === 'event') heard.push(message.value.event?.number ?? 0n)
    else assert.ok(message.case === 'heartbeat' || message.case === 'rates', String(message.case))
  }
  assert.ok(heard.length >= MANY)
  assert.deepEqual(
    heard,
    heard.map((_, index) => number + 1n + BigInt(index)),
  )
  // What another process tells comes live as well.
  await store.events.append([newEvent({ kind: 'address.noted', subject: 'live', message: 'noted' }, new Date())])
  assert.equal((await watcher.event('address.noted')).event?.subject, 'live')
  const future = await watch(t, server, 1_000_000).snapshot()
  assert.ok(future.number <= BigInt(heard.length) + number + 1n, 'a number that never was begins anew')
})

test('a hundred readers, some of which do not read, hold up nobody', async t => {
  const server = await startServer(t)
  const service = apiClient(t, server, ServerService)
  const readers = Array.from({ length: 90 }, () => watch(t, server, 0, service))
  const stuck = Array.from({ length: 10 }, () => watch(t, server))
  await Promise.all([...readers, ...stuck].map(reader => reader.snapshot()))
  const store = await openStore(server.dataDir)
  t.after(() => store.close())
  // More than a connection takes by itself.
  const long = 'x'.repeat(900)
  for (let batch = 0; batch < 4; batch++) {
    const some = Array.from({ length: 25 }, () =>
      newEvent({ kind: 'address.noted', subject: 'a', message: long }, new Date()),
    )
    await store.events.append(some)
  }
  await store.events.append([newEvent({ kind: 'address.mapped', subject: 'last', message: 'mapped' }, new Date())])
  await Promise.all(readers.map(reader => reader.event('address.mapped')))
  // They have missed nothing when they read at last.
  await Promise.all(stuck.map(reader => reader.event('address.mapped')))
})

test('a server that stops says so, and the stream ends', async t => {
  const server = await startServer(t, { serverArgs: ['--drain-seconds', '5'] })
  const watcher = watch(t, server)
  await watcher.snapshot()
  server.program.child.kill('SIGTERM')
  await watcher.event('server.stopping')
  assert.equal((await watcher.next()).case, 'restarting')
  assert.equal((await watcher.next()).case, undefined)
  assert.equal((await server.program.exited).code, 0)
})

test('clients are listed with what is known of them, and have a history; one can be disconnected and comes back', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('well'))
  const { server, client } = await startPbt(t, target)
  const clients = apiClient(t, server, ClientService)
  const { clients: all } = await clients.listClients({})
  const [one] = all
  assert.deepEqual([all.length, one?.publicAddress, one?.tokenId, one?.tunnels], [1, '127.0.0.1', 1n, ['app']])
  assert.match(one?.agent ?? '', /^pbt\/\d/)
  const id = one?.id ?? ''
  const fails = (code: Code) => (error: unknown) => error instanceof ConnectError && error.code === code
  await assert.rejects(clients.forgetClient({ id }), fails(Code.FailedPrecondition))
  await assert.rejects(clients.getClient({ id: 'nobody' }), fails(Code.NotFound))
  await clients.disconnectClient({ id })
  await client.event('online', client.events.length)
  await client.end()
  await eventual(server.dataDir, events => events.filter(({ kind }) => kind === 'client.gone').at(1))
  const kinds: string[] = []
  let pageToken = ''
  for (;;) {
    const page: GetClientResponse = await clients.getClient({ id, pageSize: 3, pageToken })
    kinds.push(...page.history.map(({ kind }) => kind))
    pageToken = page.nextPageToken
    if (pageToken === '') break
  }
  assert.deepEqual(kinds, [
    ...['tunnel.offline', 'client.gone', 'tunnel.online', 'client.connected'],
    ...['tunnel.offline', 'client.gone', 'client.disconnected', 'tunnel.online', 'client.connected'],
  ])
  await clients.forgetClient({ id })
  assert.equal((await clients.listClients({})).clients.length, 0)
})
