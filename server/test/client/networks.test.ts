// A client whose network is another one from one moment to the next: it is back within two seconds, and nothing is lost.
// The name service is away for as long as this says: DNS_GAP_SECONDS=60 npm test -- server/test/client/networks.test.ts
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { OWN_DOMAIN, ownDomain } from '../support/own-domain.ts'
import { CLIENT, clientEnv, type Program, program, scratch, startServer } from '../support/programs.ts'
import { SERVER_ADDRESS, TwoNetworks, whyNoNamespaces } from '../support/two-networks.ts'

const STEADY = fileURLToPath(new URL('../support/steady.ts', import.meta.url))
const ECHO_PORT = 7_007
const PUBLIC_PORT = 20_077
const DNS_GAP_MS = Number(process.env.DNS_GAP_SECONDS ?? 3) * 1_000
/** What is promised. */
const BACK_MS = 2_000
/** How late a busy machine may be is beside the point. */
const LATE_MS = 3_000

const skip = whyNoNamespaces() || false

function steady(t: TestContext, under: readonly string[], ...args: readonly string[]): Program {
  return program(t, STEADY, args, {}, undefined, undefined, undefined, under)
}

/** Makes the change, which ends with the network being back, and fails unless the session went on over a new link in time. */
async function resumesAfter(t: TestContext, client: Program, what: string, change: () => unknown): Promise<void> {
  const before = client.events.length
  await change()
  await inTime(t, what, client.event('resumed', before))
}

/** From now on. */
async function inTime(t: TestContext, what: string, isBack: Promise<unknown>): Promise<void> {
  const backAt = performance.now()
  await isBack
  const ms = Math.round(performance.now() - backAt)
  t.diagnostic(`${what}: back after ${ms} ms`)
  assert.ok(ms <= BACK_MS + LATE_MS, `${what}: back after ${ms} ms`)
}

test('H15: an address that is replaced, a default route that moves and a name service that is gone cost no byte', {
  skip,
}, async t => {
  const networks = new TwoNetworks(t)
  networks.join(1)
  const { serverArgs, ca } = ownDomain(t)
  const server = await startServer(t, {
    serverArgs,
    ports: { https: 8_443, http: 8_080 },
    serverUnder: networks.under('server'),
  })
  const dns = steady(t, networks.under('server'), 'names', SERVER_ADDRESS, SERVER_ADDRESS)
  const echo = steady(t, networks.under('client'), 'echo', String(ECHO_PORT))
  await Promise.all([dns.event('ready'), echo.event('ready')])
  const env = { PBT_HOME: scratch(t), PBT_SERVER: `${OWN_DOMAIN}:8443`, PBT_TOKEN: server.token, PBT_CA: ca }
  const args = ['tcp', String(ECHO_PORT), '--reserve-port', String(PUBLIC_PORT), '--json']
  const client = program(t, CLIENT, args, env, undefined, undefined, undefined, networks.under('client'))
  await client.event('online')
  const visitor = steady(t, networks.under('server'), 'visit', String(PUBLIC_PORT))
  await visitor.event('begun')

  await resumesAfter(t, client, 'address replaced', () => {
    networks.leave(1)
    networks.join(1, '10.77.1.9')
  })
  await resumesAfter(t, client, 'default route moved', () => {
    networks.pass(1, false)
    networks.join(2)
  })
  await resumesAfter(t, client, 'no network for a while, and another address after it', async () => {
    const before = client.events.length
    networks.leave(2)
    await client.event('reconnecting', before)
    networks.join(2, '10.77.2.9')
  })
  dns.child.kill('SIGUSR2')
  await dns.event('silent')
  // It knows no address of the server yet.
  const newcomer = program(
    t,
    CLIENT,
    ['tcp', String(ECHO_PORT), '--json'],
    { ...env, PBT_HOME: scratch(t) },
    undefined,
    undefined,
    undefined,
    networks.under('client'),
  )
  await resumesAfter(t, client, 'another address while nobody answers for names', () => {
    networks.leave(2)
    networks.join(2, '10.77.2.17')
  })
  await pause(DNS_GAP_MS)
  await resumesAfter(t, client, 'the same once more, after a long time without names', () => {
    networks.leave(2)
    networks.join(2, '10.77.2.18')
  })
  dns.child.kill('SIGUSR2')
  await dns.event('answering')
  await inTime(t, 'names are answered for again, and a client that never knew the address', newcomer.event('online'))

  visitor.child.kill('SIGTERM')
  await visitor.exited
  assert.deepEqual(
    visitor.events.filter(({ event }) => event !== 'gap').map(({ event }) => event),
    ['begun', 'done'],
  )
  assert.deepEqual(
    client.events.filter(({ event }) => event === 'offline' || event === 'closed'),
    [],
  )
})

test('a machine without IPv4 reaches a server on itself', { skip }, async t => {
  const networks = new TwoNetworks(t)
  networks.serverLosesIpv4()
  const server = await startServer(t, {
    serverArgs: ['--bind-address', '::1'],
    ports: { https: 8_443, http: 8_080 },
    serverUnder: networks.under('server'),
  })
  const env = { ...clientEnv(t, server), PBT_SERVER: 'localhost:8443' }
  const args = ['http', '3000', '--domain', 'app', '--json']
  const client = program(t, CLIENT, args, env, undefined, undefined, undefined, networks.under('server'))
  assert.deepEqual((await client.event('online')).urls, ['https://app.localhost:8443'])
})
