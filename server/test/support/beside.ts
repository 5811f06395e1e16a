// A real client beside hostile peers: its tunnel has to go on whatever they do.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import type { HostilePeer } from './hostile-peer.ts'
import { type RunningServer, type ServerOptions, startServer, startTunnel } from './programs.ts'
import { httpTarget } from './targets.ts'
import { rawRequest, rawVisitor } from './visitors.ts'

const GET = 'GET /x HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'

/**
 * A server with the tunnel `honest` of a real client and a download through it that lasts. `isWell` fails unless the
 * tunnel answers, the download goes on and the client has had no reason to dial again.
 */
export async function withClient(t: TestContext, options: ServerOptions = {}) {
  const lasting = Promise.withResolvers<ServerResponse>()
  const target = await httpTarget(t, ({ url }, response) => {
    if (url !== '/lasting') response.end('well')
    else lasting.resolve(response.writeHead(200))
  })
  const server = await startServer(t, options)
  const client = await startTunnel(t, server, target, { domain: 'honest' })
  const asking = request({
    ...{ port: server.http, host: '127.0.0.1', path: '/lasting' },
    headers: { host: 'honest.localhost' },
  }).end()
  t.after(() => asking.destroy())
  const source = await lasting.promise
  source.write('0;')
  const [download] = (await once(asking, 'response')) as [IncomingMessage]
  let text = ''
  let asked = 0
  const heard = async () => {
    while (!text.endsWith(`${asked};`)) text += String((await once(download, 'data'))[0])
  }
  await heard()
  const isWell = async () => {
    const answer = await rawRequest(t, server, GET.replace('app.', 'honest.'))
    assert.match(answer, /^HTTP\/1\.1 200[\s\S]*well/)
    source.write(`${++asked};`)
    await heard()
    const dialled = client.events.filter(({ event }) => event !== 'connected' && event !== 'online')
    assert.deepEqual(dialled, [], 'the client lost its link')
  }
  return { server, client, isWell }
}

/** Sends a request for `app` and resolves with its channel; the answer comes on `visitor`. */
export async function asked(t: TestContext, server: RunningServer, peer: HostilePeer, skip = 0) {
  const visitor = await rawVisitor(t, server)
  visitor.send(GET)
  const { channel } = await peer.frame('httpRequest', skip)
  return { channel: BigInt(channel), visitor }
}
