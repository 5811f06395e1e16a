// A custom domain from nothing: one command, and its certificate comes, serves and renews, whatever the CA does.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import { ownerOf } from '../support/owner.ts'
import { lastingPort } from '../support/ports.ts'
import {
  CLIENT,
  clientEnv,
  type Program,
  program,
  type RunningServer,
  restartServer,
  SERVER,
  startServer,
} from '../support/programs.ts'
import { type FaultProxy, modernCa, problem, type SeenRequest, startFaultProxy } from './support/fault-proxy.ts'
import { HOSTILE, hasPebble, type Pebble, startPebble } from './support/pebble.ts'

const NAME = 'app.mine.test'
/** More take longer: ten were measured. */
const RENEWALS = Number(process.env.PBT_RENEWALS ?? 4)
const DAY_MS = 86_400_000

interface Place {
  readonly pebble: Pebble
  readonly proxy: FaultProxy
  readonly ports: { readonly https: number; readonly http: number }
  readonly serverArgs: readonly string[]
  server: RunningServer
  readonly root: string
  readonly target: Awaited<ReturnType<typeof startTarget>>
  client?: Program
  /** The certificates for the name that the CA was asked to renew. */
  renewals: number
}

test('I1, I2, I3, I4: one command gives a custom domain a certificate, which renews under load and outlives the CA', async t => {
  if (!hasPebble(t)) return
  const place = await startPlace(t)
  await t.test('from nothing, at a hostile CA', () => comes(t, place))
  await t.test('renewals: no handshake fails and nothing is cut', () => renews(place))
  await t.test('the CA asks to be left alone, and is, over restarts', () => leavesAlone(t, place))
  await t.test('the CA is gone: what is there serves on, and a start needs no CA', () => outlives(t, place))
  await t.test('keys are for the server alone', () => keepsKeys(place))
  await t.test('it is not removed while its client would bring it back', () => removes(t, place))
})

async function comes(t: TestContext, place: Place): Promise<void> {
  const { server, root, target } = place
  const args = ['tunnel', 'http', String(target.port), '--domain', NAME, '--json']
  const client = program(t, CLIENT, args, clientEnv(t, server))
  const waiting = await client.event('waiting')
  assert.match(String(waiting.reason), /^no certificate covers it yet/)
  const online = await client.event('online')
  assert.deepEqual(online.urls, [`https://${NAME}:${server.https}`])
  assert.equal(await get(server.https, root), 'hello')
  place.client = client
}

/** The CA says "now" for each certificate until it has renewed enough: new connections all the time, and one that is open all along. */
async function renews(place: Place): Promise<void> {
  const { server, root, proxy, target } = place
  const before = proxy.of('certificate').length
  const open = await opened(server.https, root)
  open.write(`GET /stream HTTP/1.1\r\nhost: ${NAME}\r\n\r\n`)
  let streamed = 0
  open.on('data', (chunk: Buffer) => {
    streamed += chunk.length
  })
  // Of different certificates: an order whose nonce was refused is made again.
  const replaced = () => new Set(proxy.of('newOrder').flatMap(({ payload = '' }) => JSON.parse(payload).replaces ?? []))
  const errors: unknown[] = []
  let answered = 0
  const serials = new Set<string>()
  open.on('error', error => errors.push(error))
  const loads = Array.from({ length: 4 }, async () => {
    while (replaced().size < RENEWALS && errors.length === 0) {
      const [socket] = await Promise.all([opened(server.https, root), wait(40)])
      serials.add(socket.getPeerCertificate().serialNumber)
      assert.equal(await answerOf(socket), 'hello')
      answered++
    }
  })
  for (const result of await Promise.allSettled(loads)) if (result.status === 'rejected') errors.push(result.reason)
  target.endStreams()
  await once(open, 'data').catch(() => {})
  assert.deepEqual(errors, [])
  assert.ok(answered > 5 * RENEWALS, `${answered} answers`)
  assert.ok(streamed > 0 && !open.destroyed, 'what was open is open still')
  assert.ok(
    serials.size >= RENEWALS / 2,
    `${serials.size} certificates were seen, ${proxy.of('certificate').length - before} came`,
  )
  open.destroy()
}

async function leavesAlone(t: TestContext, place: Place): Promise<void> {
  const { proxy, serverArgs, ports, server } = place
  const busy = problem(429, 'rateLimited', 'too many new orders, wait an hour', { 'retry-after': '3600' })
  // A renewal of the other name may be under way still, and is not the one that is refused.
  const isForTwo = ({ payload = '' }: SeenRequest) => payload.includes('two.mine.test')
  proxy.rule = current => (current.stage === 'newOrder' && isForTwo(current) ? busy : undefined)
  const asked = () => proxy.of('newOrder').filter(isForTwo).length
  await domain(t, server, ['add', 'two.mine.test'])
  const refused = () => logged(server, /no new certificate.*two\.mine\.test.*wait an hour/)
  await server.program.until(refused, 'the refusal')
  const [item] = (await domain(t, server, ['list'])).filter(({ domain }) => domain === 'two.mine.test')
  assert.equal(item?.state, 'error')
  assert.match(JSON.stringify(item?.problem), /rateLimited.*too many new orders, wait an hour/)
  assert.ok(Date.parse(String(item?.nextTry)) > Date.now() + 3_500_000)
  assert.match(JSON.stringify(await domain(t, server, ['retry', 'two.mine.test'])), /takes no order .* before/)
  await server.program.end()
  place.server = await restartServer(t, server, { ports, serverArgs })
  await domain(t, place.server, ['list'])
  assert.equal(asked(), 1, 'no order before its time')
}

async function outlives(t: TestContext, place: Place): Promise<void> {
  const { pebble, serverArgs, ports, root } = place
  await pebble.stop()
  await place.server.program.end()
  place.server = await restartServer(t, place.server, { ports, serverArgs })
  const socket = await opened(place.server.https, root)
  assert.equal(socket.authorized, true)
  socket.destroy()
}

async function removes(t: TestContext, { server, client, root }: Place): Promise<void> {
  await server.program.until(() => logged(server, /"message":"tunnel online"/), 'the client of before')
  const owner = ownerOf(server)
  const [refused] = await domain(t, server, ['remove', NAME])
  assert.equal(refused?.code, 'domain-in-use')
  assert.match(String(refused?.message), new RegExp(`asks for "${NAME}" and would bring it back`))
  const [, tunnel = ''] = /"pbt-server tunnel kill ([^"]+)"/.exec(String(refused?.cure)) ?? []
  await owner.tunnels.killTunnel({ name: tunnel })
  await client?.exited
  await owner.domains.removeDomain({ domain: NAME })
  const { domains } = await owner.domains.listDomains({})
  assert.ok(domains.every(item => item.domain !== NAME))
  await assert.rejects(opened(server.https, root))
}

function keepsKeys({ server }: Place): void {
  const directory = join(server.dataDir, 'acme', 'keys')
  const files = readdirSync(directory)
  assert.ok(files.length > RENEWALS)
  assert.equal(statSync(directory).mode & 0o777, 0o700)
  for (const file of files) assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600)
  assert.doesNotMatch(server.program.stderr, /PRIVATE KEY/)
}

async function startPlace(t: TestContext): Promise<Place> {
  const ports = { https: await lastingPort(), http: await lastingPort() }
  const pebble = await startPebble(t, { httpPort: ports.http, env: HOSTILE, validitySeconds: 600 })
  const place: { renewals: number } = { renewals: 0 }
  const now = () => {
    place.renewals++
    const isOver = place.renewals > RENEWALS
    const start = Date.now() + (isOver ? DAY_MS : -DAY_MS)
    return { start, end: start + 1_000 }
  }
  const proxy = await startFaultProxy(t, pebble, modernCa({ renewal: now }))
  const serverArgs = [
    ...['--acme-directory', proxy.directory, '--acme-ca', pebble.caFile],
    ...['--dns-resolver', pebble.dnsServer, '--public-address', '127.0.0.1'],
  ]
  const server = await startServer(t, { ports, serverArgs })
  return Object.assign(place, {
    ...{ pebble, proxy, ports, serverArgs, server, root: await pebble.root(), target: await startTarget(t) },
  })
}

async function startTarget(t: TestContext) {
  const streams = new Set<ServerResponse>()
  const target = createServer((request, response) => {
    if (request.url !== '/stream') return response.end('hello')
    streams.add(response)
    response.write('begins')
  })
  target.listen(0, '127.0.0.1')
  await once(target, 'listening')
  t.after(() => target.closeAllConnections())
  t.after(() => target.close())
  return {
    port: (target.address() as AddressInfo).port,
    endStreams: () => {
      for (const stream of streams) stream.end('ends')
    },
  }
}

/** What a command said; one that failed says why. */
async function domain(t: TestContext, { dataDir }: RunningServer, args: readonly string[]) {
  const [verb = '', ...rest] = args
  const ran = program(t, SERVER, ['domain', verb, ...rest, '--json', '--data-dir', dataDir])
  await ran.exited
  return ran.events
}

function logged({ program }: RunningServer, pattern: RegExp): true | undefined {
  return pattern.test(program.stderr) || undefined
}

/** Over TLS that verifies against these roots alone. */
async function opened(port: number, ca: string): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', servername: NAME, ca })
  await once(socket, 'secureConnect')
  return socket
}

async function get(port: number, ca: string): Promise<string> {
  return await answerOf(await opened(port, ca))
}

async function answerOf(socket: TLSSocket): Promise<string> {
  socket.write(`GET / HTTP/1.0\r\nhost: ${NAME}\r\n\r\n`)
  let text = ''
  for await (const chunk of socket.setEncoding('utf8')) text += chunk
  return text.slice(text.indexOf('\r\n\r\n') + 4)
}
