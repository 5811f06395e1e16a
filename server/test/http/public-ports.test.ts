// A server behind a port forward, as of a router, a container or a proxy on layer 4: everybody is told the ports that visitors dial.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ConnectProxy } from '../../../client/src/session/testing/connect-proxy.ts'
import { leafCertificate } from '../../src/certs/certificate.ts'
import { run } from '../support/commands.ts'
import { OWN_DOMAIN, ownDomain } from '../support/own-domain.ts'
import { CLIENT, clientEnv, program, SERVER, scratch, startServer, startTunnel } from '../support/programs.ts'
import { Relay } from '../support/relay.ts'
import { httpTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawRequest, rawTlsVisitor } from '../support/visitors.ts'
import { upgradeRequest } from '../support/websocket.ts'

/** A server with its two ports behind others, and what visitors dial. */
async function forwarded(t: TestContext, serverArgs: readonly string[] = []) {
  const [https, http] = [new Relay(), new Relay()]
  await https.start(t, 0)
  await http.start(t, 0)
  const publicPorts = ['--public-https-port', String(https.port), '--public-http-port', String(http.port)]
  const server = await startServer(t, { serverArgs: [...publicPorts, ...serverArgs] })
  https.target = server.https
  http.target = server.http
  return { server, dialled: { ...server, https: https.port, http: http.port } }
}

test('B12: addresses, the ready line and the target have the ports that visitors dial, over HTTP/1.1, HTTP/2 and upgrades', async t => {
  const told = (fields: NodeJS.Dict<string | string[]>) => `port=${fields['x-forwarded-port']};`
  const target = await httpTarget(
    t,
    (request, response) => response.end(told(request.headers)),
    listener =>
      listener.on('upgrade', (request, socket) => socket.end(`HTTP/1.1 403 F\r\nX: ${told(request.headers)}\r\n\r\n`)),
  )
  const { server, dialled } = await forwarded(t)
  const client = await startTunnel(t, server, target, { domain: 'app', linkPort: dialled.https })
  const { urls } = await client.event('online')
  assert.deepEqual(urls, [`https://app.localhost:${dialled.https}`])
  const [ready] = server.program.events
  assert.deepEqual([ready?.https, ready?.publicHttps, ready?.publicHttp], [server.https, dialled.https, dialled.http])

  const get = (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
  assert.match(await rawRequest(t, dialled, get(`app.localhost:${dialled.http}`)), new RegExp(`port=${dialled.http};`))
  // As curl and browsers write it when it is the usual one.
  assert.match(await rawRequest(t, dialled, get('app.localhost')), /port=80;/)
  const session = await http2Visitor(t, dialled)
  const answer = await http2Request(session, { ':authority': `app.localhost:${dialled.https}` })
  assert.equal(String(answer.body), `port=${dialled.https};`)
  assert.equal(String((await http2Request(session, { ':authority': 'app.localhost' })).body), 'port=443;')
  const upgrading = await rawTlsVisitor(t, dialled)
  upgrading.send(upgradeRequest('/', `app.localhost:${dialled.https}`))
  await upgrading.until(new RegExp(`port=${dialled.https};`))
})

test('B12: visitors without TLS are sent to the port that they can dial, with nothing said of the usual one', async t => {
  const directory = scratch(t)
  const authority = { name: 'test', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  writeFileSync(cert, leafCertificate(authority, '*.pbt.test', publicKey, new Date(Date.now() + 90 * 24 * 3_600_000)))
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const domain = ['--base-domain', 'pbt.test', '--tls-cert', cert, '--tls-key', key, '--bind-address', '127.0.0.1']
  const { server, dialled } = await forwarded(t, domain)
  const asked = `GET /path?q HTTP/1.1\r\nHost: app.pbt.test:${dialled.http}\r\nConnection: close\r\n\r\n`
  const location = (port: string) =>
    new RegExp(`^HTTP/1\\.1 308 [\\s\\S]*location: https://app\\.pbt\\.test${port}/path\\?q\r\n`)
  assert.match(await rawRequest(t, dialled, asked), location(`:${dialled.https}`))

  await server.program.end()
  const usual = await startServer(t, {
    serverArgs: [...domain, '--public-https-port', '443', '--public-http-port', '80'],
  })
  assert.match(await rawRequest(t, usual, asked), location(''))
})

test('I8: row 23: over plain HTTP the token of a service that has certificates of its own goes to its tunnel, all else to https', async t => {
  const target = await httpTarget(t, (request, response) => response.end(`the service has ${request.url}`))
  const { serverArgs, ca } = ownDomain(t)
  // With automatic certificates, of which it needs none.
  const server = await startServer(t, { serverArgs: [...serverArgs, '--acme-directory', 'https://127.0.0.1:1/none'] })
  const proxy = await new ConnectProxy(server.https).start(t)
  const env = { PBT_SERVER: `${OWN_DOMAIN}:${server.https}`, PBT_CA: ca, HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` }
  const client = program(t, CLIENT, ['http', String(target), '--domain', 'app', '--json'], {
    ...{ PBT_HOME: scratch(t), PBT_TOKEN: server.token },
    ...env,
  })
  await client.event('online')
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: app.${OWN_DOMAIN}\r\nConnection: close\r\n\r\n`
  const token = '/.well-known/acme-challenge/of-the-service'
  assert.match(await rawRequest(t, server, get(token)), new RegExp(`^HTTP/1\\.1 200 [\\s\\S]*the service has ${token}`))
  assert.match(await rawRequest(t, server, get('/')), /^HTTP\/1\.1 308 /)
})

test('B12: people are told to dial the port that is dialled, and no tunnel gets one that leads to the server itself', async t => {
  const args = ['--public-https-port', '20443', '--public-http-port', '20080']
  const first = await startServer(t, { serverArgs: args })
  for (const port of ['20443', '20080']) {
    const { code, stdout } = await run(t, CLIENT, ['tcp', '1', '--reserve-port', port, '--json'], clientEnv(t, first))
    assert.deepEqual([code, /"code":"port-taken"/.test(stdout)], [4, true], stdout)
  }
  await first.program.end()

  const start = ['start', '--data-dir', first.dataDir, '--https-port', '0', '--http-port', '0']
  const server = program(t, SERVER, [...start, ...args])
  let said = ''
  server.child.stdout?.on('data', chunk => {
    said += chunk
  })
  await server.until(() => /For browsers and curl/.exec(said) ?? undefined, 'the ready text')
  assert.match(said, /https:\/\/<name>\.localhost:20443\n[\s\S]*--server localhost:20443 --ca/)
  assert.match(said, /http:\/\/<name>\.localhost:20080\n/)
  const refused = await run(t, SERVER, [...start, '--public-https-port', '7', '--public-http-port', '7'])
  assert.deepEqual([refused.code, /public-http-port is "7"/.test(refused.stderr)], [2, true])
})
