// Targets that speak TLS: on this machine any certificate will do unless it is to be checked.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { TEST_CERTIFICATE, TEST_KEY } from '../../../client/src/session/testing/certificate.ts'
import {
  CLIENT,
  clientEnv,
  type Program,
  program,
  type RunningServer,
  startServer,
  startTalkingClient,
} from '../support/programs.ts'
import { http2Request, http2Visitor, rawRequest } from '../support/visitors.ts'

const get = (name: string) => `GET / HTTP/1.1\r\nHost: ${name}.localhost\r\nConnection: close\r\n\r\n`

/** A service with a certificate that nobody has signed and that has another name. */
async function selfSigned(t: TestContext): Promise<number> {
  const server = createServer({ cert: TEST_CERTIFICATE, key: TEST_KEY }, (request, response) =>
    response.end(`for ${request.headers.host}`),
  )
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
  const server = await startServer(t)
  for (const host of ['127.0.0.1', 'localhost']) {
    const target = `https://${host}:${port}`
    const any = await tunnel(t, server, [target, '--domain', 'any'])
    assert.match(await rawRequest(t, server, get('any')), /^HTTP\/1\.1 200 OK[\s\S]*for any\.localhost$/)
    const session = await http2Visitor(t, server, 'any.localhost')
    assert.equal((await http2Request(session, {})).status, 200)

    const checked = await tunnel(t, server, [target, '--domain', 'checked', '--verify-target'])
    const refused = await rawRequest(t, server, get('checked'))
    assert.match(refused, /^HTTP\/1\.1 502 [\s\S]*pbt-error: target-unreachable/)
    assert.doesNotMatch(refused, /self-signed|127\.0\.0\.1/)
    assert.doesNotMatch(refused, /for checked/)
    assert.deepEqual(
      checked.events.filter(({ event }) => event === 'reconnecting'),
      [],
    )
    const talking = await startTalkingClient(t, server, ['http', target, '--domain', 'talking', '--verify-target'])
    await rawRequest(t, server, get('talking'))
    await talking.until(() => /self-signed certificate/.exec(talking.said) ?? undefined, 'the reason')
    for (const client of [any, checked, talking]) await client.end()
  }
})

test('with --verify-target a certificate of an authority that is trusted is right', async t => {
  const server = await startServer(t)
  // The server itself is a service with such a certificate: for localhost, of its own authority.
  const args = [`https://localhost:${server.https}`, '--host-header', 'rewrite', '--verify-target']
  await tunnel(t, server, [...args, '--domain', 'trusting'], { NODE_EXTRA_CA_CERTS: server.ca })
  assert.match(await rawRequest(t, server, get('trusting')), /^HTTP\/1\.1 404 [\s\S]*You asked for localhost/)
  await tunnel(t, server, [...args, '--domain', 'strict'])
  assert.match(await rawRequest(t, server, get('strict')), /^HTTP\/1\.1 502 [\s\S]*pbt-error: target-unreachable/)
})
