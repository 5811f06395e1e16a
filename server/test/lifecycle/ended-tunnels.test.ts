// The owner ends tunnels: everything that is open is cut within a second, and they stay down until the owner wants them again.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { TunnelState as State } from '@pbt/proto/admin/v1'
import { ask, udpSocket, udpTarget } from '../support/datagrams.ts'
import { LiveAgent, planFor } from '../support/live-agent.ts'
import { BY_HAND, BY_ITSELF, ownerOf, PROMISED_MS, SEEN_MS } from '../support/owner.ts'
import {
  CLIENT,
  clientEnv,
  program,
  type RunningServer,
  restartServer,
  SERVER,
  scratch,
  startServer,
} from '../support/programs.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { outcome, visit } from '../support/tcp-visitors.ts'
import { RawVisitor, rawRequest, rawVisitor } from '../support/visitors.ts'
import { acceptUpgrade, upgradeRequest } from '../support/websocket.ts'

const get = (t: TestContext, server: RunningServer, name = 'app') =>
  rawRequest(t, server, `GET / HTTP/1.1\r\nHost: ${name}.localhost\r\nConnection: close\r\n\r\n`)

/** A client with these arguments, of the home `home`, started by a person or by itself. */
function run(t: TestContext, server: RunningServer, home: string, env: NodeJS.ProcessEnv, ...args: string[]) {
  return program(t, CLIENT, [...args, '--json'], { ...clientEnv(t, server, { home }), ...env })
}

/** A target that answers, streams without end, and takes WebSockets; tells how many of its connections were reset or closed. */
async function busyTarget(t: TestContext) {
  const all: PromiseWithResolvers<void>[] = Array.from({ length: 5 }, () => Promise.withResolvers())
  let closed = 0
  const seen = {
    close: () => all[closed++]?.resolve(),
    /** Resolves when so many are over. */
    count: async (count: number) => await all[count - 1]?.promise,
  }
  const port = await httpTarget(
    t,
    (request, response) => {
      if (request.url !== '/stream') {
        response.end('here')
        return
      }
      response.on('close', () => seen.close())
      response.write('begun')
    },
    server =>
      server.on('upgrade', (request, socket) => {
        acceptUpgrade(request, socket)
        socket.resume()
        socket.on('end', () => socket.end())
        socket.on('close', () => seen.close())
      }),
  )
  return { port, seen }
}

/** The answer breaks off without its last chunk. */
async function brokeOff(visitor: RawVisitor): Promise<boolean> {
  await visitor.over()
  return !visitor.text.endsWith('0\r\n\r\n')
}

test('G9: a download, a WebSocket, a shell and a flow are cut within a second at both ends, and pbt exits 5 when no tunnel is left', async t => {
  const { port, seen } = await busyTarget(t)
  const shell = await rawTarget(t, socket => {
    socket.resume()
    socket.on('close', () => seen.close())
    socket.write('$ ')
  })
  const { port: echo } = await udpTarget(t, datagram => [datagram])
  const server = await startServer(t)
  const owner = ownerOf(server)
  const specs = [`http:${port},domain=app`, `http:${port},domain=other`, `tcp:${shell}`, `udp:${echo}`]
  const client = run(t, server, join(scratch(t), 'client'), BY_HAND, 'up', ...specs)
  const online = async (kind: string) => {
    const find = () => client.events.find(event => event.event === 'online' && event.kind === kind)
    return await client.until(find, `a ${kind} tunnel`)
  }
  const [tcp, udp] = [await online('tcp'), await online('udp')]
  const portOf = (event: typeof tcp) => Number(new URL(String((event.urls as string[])[0])).port)
  await client.until(() => client.events.filter(({ event }) => event === 'online').length === 4 || undefined, 'all')

  const download = await rawVisitor(t, server)
  download.send('GET /stream HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
  await download.until(/begun/)
  const websocket = await rawVisitor(t, server)
  websocket.send(upgradeRequest())
  await websocket.until(/101 Switching/)
  const other = await rawVisitor(t, server)
  other.send('GET /stream HTTP/1.1\r\nHost: other.localhost\r\n\r\n')
  await other.until(/begun/)
  const shellVisitor = new RawVisitor(await visit(t, portOf(tcp)))
  await shellVisitor.until(/\$ /)
  const flow = await udpSocket(t)
  assert.equal(String(await ask(flow, portOf(udp), Buffer.from('hello'))), 'hello')

  const { connections } = await owner.tunnels.listConnections({})
  const shown = connections.map(({ kind, tunnel, summary, peer }) => [kind, tunnel, summary, peer].join(' '))
  assert.deepEqual(shown.sort(), [
    'http app GET /stream 127.0.0.1',
    'http other GET /stream 127.0.0.1',
    `tcp ${tcp.tunnel}  127.0.0.1`,
    `udp ${udp.tunnel}  127.0.0.1`,
    'websocket app GET / 127.0.0.1',
  ])
  const dry = await owner.tunnels.killTunnel({ name: 'app', validateOnly: true })
  assert.deepEqual([dry.cutCount, dry.tunnel?.state], [2, State.ONLINE])

  const before = performance.now()
  const killed = await owner.tunnels.killTunnel({ name: 'app' })
  const answered = performance.now()
  assert.deepEqual([await brokeOff(download), await websocket.over(), killed.cutCount], [true, 'cut', 2])
  assert.ok(performance.now() - answered < SEEN_MS, `cut ${performance.now() - answered} ms after the answer`)
  assert.ok(performance.now() - before < PROMISED_MS)
  assert.match(await get(t, server), /^HTTP\/1.1 503 [\s\S]*pbt-error: offline/i)
  await owner.tunnels.killTunnel({ name: String(tcp.tunnel) })
  assert.equal(await shellVisitor.over(), 'cut')
  assert.deepEqual(await outcome(t, portOf(tcp)), { text: '', end: 'ECONNRESET' })
  await owner.tunnels.killTunnel({ name: String(udp.tunnel) })
  assert.equal((await owner.tunnels.listConnections({})).connections.length, 1)
  // Nobody answers a datagram any more.
  let answers = 0
  flow.on('message', () => answers++)
  flow.send('again', portOf(udp), '127.0.0.1')
  assert.match(await get(t, server, 'other'), /200[\s\S]*here/)
  assert.equal(answers, 0)

  // Those of the client have heard why, and only the last one ends it.
  const closed = client.events.filter(({ event }) => event === 'closed')
  assert.deepEqual(
    closed.map(({ tunnel, code }) => [tunnel, code]),
    [
      ['app', 'killed'],
      [tcp.tunnel, 'killed'],
      [udp.tunnel, 'killed'],
    ],
  )
  assert.match(String(closed[0]?.reason), /the owner ended the tunnel "app" on the server; it stays down until/)
  await owner.tunnels.killTunnel({ name: 'other' })
  assert.ok(await brokeOff(other))
  assert.equal((await client.exited).code, 5)
  await seen.count(4)
})

test('an ended tunnel stays down over reconnects and restarts of either end, until its command is run again', async t => {
  const { port } = await busyTarget(t)
  let server = await startServer(t)
  const home = join(scratch(t), 'client')
  const client = run(t, server, home, BY_HAND, 'up', `http:${port},domain=app`, `http:${port},domain=other`)
  await client.until(() => client.events.filter(({ event }) => event === 'online').length === 2 || undefined, 'both')
  await ownerOf(server).tunnels.killTunnel({ name: 'app' })
  await client.event('closed')
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const seen = client.events.length
    await server.program.end(signal)
    const ports = { https: server.https, http: server.http }
    server = await restartServer(t, server, { ports })
    const again = await client.event('online', seen)
    assert.equal(again.tunnel, 'other', signal)
    assert.match(await get(t, server), /503 [\s\S]*pbt-error: offline/i, signal)
    assert.match(await get(t, server, 'other'), /here/, signal)
  }
  await client.end()
  // What a supervisor starts is refused, for good.
  const restarted = run(t, server, home, BY_ITSELF, 'http', String(port), '--domain', 'app')
  assert.equal((await restarted.exited).code, 5)
  const error = restarted.events.at(-1)
  assert.deepEqual([error?.event, error?.code], ['error', 'killed'])
  assert.match(String(error?.cure), /run its command again, or "pbt-server tunnel start app" on the server/)
  assert.match(await get(t, server), /pbt-error: offline/i)
  const byHand = run(t, server, home, BY_HAND, 'http', String(port), '--domain', 'app')
  await byHand.event('online')
  assert.match(await get(t, server), /here/)
  assert.equal((await ownerOf(server).tunnels.getTunnel({ name: 'app' })).tunnel?.state, State.ONLINE)
  // Also by itself from then on.
  await byHand.end('SIGKILL')
  await run(t, server, home, BY_ITSELF, 'http', String(port), '--domain', 'app').event('online')
})

test('a tunnel is ended while its client is away: its visitors need not wait, and it is refused when it comes back', async t => {
  const { port } = await busyTarget(t)
  const first = await startServer(t)
  const home = join(scratch(t), 'client')
  const client = run(t, first, home, BY_HAND, 'http', String(port), '--domain', 'app')
  await client.event('online')
  client.child.kill('SIGSTOP')
  await first.program.end('SIGKILL')
  const server = await restartServer(t, first, { ports: { https: first.https, http: first.http } })
  assert.equal((await ownerOf(server).tunnels.getTunnel({ name: 'app' })).tunnel?.state, State.AWAITED)
  const waiting = get(t, server)
  // The command, as the owner types it.
  const command = program(t, SERVER, ['tunnel', 'kill', 'app', '--json', '--data-dir', server.dataDir])
  const killed = await command.event('killed')
  assert.deepEqual([killed.tunnel, killed.state, killed.cut], ['app', 'killed', 0])
  assert.match(await waiting, /pbt-error: offline/i)
  client.child.kill('SIGCONT')
  assert.equal((await client.exited).code, 5)
  assert.deepEqual([client.events.at(-1)?.event, client.events.at(-1)?.code], ['error', 'killed'])
})

test('a tunnel that a daemon keeps is started again from the server, others by their command; both without a server too', async t => {
  const { port } = await busyTarget(t)
  const server = await startServer(t)
  const owner = ownerOf(server)
  const live = new LiveAgent(t, server, server.https, planFor.http(port, 'app'), true)
  await live.online(1)
  await owner.tunnels.killTunnel({ name: 'app' })
  await live.until(event => (event.event === 'closed' ? event : undefined))
  const skip = live.events.length
  const started = await owner.tunnels.startTunnel({ name: 'app' })
  assert.ok(started.isOpening)
  await live.online(1, skip)
  assert.match(await get(t, server), /here/)
  await owner.tunnels.killTunnel({ name: 'app' })
  live.agent.stop()
  await live.agent.finished
  await server.program.end()
  const offline = async (...args: string[]) => {
    const command = program(t, SERVER, ['tunnel', ...args, '--json', '--data-dir', server.dataDir])
    await command.exited
    return command.events[0]
  }
  const [listed] = [await offline('list')]
  assert.deepEqual([listed?.event, listed?.tunnel, listed?.state], ['tunnel', 'app', 'killed'])
  assert.deepEqual(
    [(await offline('start', 'app'))?.isOpening, (await offline('pause', 'app'))?.state],
    [false, 'paused'],
  )
  assert.deepEqual((await offline('kill', 'nothing'))?.code, 'unknown-tunnel')
})

test('one connection is ended at both ends, and its tunnel goes on', async t => {
  const { port, seen } = await busyTarget(t)
  const server = await startServer(t)
  const owner = ownerOf(server)
  const client = run(t, server, join(scratch(t), 'client'), BY_HAND, 'http', String(port), '--domain', 'app')
  await client.event('online')
  const [one, two] = [await rawVisitor(t, server), await rawVisitor(t, server)]
  for (const visitor of [one, two]) {
    visitor.send('GET /stream HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
    await visitor.until(/begun/)
  }
  const { connections } = await owner.tunnels.listConnections({ tunnel: 'app' })
  assert.equal(connections.length, 2)
  await owner.tunnels.endConnection({ id: connections[0]?.id ?? '' })
  assert.ok(await brokeOff(one))
  assert.equal((await owner.tunnels.listConnections({ tunnel: 'app' })).connections.length, 1)
  await assert.rejects(owner.tunnels.endConnection({ id: connections[0]?.id ?? '' }), /no open connection/)
  assert.ok(!two.socket.destroyed)
  two.socket.destroy()
  await once(two.socket, 'close')
  assert.match(await get(t, server), /here/)
  await seen.count(2)
})
