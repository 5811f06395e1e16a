// The owner pauses tunnels under load: new visitors are turned away, those who are connected go on, nobody else notices.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { TunnelState as State } from '@pbt/proto/admin/v1'
import { ask, udpSocket, udpTarget } from '../support/datagrams.ts'
import { ownerOf } from '../support/owner.ts'
import { type RunningServer, restartServer, scratch, startClient, startServer } from '../support/programs.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { outcome, visit } from '../support/tcp-visitors.ts'
import { RawVisitor, rawRequest, rawVisitor } from '../support/visitors.ts'

const textFor = (name: string) => `GET / HTTP/1.1\r\nHost: ${name}.localhost\r\nConnection: close\r\n\r\n`
const get = (t: TestContext, server: RunningServer, name: string) => rawRequest(t, server, textFor(name))

/** Requests one after the other, until it is told to stop; tells how they went. */
function load(t: TestContext, server: RunningServer, name: string) {
  const seen = { ok: 0, paused: 0, odd: [] as string[] }
  let isOver = false
  const waiting: (() => void)[] = []
  const loop = async () => {
    while (!isOver) {
      const text = await get(t, server, name)
      if (text.includes('here')) seen.ok++
      else if (/^HTTP\/1\.1 503 [\s\S]*pbt-error: paused/i.test(text)) seen.paused++
      else seen.odd.push(text)
      for (const wake of waiting.splice(0)) wake()
    }
  }
  const running = Promise.all([loop(), loop(), loop()])
  /** Waits until the figure has grown by `count`. */
  const more = async (what: 'ok' | 'paused', count: number) => {
    const wanted = seen[what] + count
    while (seen[what] < wanted) await new Promise<void>(resolve => waiting.push(resolve))
  }
  const stop = async () => {
    isOver = true
    await running
  }
  return { seen, more, stop }
}

test('pause and resume under load: 503 paused, TCP reset, UDP dropped; who is connected goes on, over restarts, and others notice nothing', async t => {
  const port = await httpTarget(t, (request, response) => {
    if (request.url === '/') response.end('here')
    else response.write('begun;')
    request.on('data', chunk => response.write(chunk))
  })
  const echo = await rawTarget(t, socket => socket.pipe(socket))
  const { port: udpEcho } = await udpTarget(t, datagram => [datagram])
  let server = await startServer(t)
  const specs = [
    `http:${port},domain=app`,
    `http:${port},domain=other`,
    `tcp:${echo},name=shell`,
    `udp:${udpEcho},name=dns`,
  ]
  const { client } = await startClient(t, server, ['up', ...specs], { home: join(scratch(t), 'client') })
  await client.until(() => client.events.filter(({ event }) => event === 'online').length === 4 || undefined, 'all')
  const portOf = (name: string) => {
    const event = client.events.find(({ event, tunnel }) => event === 'online' && tunnel === name)
    const [url] = (event?.urls ?? []) as string[]
    return Number(new URL(url ?? '').port)
  }
  const upload = await rawVisitor(t, server)
  upload.send('POST /up HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n')
  await upload.until(/begun/)
  const shell = new RawVisitor(await visit(t, portOf('shell')))
  const flow = await udpSocket(t)
  assert.equal(String(await ask(flow, portOf('dns'), Buffer.from('1'))), '1')

  const [app, other] = [load(t, server, 'app'), load(t, server, 'other')]
  await Promise.all([app.more('ok', 20), other.more('ok', 20)])
  let owner = ownerOf(server)
  for (const name of ['app', 'shell', 'dns']) {
    const { tunnel } = await owner.tunnels.pauseTunnel({ name })
    assert.equal(tunnel?.state, State.PAUSED)
  }
  const { ok } = app.seen
  await Promise.all([app.more('paused', 20), other.more('ok', 20)])
  assert.ok(app.seen.ok <= ok + 3, 'those that were under way')
  const refused = await get(t, server, 'app')
  assert.match(refused, /^HTTP\/1\.1 503 /)
  assert.match(refused, /retry-after: \d+/i)
  assert.deepEqual(await outcome(t, portOf('shell')), { text: '', end: 'ECONNRESET' })
  let answers = 0
  flow.on('message', () => answers++)
  flow.send('2', portOf('dns'), '127.0.0.1')
  // Those who were there go on.
  upload.send('2\r\nok\r\n')
  await upload.until(/ok/)
  shell.send('still;')
  await shell.until(/still;/)
  assert.equal(answers, 0)
  const { event } = client.events.at(-1) ?? {}
  assert.equal(event, 'online', 'the client hears nothing of it')

  for (const name of ['app', 'shell', 'dns']) await owner.tunnels.resumeTunnel({ name })
  await app.more('ok', 20)
  assert.equal(String(await ask(flow, portOf('dns'), Buffer.from('3'))), '3')
  await Promise.all([app.stop(), other.stop()])
  assert.deepEqual([app.seen.odd, other.seen.odd, other.seen.paused], [[], [], 0])

  await owner.tunnels.pauseTunnel({ name: 'app' })
  const seen = client.events.length
  await server.program.end('SIGKILL')
  server = await restartServer(t, server, { ports: { https: server.https, http: server.http } })
  await client.until(
    () => client.events.slice(seen).filter(({ event }) => event === 'online').length >= 4 || undefined,
    'all',
  )
  assert.match(await get(t, server, 'app'), /pbt-error: paused/i)
  owner = ownerOf(server)
  assert.equal((await owner.tunnels.listTunnels({ states: [State.PAUSED] })).tunnels.length, 1)
  await owner.tunnels.resumeTunnel({ name: 'app' })
  assert.match(await get(t, server, 'app'), /here/)
})
