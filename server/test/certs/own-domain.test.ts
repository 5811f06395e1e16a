// A server with a domain of its own and no certificate: it gets what it needs by itself, wildcards by delegation too.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import { lastingPort } from '../support/ports.ts'
import { type Program, type ProgramEvent, program, SERVER, startServer } from '../support/programs.ts'
import { type DnsWorld, hasDnsWorld, startDnsWorld } from './support/dns-world.ts'
import { HOSTILE, hasPebble, startPebble } from './support/pebble.ts'

const BASE = 'tunnel.example.test'

test('I1, I5, I8: row 21: though all of HTTP leads to https, from no certificate to the wildcards of the base and of a custom domain', async t => {
  if (!hasPebble(t) || !(await hasDnsWorld(t))) return
  const world = await startDnsWorld(t, BASE)
  const ports = { https: await lastingPort(), http: await lastingPort() }
  const pebble = await startPebble(t, { dnsServer: world.resolver, httpPort: ports.http, env: HOSTILE })
  const { program: server, dataDir } = await startServer(t, { ports, serverArgs: argsFor(world, pebble) })
  const domains = () => command(t, dataDir, ['list'])

  // Over HTTP at once: clients can connect.
  await came(server, [BASE, `link.${BASE}`, `admin.${BASE}`])
  const root = await pebble.root()
  assert.equal(await verifies(ports.https, `link.${BASE}`, root), true)
  await assert.rejects(verifies(ports.https, `app.${BASE}`, root))

  // The wildcard waits for one record, which is named.
  const waiting = await until(domains, item => item.domain === `*.${BASE}` && item.problem !== undefined)
  assert.equal(waiting.state, 'pending')
  const record = recordsOf(waiting).find(({ type }) => type === 'CNAME')
  assert.equal(record?.name, `_acme-challenge.${BASE}`)
  assert.match(String(waiting.problem?.cure), new RegExp(`${record?.name}\\.? CNAME ${record?.value}`))
  world.records.set(`_acme-challenge.${BASE}`, { CNAME: [record?.value ?? ''] })
  await came(server, [`*.${BASE}`, BASE])
  assert.equal(await verifies(ports.https, `app.${BASE}`, root), true)

  // A custom wildcard with its apex, in one certificate.
  world.records.set('*.mine.test', { A: [world.address] })
  const [added] = await command(t, dataDir, ['add', '*.mine.test', 'mine.test'])
  for (const { name, type, value } of recordsOf(added)) {
    if (type === 'CNAME' && name.startsWith('_')) world.records.set(name, { CNAME: [value] })
  }
  await came(server, ['*.mine.test', 'mine.test'])
  assert.equal(await verifies(ports.https, 'any.mine.test', root), true)
  const checks = await command(t, dataDir, ['check', '*.mine.test'])
  assert.deepEqual(
    checks.filter(({ state }) => state === 'failed'),
    [],
  )

  // What lies below the base domain is no custom domain, and the server's own cannot be removed.
  assert.match(String((await command(t, dataDir, ['add', `app.${BASE}`]))[0]?.message), /own certificate covers it/)
  assert.match(String((await command(t, dataDir, ['remove', BASE]))[0]?.message), /server's own/)
  const [removed] = await command(t, dataDir, ['remove', '*.mine.test'])
  assert.equal(removed?.domain, '*.mine.test')
  await assert.rejects(verifies(ports.https, 'any.mine.test', root))

  // The plain port: everything but tokens goes to https; tokens that are nobody's go to the tunnel, of which there is none.
  assert.equal((await plain(ports.http, `app.${BASE}`, '/x')).status, 308)
  assert.equal((await plain(ports.http, `app.${BASE}`, '/.well-known/acme-challenge/abc')).status, 404)
})

function argsFor(world: DnsWorld, pebble: { directory: string; caFile: string }): string[] {
  return [
    ...['--base-domain', BASE, '--dns-port', '53', '--dns-address', world.address, '--public-address', world.address],
    ...['--dns-resolver', world.resolver, '--acme-directory', pebble.directory, '--acme-ca', pebble.caFile],
  ]
}

interface Item extends ProgramEvent {
  readonly domain?: string
  readonly state?: string
  readonly message?: string
  readonly problem?: { readonly message: string; readonly cure: string }
}

/** What a command said; one that failed says why. */
async function command(t: TestContext, dataDir: string, args: readonly string[]): Promise<Item[]> {
  const [verb = '', ...rest] = args
  const ran = program(t, SERVER, ['domain', verb, ...rest, '--json', '--data-dir', dataDir])
  await ran.exited
  return ran.events
}

async function until(list: () => Promise<Item[]>, find: (item: Item) => boolean): Promise<Item> {
  const deadline = Date.now() + 60_000
  for (;;) {
    const items = await list()
    const found = items.find(find)
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error(`did not come: ${JSON.stringify(items)}`)
  }
}

function recordsOf(item: Item | undefined): { name: string; type: string; value: string }[] {
  return (item?.records ?? []) as { name: string; type: string; value: string }[]
}

/** By the server's log, which is JSON. */
async function came(server: Program, names: readonly string[]): Promise<void> {
  const line = `"names":${JSON.stringify(names)}`
  const has = () =>
    server.stderr.split('\n').find(each => each.includes('a certificate has come') && each.includes(line))
  await server.until(has, `a certificate for ${names}`)
}

/** Rejects when there is no certificate, or none that these roots vouch for. */
async function verifies(port: number, servername: string, ca: string): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1', servername, ca })
  try {
    await once(socket, 'secureConnect')
    return socket.authorized
  } finally {
    socket.destroy()
  }
}

async function plain(port: number, host: string, path: string): Promise<{ status: number }> {
  const asked = request({ port, host: '127.0.0.1', path, headers: { host }, agent: false }).end()
  const [response] = await once(asked, 'response')
  response.resume()
  return { status: response.statusCode }
}
