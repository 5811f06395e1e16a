// Targets that speak TLS: on this machine any certificate will do unless it is to be checked.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { TEST_CERTIFICATE, TEST_KEY } from '../../../client/src/session/testing/certificate.ts'
import {
  CLIENT,
  clientEnv,
  type Program,
  program,
  type RunningServer,
  scratch,
  startServer,
  startTalkingClient,
} from '../support/programs.ts'
import { shared } from '../support/shared.ts'
import { httpTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawRequest, rawVisitor } from '../support/visitors.ts'
import { acceptUpgrade, upgradeRequest } from '../support/websocket.ts'

const house = shared(startServer)

const get = (name: string) => `GET / HTTP/1.1\r\nHost: ${name}.localhost\r\nConnection: close\r\n\r\n`

/** A service with a certificate that nobody has signed, for link.localhost; `asked`: the names that it was asked for. */
async function selfSigned(t: TestContext, asked: unknown[] = []): Promise<number> {
  const server = createServer({ cert: TEST_CERTIFICATE, key: TEST_KEY }, (request, response) =>
    response.end(`for ${request.headers.host}`),
  )
  server.on('secureConnection', socket => asked.push(Reflect.get(socket, 'servername')))
  server.on('upgrade', (request, socket) => acceptUpgrade(request, socket))
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function tunnel(t: TestContext, server: RunningServer, args: readonly string[], env = {}): Promise<Program> {
  const client = program(t, CLIENT, ['http', ...args, '--json'], { ...clientEnv(t, server), ...env })
  await client.event('online')
  return client
}

test('an https target on this machine is served as it is, and with --verify-target only when its certificate is right', async t => {
  const port = await selfSigned(t)
  const server = await house()
  const hosts = { ip: '127.0.0.1', name: 'localhost' }
  const specs = Object.entries(hosts).flatMap(([by, host]) => [
    `http:https://${host}:${port},domain=any-${by}`,
    `http:https://${host}:${port},domain=checked-${by},verify-target`,
  ])
  const client = await startTalkingClient(t, server, ['up', ...specs])
  await client.until(() => client.said.match(/ online: /g)?.length === specs.length || undefined, 'all tunnels')
  for (const by of Object.keys(hosts)) {
    const served = new RegExp(`^HTTP/1\\.1 200 OK[\\s\\S]*for any-${by}\\.localhost$`)
    assert.match(await rawRequest(t, server, get(`any-${by}`)), served)
    const session = await http2Visitor(t, server, `any-${by}.localhost`)
    assert.equal((await http2Request(session, {})).status, 200)

    const before = client.said.length
    const refused = await rawRequest(t, server, get(`checked-${by}`))
    assert.match(refused, /^HTTP\/1\.1 502 [\s\S]*pbt-error: target-unreachable/)
    assert.doesNotMatch(refused, /self-signed|127\.0\.0\.1/)
    assert.doesNotMatch(refused, /for checked/)
    await client.until(() => /self-signed certificate/.exec(client.said.slice(before)) ?? undefined, 'the reason')
  }
  assert.doesNotMatch(client.said, /trying again|reconnect/i)
})

test('with --verify-target a certificate of an authority that is trusted is right', async t => {
  const server = await house()
  // The server itself is a service with such a certificate: for localhost, of its own authority.
  const args = [`https://localhost:${server.https}`, '--host-header', 'rewrite', '--verify-target']
  await tunnel(t, server, [...args, '--domain', 'trusting'], { NODE_EXTRA_CA_CERTS: server.ca })
  assert.match(await rawRequest(t, server, get('trusting')), /^HTTP\/1\.1 404 [\s\S]*You asked for localhost/)
  await tunnel(t, server, [...args, '--domain', 'strict'])
  assert.match(await rawRequest(t, server, get('strict')), /^HTTP\/1\.1 502 [\s\S]*pbt-error: target-unreachable/)
})

const NAMES = new URL('../support/names.mjs', import.meta.url).href

test('H21: a target elsewhere with a certificate of its own is served once an option says so, and until then its owner is told which', async t => {
  const asked: unknown[] = []
  const port = await selfSigned(t, asked)
  const plain = await httpTarget(t, (_request, response) => response.end('plain'))
  const server = await house()
  const home = scratch(t)
  const [names, own] = [join(home, 'names.json'), join(home, 'own.pem')]
  writeFileSync(names, JSON.stringify({ 'nas.test': '127.0.0.1' }))
  writeFileSync(own, TEST_CERTIFICATE)
  const target = `http:https://nas.test:${port}`
  const ours = `target-ca=${own},target-name=link.localhost`
  const specs = [
    `${target},domain=untold`,
    `${target},domain=insecure,insecure-target`,
    `${target},domain=named,target-ca=${own}`,
    `${target},domain=right,${ours}`,
    `${target},domain=other,target-ca=${server.ca},target-name=link.localhost`,
    `http:https://127.0.0.1:${port},domain=here,${ours}`,
    `http:https://localhost:${server.https},domain=signed,host-header=rewrite,target-ca=${server.ca}`,
    `http:https://nas.test:${plain},domain=plain`,
  ]
  const env = { ...clientEnv(t, server), NODE_OPTIONS: `--import=${NAMES}`, PBT_TEST_NAMES: names }
  const client = program(t, CLIENT, ['up', ...specs], env)
  await client.until(() => client.said.match(/ online: /g)?.length === specs.length || undefined, 'all tunnels')

  const told = {
    untold: /self-signed certificate \(--target-ca FILE [\s\S]*--insecure-target/,
    named: /certificate is for link\.localhost and not for nas\.test \(--target-name NAME/,
    other: /self-signed certificate \(--target-ca FILE/,
    plain: /does not speak TLS \(give the target without https:\/\/\)/,
  }
  for (const [name, reason] of Object.entries(told)) {
    const before = client.said.length
    const refused = await rawRequest(t, server, get(name))
    assert.match(refused, /^HTTP\/1\.1 502 [\s\S]*pbt-error: target-unreachable/, name)
    assert.doesNotMatch(refused, reason)
    await client.until(() => reason.test(client.said.slice(before)) || undefined, `why ${name} is refused`)
  }
  asked.length = 0
  for (const name of ['insecure', 'right', 'here']) {
    assert.match(
      await rawRequest(t, server, get(name)),
      new RegExp(`^HTTP/1\\.1 200 OK[\\s\\S]*for ${name}\\.localhost$`),
    )
    const visitor = await rawVisitor(t, server)
    visitor.send(upgradeRequest('/', `${name}.localhost`))
    await visitor.until(/^HTTP\/1\.1 101 /)
    visitor.socket.destroy()
  }
  assert.deepEqual([...new Set(asked)], ['nas.test', 'link.localhost'])
  assert.match(await rawRequest(t, server, get('signed')), /^HTTP\/1\.1 404 [\s\S]*You asked for localhost/)
})
