// --host-header: a service that compares Host with where its visitor comes from takes its own pages for its own.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { startClient, startServer } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawVisitor } from '../support/visitors.ts'
import { acceptUpgrade, WEBSOCKET_KEY } from '../support/websocket.ts'

/** Of a request, what says where it comes from and leads to. */
function told(headers: IncomingMessage['headers'], host = headers.host) {
  const { origin, referer, destination } = headers
  return JSON.stringify({ host, origin, referer, destination, shown: headers['x-forwarded-host'] })
}

/** As dev servers do: a WebSocket from another page than its own is refused. */
function isOwn({ headers: { host, origin } }: IncomingMessage): boolean {
  return origin !== undefined && new URL(origin).host === host
}

async function devServer(t: TestContext): Promise<number> {
  return await httpTarget(
    t,
    (request, response) => response.end(told(request.headers)),
    server =>
      server.on('upgrade', (request, socket) => {
        if (isOwn(request)) acceptUpgrade(request, socket)
        else socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
      }),
  )
}

async function h2cServer(t: TestContext): Promise<number> {
  const server = createHttp2((request, response) => response.end(told(request.headers, request.authority)))
  server.on('session', session => t.after(() => session.destroy()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

test('B13: with --host-header the target sees its own address as Host, Origin, Referer and Destination, and others as they are', async t => {
  const [dev, h2c] = [await devServer(t), await h2cServer(t)]
  const server = await startServer(t)
  const specs = [
    `http:${dev},domain=kept`,
    `http:${dev},domain=own,host-header=rewrite`,
    `http:${dev},domain=value,host-header=dev.test`,
    `http:${h2c},domain=grpc,target-protocol=h2c,host-header=rewrite`,
  ]
  const { client } = await startClient(t, server, ['up', ...specs])
  const isOnline = () => client.events.filter(({ event }) => event === 'online').length === specs.length
  await client.until(() => (isOnline() ? true : undefined), 'all tunnels')

  const shownTo = async (name: string, origin: string) => {
    const visitor = await rawVisitor(t, server)
    const fields = `Origin: ${origin}\r\nReferer: ${origin}/page?x\r\nDestination: ${origin}/copy\r\n`
    visitor.send(`COPY / HTTP/1.1\r\nHost: ${name}.localhost:${server.http}\r\nConnection: close\r\n${fields}\r\n`)
    await visitor.over()
    return JSON.parse(/\{.*\}/.exec(visitor.text)?.[0] ?? visitor.text)
  }
  const handshake = async (name: string, origin: string) => {
    const visitor = await rawVisitor(t, server)
    const fields = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nOrigin: ${origin}\r\n`
    const key = `Sec-WebSocket-Key: ${WEBSOCKET_KEY}\r\n`
    visitor.send(`GET / HTTP/1.1\r\nHost: ${name}.localhost:${server.http}\r\n${fields}${key}\r\n`)
    await visitor.until(/\r\n\r\n/)
    visitor.socket.destroy()
    return Number(/^HTTP\/1\.1 (\d+)/.exec(visitor.text)?.[1])
  }
  const seenAs = (authority: string, origin: string, name: string) => {
    const shown = `${name}.localhost:${server.http}`
    return { host: authority, origin, referer: `${origin}/page?x`, destination: `${origin}/copy`, shown }
  }
  const addresses = { kept: '', own: `localhost:${dev}`, value: 'dev.test', grpc: `localhost:${h2c}` }
  for (const [name, own] of Object.entries(addresses)) {
    const host = `${name}.localhost:${server.http}`
    const target = own || host
    assert.deepEqual(await shownTo(name, `http://${host}`), seenAs(target, `http://${target}`, name), name)
    const other = 'https://other.example'
    assert.deepEqual(await shownTo(name, other), seenAs(target, other, name), name)
  }
  for (const name of ['kept', 'own', 'value']) {
    assert.equal(await handshake(name, `http://${name}.localhost:${server.http}`), 101, name)
    assert.equal(await handshake(name, 'https://other.example'), 403, name)
  }
})
