// Tunnels come and go on a live session of a real server, and what the others carry is not touched.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { LiveAgent, planFor } from '../support/live-agent.ts'
import { type RunningServer, restartServer, scratch, startClient, startServer } from '../support/programs.ts'
import { Relay } from '../support/relay.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { outcome, visit } from '../support/tcp-visitors.ts'
import { RawVisitor, rawRequest } from '../support/visitors.ts'

const answering = (t: TestContext, text: string) => httpTarget(t, (_request, response) => response.end(text))
const get = (t: TestContext, server: RunningServer, name: string) =>
  rawRequest(t, server, `GET / HTTP/1.1\r\nHost: ${name}.localhost\r\nConnection: close\r\n\r\n`)

/** A connection that answers as long as its tunnel carries it. */
async function stays(t: TestContext, port: number) {
  const visitor = new RawVisitor(await visit(t, port))
  let count = 0
  return async () => {
    visitor.send(`${++count};`)
    await visitor.until(new RegExp(`\\b${count};`))
  }
}

async function echo(t: TestContext) {
  return await rawTarget(t, socket => socket.pipe(socket))
}

/** A UDP visitor whose flow is echoed. */
async function flow(t: TestContext, port: number) {
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  let count = 0
  return async () => {
    const text = String(++count)
    const answered = once(socket, 'message')
    socket.send(text, port, '127.0.0.1')
    assert.equal(String((await answered)[0]), text)
  }
}

test('tunnels are added and taken away while a connection and a flow of others go on', async t => {
  const server = await startServer(t)
  const live = new LiveAgent(t, server, server.https, planFor.tcp(await echo(t)))
  const tcp = await live.online(1)
  const udpTarget = createSocket('udp4')
  t.after(() => udpTarget.close())
  udpTarget.on('message', (data, from) => udpTarget.send(data, from.port, from.address))
  udpTarget.bind(0, '127.0.0.1')
  await once(udpTarget, 'listening')
  const udp = await live.online(live.open(planFor.udp(udpTarget.address().port)))
  const others = [await stays(t, Number(tcp.port)), await flow(t, Number(udp.port))]
  const goOn = async () => {
    for (const other of others) await other()
  }
  await goOn()
  const target = await answering(t, 'one')
  for (let round = 0; round < 5; round++) {
    const number = live.open(planFor.http(target, 'app'))
    await live.online(number)
    assert.match(await get(t, server, 'app'), /^HTTP\/1\.1 200[\s\S]*one$/)
    await goOn()
    live.agent.close(number)
    // The same address at once again, under another number.
    const next = live.open(planFor.http(target, 'app'))
    await live.online(next)
    assert.match(await get(t, server, 'app'), /^HTTP\/1\.1 200[\s\S]*one$/)
    live.agent.close(next)
    live.open(planFor.http(target, `after-${round}`))
    await live.until(event => (event.event === 'online' && event.tunnel === `after-${round}` ? event : undefined))
    // Its answer came after the server had heard of the end.
    assert.match(await get(t, server, 'app'), /^HTTP\/1\.1 503[\s\S]*pbt-error: offline/i)
    await goOn()
  }
  live.agent.close(1)
  live.open(planFor.http(target, 'last'))
  await live.until(event => (event.event === 'online' && event.tunnel === 'last' ? event : undefined))
  await goOn()
  assert.notEqual((await outcome(t, Number(tcp.port))).end, 'clean', 'nobody new')
  assert.deepEqual(
    live.events.filter(({ event }) => ['error', 'closed', 'reconnecting', 'offline'].includes(event)),
    [],
  )
})

test('what is added and taken away while the link is down is so after it, whether the session is resumed or new', async t => {
  for (const isResumed of [true, false]) {
    const server = await startServer(t)
    const relay = new Relay()
    await relay.start(t, server.https)
    const live = new LiveAgent(t, server, relay.port, planFor.tcp(await echo(t)))
    const goOn = await stays(t, Number((await live.online(1)).port))
    const app = live.open(planFor.http(await answering(t, 'app'), 'app'))
    await live.online(app)
    await goOn()
    relay.target = 1 // where nobody listens
    relay.cut()
    await live.until(event => (event.event === 'reconnecting' ? event : undefined))
    live.agent.close(app)
    const passing = live.open(planFor.http(await answering(t, 'passing'), 'passing'))
    const more = live.open(planFor.http(await answering(t, 'more'), 'more'))
    live.agent.close(passing)
    if (!isResumed) {
      await server.program.end('SIGKILL')
      await restartServer(t, server, { ports: { https: server.https, http: server.http } })
    }
    relay.target = server.https
    await live.online(more)
    if (isResumed) await goOn()
    assert.ok(live.events.some(({ event }) => event === 'resumed') === isResumed)
    assert.match(await get(t, server, 'more'), /^HTTP\/1\.1 200[\s\S]*more$/)
    assert.match(await get(t, server, 'passing'), /^HTTP\/1\.1 (503|404) /)
    // A server that was killed waits for the name until the grace time is over: nobody could tell it.
    if (isResumed) assert.match(await get(t, server, 'app'), /^HTTP\/1\.1 503 /)
  }
})

test('a restart of the same command takes over at once, and commands that differ by name live side by side', async t => {
  const server = await startServer(t)
  const options = { home: join(scratch(t), 'home') }
  const target = String(await echo(t))
  const first = await startClient(t, server, ['tcp', target], options)
  const second = await startClient(t, server, ['tcp', target], options)
  assert.equal(first.port, second.port)
  const { code } = (await first.client.event('closed')) as { code?: unknown }
  assert.equal(code, 'replaced')
  const named = await startClient(t, server, ['tcp', target, '--name', 'one'], options)
  const other = await startClient(t, server, ['tcp', target, '--name', 'two'], options)
  assert.equal(new Set([second.port, named.port, other.port]).size, 3)
  const again = await startClient(t, server, ['tcp', target, '--name', 'one'], options)
  assert.equal(again.port, named.port)
  for (const { client } of [second, other]) assert.equal(client.child.exitCode, null)
})
