// UDP beyond its limits: flows without number, and more datagrams than the link takes.
import assert from 'node:assert/strict'
import type { Socket } from 'node:dgram'
import { test } from 'node:test'
import { ask, LOST_MS, udpSocket, udpTarget } from '../support/datagrams.ts'
import { lastingPort } from '../support/ports.ts'
import { startClient, startServer } from '../support/programs.ts'
import { Relay } from '../support/relay.ts'
import { residentBytes } from '../support/streams.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

const QUESTION = Buffer.from('?')
const FLOWS = 4_096
const FLOWS_PER_SOURCE = 256
const AT_ONCE = 64
const GET = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'

test('F10: 4,096 flows and 256 of one source; the next drives out the one that was silent longest', async t => {
  const target = await udpTarget(t, datagram => [datagram])
  const server = await startServer(t)
  const { port } = await startClient(t, server, ['udp', String(target.port)])
  const flows: Socket[] = []
  for (let source = 1; flows.length < FLOWS; source++) {
    for (let made = 0; made < FLOWS_PER_SOURCE; made += AT_ONCE) {
      const some = await Promise.all(Array.from({ length: AT_ONCE }, () => udpSocket(t, `127.0.1.${source}`)))
      await Promise.all(some.map(socket => ask(socket, port, QUESTION)))
      flows.push(...some)
    }
  }
  assert.equal(target.askers.size, FLOWS)
  // One more of a source that has as many as it may is not answered; the others of it are.
  const surplus = await udpSocket(t, '127.0.1.1')
  surplus.on('message', () => assert.fail('a flow beyond the limit of its source was served'))
  surplus.send('?', port, '127.0.0.1')
  const [first, second] = flows
  assert.ok(first !== undefined && second !== undefined)
  await ask(first, port, QUESTION)
  assert.equal(target.askers.size, FLOWS)
  // The first has just spoken, so it is the second that goes, and only that.
  await ask(await udpSocket(t, '127.0.2.1'), port, QUESTION)
  assert.equal(target.askers.size, FLOWS + 1)
  await ask(first, port, QUESTION)
  assert.equal(target.askers.size, FLOWS + 1)
  await ask(second, port, QUESTION)
  assert.equal(target.askers.size, FLOWS + 2)
})

test('F13: what a link that stands still does not take is dropped and counted, and everything goes on after it', async t => {
  const target = await udpTarget(t, datagram => [datagram])
  const web = await httpTarget(t, (_request, response) => response.end('web'))
  const metrics = await lastingPort()
  const server = await startServer(t, { serverArgs: ['--metrics-port', String(metrics)] })
  const relay = new Relay()
  await relay.start(t, server.https)
  const specs = ['up', `udp:${target.port}`, `http:${web},domain=app`]
  const { client } = await startClient(t, server, specs, { linkPort: relay.port })
  const url = await client.until(() => {
    const online = client.events.filter(({ event }) => event === 'online')
    return online.length < 2
      ? undefined
      : online.flatMap(({ urls }) => urls as string[]).find(one => one.startsWith('udp'))
  }, 'both online')
  const port = Number(new URL(url).port)
  const visitor = await udpSocket(t)
  await ask(visitor, port, QUESTION)
  const before = residentBytes(server.program.pid)
  relay.blackHole()
  const big = Buffer.alloc(60_000)
  // Those that the system drops before the server has read them count nowhere.
  const pour = async () => {
    for (let sent = 0; sent < 2_000; sent++) {
      await new Promise(resolve => visitor.send(big, port, '127.0.0.1', resolve))
    }
  }
  // 360 MB: more than what is not yet collected of those that were dropped can be.
  for (let time = 0; time < 3; time++) await pour()
  const dropped = async () => {
    const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
    return Number(/^pbt_udp_dropped_total\{tunnel="udp-.*\} (\d+)/m.exec(text)?.[1] ?? 0)
  }
  const deadline = performance.now() + LOST_MS
  while ((await dropped()) < 500) {
    assert.ok(performance.now() < deadline, 'datagrams dropped and counted')
    await pour()
  }
  const growth = residentBytes(server.program.pid) - before
  assert.ok(growth < 128 * 1024 * 1024, `grew by ${growth} bytes`)
  relay.heal()
  assert.match(await rawRequest(t, server, GET), /web$/)
  await ask(await udpSocket(t), port, QUESTION)
})
