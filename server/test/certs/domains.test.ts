// A custom domain from nothing: one command, and its certificate comes, serves and renews.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import { CLIENT, clientEnv, lastingPort, program, type RunningServer, startServer } from '../support/programs.ts'
import { HOSTILE, hasPebble, type Pebble, startPebble } from './support/pebble.ts'

test('I1, I2: one command gives a custom domain a certificate from a hostile CA', async t => {
  if (!hasPebble(t)) return
  const { server, pebble } = await startBoth(t)
  const target = await startTarget(t)
  const args = ['tunnel', 'http', String(target), '--domain', 'app.mine.test', '--json']
  const client = program(t, CLIENT, args, clientEnv(t, server))
  const waiting = await client.event('waiting')
  assert.match(String(waiting.reason), /^no certificate covers it yet/)
  const online = await client.event('online')
  assert.deepEqual(online.urls, [`https://app.mine.test:${server.https}`])
  assert.equal(await fetchOver(server, 'app.mine.test', await pebble.root()), 'hello')
})

async function startBoth(t: TestContext, env = HOSTILE): Promise<{ server: RunningServer; pebble: Pebble }> {
  const ports = { https: await lastingPort(), http: await lastingPort() }
  const pebble = await startPebble(t, { httpPort: ports.http, env })
  const serverArgs = ['--acme-directory', pebble.directory, '--acme-ca', pebble.caFile]
  serverArgs.push('--dns-resolver', pebble.dnsServer, '--public-address', '127.0.0.1')
  return { server: await startServer(t, { ports, serverArgs }), pebble }
}

async function startTarget(t: TestContext): Promise<number> {
  const target = createServer((_request, response) => response.end('hello'))
  target.listen(0, '127.0.0.1')
  await once(target, 'listening')
  t.after(() => target.close())
  return (target.address() as AddressInfo).port
}

/** What the tunnel answers over TLS that verifies against these roots alone. */
async function fetchOver({ https }: RunningServer, servername: string, ca: string): Promise<string> {
  const socket = connect({ port: https, host: '127.0.0.1', servername, ca })
  await once(socket, 'secureConnect')
  socket.write(`GET / HTTP/1.0\r\nhost: ${servername}\r\n\r\n`)
  let text = ''
  for await (const chunk of socket.setEncoding('utf8')) text += chunk
  return text.slice(text.indexOf('\r\n\r\n') + 4)
}
