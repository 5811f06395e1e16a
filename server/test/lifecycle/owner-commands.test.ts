// What the owner's commands do beside a running server: in force within a second, for tokens and addresses alike.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { leafCertificate } from '../../src/certs/certificate.ts'
import {
  CLIENT,
  clientEnv,
  type Program,
  program,
  type RunningServer,
  restartServer,
  SERVER,
  scratch,
  startClient,
  startServer,
  startTunnel,
} from '../support/programs.ts'
import { shared } from '../support/shared.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { outcome } from '../support/tcp-visitors.ts'
import { rawRequest, rawVisitor } from '../support/visitors.ts'

/** What is promised is a second; programs start slowly where many tests run. */
const PROMISED_MS = 5_000

/** Runs a command of `pbt-server` on the server's data and tells what it printed. */
async function run(t: TestContext, { dataDir }: Pick<RunningServer, 'dataDir'>, ...args: string[]) {
  const command = program(t, SERVER, [...args, '--json', '--data-dir', dataDir])
  const { code } = await command.exited
  return { code, events: command.events, first: command.events[0] }
}

const get = (name: string) => `GET / HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`

async function statusOf(t: TestContext, server: RunningServer, host: string): Promise<string | undefined> {
  return /^HTTP\/1\.1 (\d+)/.exec(await rawRequest(t, server, get(host)))?.[1]
}

const namesOf = ({ events }: Program) => events.map(({ event }) => event)

/** For the tests that leave it running, and have names of their own. */
const house = shared(startServer)

test('a released address is taken from its tunnel, which goes on with the others, and anybody may have it', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const server = await house()
  const { client } = await startClient(t, server, ['http', String(target), '--domain', 'one', '--domain', 'two'])
  const port = await rawTarget(t, socket => socket.end('here'))
  const tcp = await startClient(t, server, ['tcp', String(port)])
  const released = await run(t, server, 'address', 'release', 'https://one.localhost/')
  assert.deepEqual([released.first?.event, released.first?.address, released.first?.tunnel], ['released', 'one', 'one'])
  // It was named after the first of them.
  const news = await client.until(() => client.events.find(({ tunnel }) => tunnel === 'two'), 'its other name')
  assert.deepEqual(news.urls, [`https://two.localhost:${server.https}`])
  assert.deepEqual(
    [await statusOf(t, server, 'one.localhost'), await statusOf(t, server, 'two.localhost')],
    ['404', '200'],
  )
  await startTunnel(t, server, target, { domain: 'one' })
  assert.equal(await statusOf(t, server, 'one.localhost'), '200')
  // The last address of a tunnel: that is its end.
  await run(t, server, 'address', 'release', `tcp:${tcp.port}`)
  const closed = await tcp.client.event('closed')
  assert.deepEqual([closed.code, closed.reason], ['tunnel-closed', `the owner released the address tcp:${tcp.port}`])
  assert.equal((await tcp.client.exited).code, 1)
  assert.equal((await outcome(t, tcp.port)).end, 'ECONNREFUSED')
  assert.deepEqual(
    (await run(t, server, 'address', 'list')).events.map(({ address }) => address),
    ['one', 'two'],
  )
})

test('A4: a new token ends the sessions of the one before within a second, and clients that have it go on', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const server = await startServer(t)
  const home = join(scratch(t), 'client')
  const older = await startTunnel(t, server, target, { domain: 'app', home })
  const { first } = await run(t, server, 'token', 'rotate')
  const before = performance.now()
  const token = String(first?.token)
  assert.match(token, /^pbt_[A-Za-z0-9_-]{43}$/)
  assert.equal((await older.exited).code, 3)
  assert.ok(performance.now() - before < PROMISED_MS)
  const error = older.events.at(-1)
  assert.deepEqual(
    [error?.event, error?.code, error?.cure],
    ['error', 'token-revoked', 'run "pbt init -" with the new token'],
  )
  // The old one is worth nothing, the new one serves; also after a restart.
  const refused = program(t, CLIENT, ['http', String(target), '--json'], clientEnv(t, server))
  assert.equal((await refused.exited).code, 3)
  await startTunnel(t, { ...server, token }, target, { domain: 'app', home })
  assert.equal(await statusOf(t, server, 'app.localhost'), '200')
  await server.program.end()
  const rotated = await run(t, server, 'token', 'rotate')
  const third = String(rotated.first?.token)
  const again = await restartServer(t, { ...server, token: third }, { ports: server })
  await startTunnel(t, again, target, { domain: 'app', home })
  const { events } = await run(t, server, 'token', 'list')
  assert.deepEqual(
    events.map(({ id, state, lastUsedAt }) => [id, state, typeof lastUsedAt]),
    [
      [3, 'valid', 'string'],
      [2, 'ended', 'string'],
      [1, 'ended', 'string'],
    ],
  )
  assert.equal((await run(t, server, 'token', 'revoke', '3')).first?.code, 'last-token')
})

test('an address that is reserved is offline at once, kept over restarts, and given to whoever asks for it by name', async t => {
  const port = await rawTarget(t, socket => socket.end('here'))
  const server = await startServer(t, { serverArgs: ['--port-range', '20000-20001'] })
  for (const address of ['later', 'tcp:20001']) {
    assert.equal((await run(t, server, 'address', 'reserve', address)).first?.event, 'reserved')
    assert.equal((await run(t, server, 'address', 'reserve', address)).first?.code, 'address-taken')
  }
  const offline = async () => (await statusOf(t, server, 'later.localhost')) === '503' || undefined
  while ((await offline()) === undefined);
  await server.program.end()
  const again = await restartServer(t, server, { ports: server, serverArgs: ['--port-range', '20000-20001'] })
  assert.equal(await statusOf(t, again, 'later.localhost'), '503')
  assert.equal((await startClient(t, again, ['tcp', String(port)])).port, 20_000)
  const none = program(t, CLIENT, ['tcp', '1', '--json'], clientEnv(t, again))
  assert.equal((await none.event('error')).code, 'limit')
  assert.equal((await startClient(t, again, ['tcp', String(port), '--reserve-port', '20001'])).port, 20_001)
  assert.equal((await outcome(t, 20_001)).text, 'here')
})

test('who may visit is said before there is a tunnel, block by block, for nobody, and by the client again', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const server = await house()
  await run(t, server, 'address', 'allow', 'shop', '127.0.9.1')
  await startTunnel(t, server, target, { domain: 'shop', args: ['--allow', '127.0.9.9'] })
  const visit = async (from: string) => {
    const visitor = await rawVisitor(t, server, from)
    visitor.send(get('shop.localhost'))
    return /^HTTP\/1\.1 (\d+)/.exec(await visitor.until(/^HTTP\/1\.1 \d+ /))?.[1]
  }
  const told = () => server.program.stderr.split('"allowlist changed"').length - 1
  const allow = async (...args: string[]) => {
    const before = told()
    const { first } = await run(t, server, 'allow', 'shop', ...args)
    await server.program.until(() => told() > before || undefined, 'a changed list')
    const got = await Promise.all(['127.0.9.1', '127.0.9.2', '127.0.9.9'].map(visit))
    return [first?.access, first?.allow, got.join(' ')]
  }
  assert.deepEqual(await allow('--add', '127.0.9.2'), ['listed', ['127.0.9.1', '127.0.9.2'], '200 200 403'])
  assert.deepEqual(await allow('--remove', '127.0.9.1'), ['listed', ['127.0.9.2'], '403 200 403'])
  assert.deepEqual(await allow('nobody'), ['listed', [], '403 403 403'])
  assert.deepEqual(await allow('as-client'), ['client', ['127.0.9.9'], '403 403 200'])
  assert.deepEqual(await allow('--add', '127.0.9.1'), ['listed', ['127.0.9.9', '127.0.9.1'], '200 403 200'])
  assert.deepEqual(await allow('everybody'), ['everybody', [], '200 200 200'])
})

test('a domain that no certificate covers is told to wait, and online when one comes', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const directory = scratch(t)
  const [certificate, key] = [join(directory, 'app.pem'), join(directory, 'app.key')]
  const authority = { name: 'test', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
  const write = (name: string) => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeFileSync(certificate, leafCertificate(authority, name, publicKey, new Date(Date.now() + 90 * 86_400_000)))
    writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  }
  write('other.mine.test')
  const server = await startServer(t, { serverArgs: ['--tls-cert', certificate, '--tls-key', key] })
  const args = ['http', String(target), '--domain', 'app.mine.test', '--domain', 'app', '--json']
  const client = program(t, CLIENT, args, clientEnv(t, server))
  const waiting = await client.event('waiting')
  assert.deepEqual(
    [waiting.url, waiting.reason],
    [`https://app.mine.test:${server.https}`, 'no certificate covers it yet'],
  )
  assert.match(String(waiting.cure), /app\.mine\.test/)
  assert.deepEqual((await client.event('online')).urls, [`https://app.localhost:${server.https}`])
  write('app.mine.test')
  server.program.child.kill('SIGHUP')
  const online = await client.until(() => client.events.filter(({ event }) => event === 'online')[1], 'the domain')
  assert.deepEqual(
    online.urls,
    ['app.mine.test', 'app.localhost'].map(host => `https://${host}:${server.https}`),
  )
  assert.deepEqual(namesOf(client), ['connected', 'online', 'waiting', 'online'])
})

test('I6: one certificate of several that cannot be used stops none of the others, and only one for clients is needed', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const directory = scratch(t)
  const broken = join(directory, 'broken.pem')
  writeFileSync(broken, '-----BEGIN CERTIFICATE-----\nhalf')
  const missing = join(directory, 'missing.pem')
  const pairs = ['--tls-cert', `${broken},${missing}`, '--tls-key', `${broken},${missing}`]
  const server = await startServer(t, { serverArgs: pairs })
  await startTunnel(t, server, target, { domain: 'app' })
  assert.equal(await statusOf(t, server, 'app.localhost'), '200')
  const errors = server.program.stderr.match(/"level":"error"[^\n]*certificate cannot be used/g)
  assert.equal(errors?.length, 2)
  const dataDir = join(scratch(t), 'data')
  const base = ['--base-domain', 'tunnel.example.com', '--acme-directory', 'off', '--data-dir', dataDir, '--json']
  await program(t, SERVER, ['init', ...base, ...pairs]).exited
  const refused = program(t, SERVER, ['start', ...base, ...pairs, '--https-port', '0', '--http-port', '0'])
  assert.equal((await refused.exited).code, 1)
  const [error] = refused.events
  assert.equal(error?.code, 'certificate')
  for (const told of ['link.tunnel.example.com', broken, missing])
    assert.ok(String(error?.message).includes(told), told)
})

test('G5: who is killed and comes back as another machine gets its addresses when they have been given up', {
  timeout: 120_000,
}, async t => {
  const http = await httpTarget(t, (_request, response) => response.end('here'))
  const tcp = await rawTarget(t, socket => socket.end('here'))
  const server = await house()
  const specs = [`http:${http},domain=app`, `tcp:${tcp},port=20100`, 'udp:9,port=20100']
  const { client: first } = await startClient(t, server, ['up', ...specs])
  await first.until(() => first.events.filter(({ event }) => event === 'online')[2], 'three tunnels')
  // While it is there it is the holder, for good.
  const other = program(t, CLIENT, ['http', String(http), '--domain', 'app', '--json'], clientEnv(t, server))
  assert.equal((await other.exited).code, 4)
  await first.end('SIGKILL')
  const second = program(t, CLIENT, ['up', ...specs, '--json'], clientEnv(t, server))
  const refused = await second.until(() => second.events.filter(({ event }) => event === 'error')[2], 'three refusals')
  assert.equal(refused.retrying, true)
  await second.until(() => second.events.filter(({ event }) => event === 'online')[2], 'three tunnels')
  assert.equal(await statusOf(t, server, 'app.localhost'), '200')
  assert.equal((await outcome(t, 20_100)).text, 'here')
})
