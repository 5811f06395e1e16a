// A client whose only way out is an HTTP proxy: link, resume and bulk go through it, and its password is seen nowhere.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { ConnectProxy } from '../../../client/src/session/testing/connect-proxy.ts'
import { OWN_DOMAIN, ownDomain } from '../support/own-domain.ts'
import { CLIENT, program, type RunningServer, scratch, startServer } from '../support/programs.ts'
import { hashOf, receive, send } from '../support/streams.ts'
import { rawTarget } from '../support/targets.ts'

const BYTES = 8 * 1024 * 1024
const PASSWORD = 'c0rrect-horse'

/** A download of BYTES through the public port; `begun` is called once some of it has come. */
async function download(t: TestContext, port: number, begun: () => void): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.once('data', begun)
  const { hash, bytes } = await receive(socket)
  assert.equal(bytes, BYTES)
  return hash
}

function startProxied(t: TestContext, server: RunningServer, ca: string, target: number, proxy: string) {
  const env = {
    PBT_HOME: scratch(t),
    PBT_SERVER: `${OWN_DOMAIN}:${server.https}`,
    PBT_TOKEN: server.token,
    PBT_CA: ca,
    HTTPS_PROXY: proxy,
    NO_PROXY: 'localhost,.example',
  }
  return program(t, CLIENT, ['tcp', String(target), '--json'], env)
}

test('link, resume and bulk go through an HTTP proxy that asks for a password', async t => {
  const { serverArgs, ca } = ownDomain(t)
  const server = await startServer(t, { serverArgs })
  const proxy = await new ConnectProxy(server.https).start(t)
  proxy.credentials = `me:${PASSWORD}`
  const target = await rawTarget(t, socket => {
    send(socket, 7, BYTES, 2).catch(() => {})
  })
  const wrong = startProxied(t, server, ca, target, `http://me:wr0ng-one@127.0.0.1:${proxy.port}`)
  const { reason, cure } = await wrong.event('reconnecting')
  assert.match(String(reason), /^the proxy 127\.0\.0\.1:\d+ refused the user and the password \(407\)$/)
  assert.match(String(cure), /HTTPS_PROXY/)
  await wrong.end()
  assert.equal(`${JSON.stringify(wrong.events)}${wrong.said}${wrong.stderr}`.includes('wr0ng-one'), false)

  const client = startProxied(t, server, ca, target, `http://me:${PASSWORD}@127.0.0.1:${proxy.port}`)
  const { urls } = await client.event('online')
  const port = Number(new URL(String((urls as unknown[])[0])).port)
  const hash = await download(t, port, () => proxy.cut())
  assert.equal(hash, hashOf(7, BYTES))
  await client.event('resumed')
  assert.ok(proxy.bytes > BYTES, `${proxy.bytes} bytes went through the proxy`)
  assert.equal(`${JSON.stringify(client.events)}${client.said}${client.stderr}`.includes(PASSWORD), false)
  // Nothing looked the server's name up, which only the proxy knows; and the password is in no argument.
  assert.equal(readFileSync(`/proc/${client.pid}/cmdline`, 'utf8').includes(PASSWORD), false)
})

test('HTTPS_PROXY that is none ends the start with what to do, and does not show it', async t => {
  const env = { PBT_HOME: scratch(t), PBT_SERVER: 'pbt.test', PBT_TOKEN: 'x', HTTPS_PROXY: 'socks5://me:hunter2@h:1' }
  const client = program(t, CLIENT, ['http', '3000', '--json'], env)
  const { message, cure } = await client.event('error')
  assert.match(String(message), /names a proxy of the kind "socks5"/)
  assert.match(String(cure), /NO_PROXY/)
  assert.equal((await client.exited).code, 2)
  assert.equal(JSON.stringify(client.events).includes('hunter2'), false)
})
