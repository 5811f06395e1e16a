// What happens is kept as events: of clients and tunnels, of the owner's commands, of strangers, over kill -9.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { run } from '../support/commands.ts'
import { clientsIn, type EventRow, eventsIn, eventual } from '../support/database.ts'
import { hostilePeer } from '../support/hostile-peer.ts'
import { restartServer, SERVER, scratch, startPbt, startServer, startTunnel } from '../support/programs.ts'
import { Relay } from '../support/relay.ts'
import { keptSocket } from '../support/sockets.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

const GET = 'GET /secret?q=1 HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'

const of = (kind: string) => (events: EventRow[]) => events.find(event => event.kind === kind)

function assertWithoutGaps(dataDir: string): void {
  const numbers = eventsIn(dataDir).map(({ number }) => number)
  assert.deepEqual(
    numbers,
    numbers.map((_, index) => index + 1),
  )
}

test('the life of a client and its tunnel is told: connected, online, lost, resumed, gone, offline', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('well'))
  const server = await startServer(t)
  const relay = new Relay()
  await relay.start(t, server.https)
  const client = await startTunnel(t, server, target, { domain: 'app', linkPort: relay.port })
  const online = await eventual(server.dataDir, of('tunnel.online'))
  assert.match(online.message, /^app is online at https:\/\/app\.localhost:\d+$/)
  relay.cut()
  const resumed = await eventual(server.dataDir, of('client.resumed'))
  assert.match(resumed.message, / is back after [\d.]+ s: nothing was lost$/)
  await client.end()
  const offline = await eventual(server.dataDir, of('tunnel.offline'))
  assert.equal(offline.message, 'app is offline: the client ended the session')
  const told = eventsIn(server.dataDir)
  assert.deepEqual(
    told.map(({ kind }) => kind),
    [
      ...['server.started', 'client.connected', 'tunnel.online', 'client.lost', 'client.resumed', 'client.gone'],
      'tunnel.offline',
    ],
  )
  const [row] = clientsIn(server.dataDir)
  const ids = new Set(told.slice(1).map(({ fields }) => fields.client))
  assert.deepEqual([...ids], [row?.id], 'all but the start are the client’s history')
  assert.match(String(row?.agent), /^pbt\//)
  assert.equal(row?.address, '127.0.0.1')
  assertWithoutGaps(server.dataDir)
})

test('numbers go on after kill -9, and what was told before is kept', async t => {
  const first = await startServer(t)
  const { dataDir } = first
  let server = first
  for (let kill = 1; kill <= 5; kill++) {
    await eventual(dataDir, events =>
      events.filter(({ kind }) => kind === 'server.started').length === kill ? 1 : undefined,
    )
    await server.program.end('SIGKILL')
    server = await restartServer(t, server, { ports: server })
  }
  await server.program.end()
  assert.deepEqual(eventsIn(dataDir).at(-1)?.kind, 'server.stopping')
  assertWithoutGaps(dataDir)
})

test('what commands do is told by whoever does it, beside a running server and without one, under numbers without gaps', async t => {
  const server = await startServer(t)
  const ran = async (...args: string[]) =>
    assert.equal((await run(t, SERVER, [...args, '--data-dir', server.dataDir])).code, 0)
  await ran('address', 'reserve', 'later')
  await ran('address', 'allow', 'later', '203.0.113.7')
  await ran('address', 'release', 'later')
  await ran('token', 'rotate')
  await eventual(server.dataDir, of('token.rotated'))
  await server.program.end()
  await ran('address', 'reserve', 'again')
  assert.deepEqual(
    eventsIn(server.dataDir).map(({ kind, subject }) => `${kind} ${subject}`),
    [
      'server.started pbt-server',
      'address.reserved later',
      'allowlist.changed later',
      'address.released later',
      'token.rotated token',
      'server.stopping pbt-server',
      'address.reserved again',
    ],
  )
  assertWithoutGaps(server.dataDir)
})

test('who is turned away is told with the rule, once a minute for each, and without what may be secret', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('well'))
  const { server } = await startPbt(t, target, { args: ['--allow', '203.0.113.7'] })
  for (let time = 0; time < 20; time++) assert.match(await rawRequest(t, server, GET), /^HTTP\/1\.1 403/)
  assert.match(await rawRequest(t, server, GET.replace('app.', 'nobody.')), /^HTTP\/1\.1 404/)
  const peer = await hostilePeer(t, server, { authorization: 'Bearer wrong', localAddress: '127.0.0.9' })
  peer.hello()
  await peer.over()
  await eventual(server.dataDir, of('token.refused'))
  const refused = eventsIn(server.dataDir).filter(({ kind }) => kind.endsWith('.refused'))
  assert.deepEqual(
    refused.map(({ fields }) => fields),
    [
      { peer: '127.0.0.1', rule: 'not-allowed', count: '1', tunnel: 'app' },
      { peer: '127.0.0.1', rule: 'unknown-host', count: '1', summary: 'GET nobody.localhost/secret' },
      { peer: '127.0.0.9', rule: 'token-refused', count: '1' },
    ],
  )
  // What was counted since is told at the end.
  await server.program.end()
  const last = eventsIn(server.dataDir).filter(({ fields }) => fields.rule === 'not-allowed')
  assert.deepEqual(
    last.map(({ fields }) => fields.count),
    ['1', '19'],
  )
})

test('a stand-in beside the server writes under the same numbers', async t => {
  const dataDir = join(scratch(t), 'data')
  const [https, http] = [keptSocket(), keptSocket()]
  t.after(() => {
    https.close()
    http.close()
  })
  const options = { sockets: [https, http], ports: { https: https.port, http: http.port } }
  const one = await startServer(t, { dataDir, ...options })
  const two = await restartServer(t, one, options)
  const target = await httpTarget(t, (_request, response) => response.end('well'))
  const clients = [one, two, one, two].map((server, index) => startTunnel(t, server, target, { domain: `app${index}` }))
  for (const client of await Promise.all(clients)) await client.end()
  await eventual(dataDir, events =>
    events.filter(({ kind }) => kind === 'tunnel.offline').length === 4 ? 1 : undefined,
  )
  assertWithoutGaps(dataDir)
})
