// TCP connections over a link that breaks, and what becomes of them when it never comes back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startClient, startServer } from '../support/programs.ts'
import { Relay } from '../support/relay.ts'
import { hashOf, receive, send } from '../support/streams.ts'
import { rawTarget } from '../support/targets.ts'
import { untilEnd, visit } from '../support/tcp-visitors.ts'

const MIB = 1024 * 1024

test('F3: a link that breaks: connections wait, go on and are whole; after the grace time they are reset', async t => {
  const bytes = 24 * MIB
  const target = await rawTarget(t, socket => {
    receive(socket).then(
      ({ hash }) => socket.end(hash),
      () => {},
    )
  })
  const source = await rawTarget(t, socket => {
    send(socket, 7, bytes, 4).catch(() => {})
  })
  const server = await startServer(t)
  const relay = new Relay()
  await relay.start(t, server.https)
  const args = ['up', `tcp:${target}`, `tcp:${source}`]
  const { client, port } = await startClient(t, server, args, { linkPort: relay.port })
  const other = await client.until(() => client.events.filter(each => each.event === 'online')[1], 'the second tunnel')
  const ports = [port, Number(new URL(String((other.urls as string[])[0])).port)]
  const [up, down] = [await visit(t, ports[0] ?? 0), await visit(t, ports[1] ?? 0)]
  const sent = send(up, 3, bytes, 4)
  const answer = untilEnd(up)
  const got = receive(down)
  for (let cut = 0; cut < 3; cut++) {
    await client.until(
      () => client.events.filter(each => each.event === 'resumed').length >= cut || undefined,
      'resumed',
    )
    relay.cut()
  }
  assert.equal((await got).hash, hashOf(7, bytes))
  assert.deepEqual(await answer, { text: await sent, end: 'clean' })

  const left = await visit(t, ports[0] ?? 0)
  left.write('in the middle of it')
  const ended = untilEnd(left)
  await client.end('SIGKILL')
  const before = performance.now()
  assert.equal((await ended).end, 'ECONNRESET')
  assert.ok(performance.now() - before < 40_000)
})
