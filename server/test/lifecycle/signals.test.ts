// Asked to stop: what is under way ends, and a group's signal is one request however often it comes.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { ask, udpSocket, udpTarget } from '../support/datagrams.ts'
import { type Program, type RunningServer, startClient, startServer, startTunnel } from '../support/programs.ts'
import { shared } from '../support/shared.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { untilEnd, visit } from '../support/tcp-visitors.ts'
import { rawRequest, rawVisitor } from '../support/visitors.ts'

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n`

/** Shorter than what the server waits for a client that went away without a word, and what is under way may take. */
const LIMIT_MS = 8_000

const house = shared(startServer)

/** A server, which all tests share unless it is ended, and a client with an answer under way, which `finish` makes whole. */
async function underWay(t: TestContext, server: RunningServer) {
  const asked = Promise.withResolvers<ServerResponse>()
  const target = await httpTarget(t, (request, response) => {
    if (request.url !== '/slow') response.end('quick')
    else asked.resolve(response.writeHead(200, { 'content-length': 9 }))
  })
  const client = await startTunnel(t, server, target, { domain: 'app' })
  const visitor = await rawVisitor(t, server)
  visitor.send(get('/slow'))
  const answer = await asked.promise
  answer.write('begun')
  await visitor.until(/begun/)
  return { client, visitor, finish: () => answer.end('done') }
}

/** As `timeout` and `kill -- -PGID` do it: again before the first one is through. */
async function signalTwice({ child, event }: { child: Program['child']; event(name: string): Promise<unknown> }) {
  child.kill('SIGTERM')
  child.kill('SIGTERM')
  await event('stopping')
  child.kill('SIGTERM')
}

test('H44, H6: SIGTERM to a group, which comes twice, ends the server in order', async t => {
  const server = await startServer(t)
  const { visitor, finish } = await underWay(t, server)
  await signalTwice({ child: server.program.child, event: name => server.program.event(name) })
  finish()
  await visitor.until(/begundone$/)
  assert.deepEqual(await server.program.exited, { code: 0, signal: null })
  assert.doesNotMatch(server.program.stderr, /second signal/)
})

test('H44: SIGTERM to a group ends pbt in order: new visitors are told, what is under way ends, then it says goodbye', async t => {
  const server = await house()
  const { client, visitor, finish } = await underWay(t, server)
  await signalTwice({ child: client.child, event: name => client.event(name) })
  const { open, limitMs } = await client.event('stopping')
  assert.deepEqual([open, limitMs], [1, 10_000])
  // Its frame is on its way: as soon as the server has it nobody new comes.
  let told = ''
  while (!told.startsWith('HTTP/1.1 503')) told = await rawRequest(t, server, get('/quick'))
  assert.match(told, /pbt-error: offline/)
  finish()
  await visitor.until(/begundone$/)
  assert.deepEqual(await client.exited, { code: 0, signal: null })
})

for (const [first, second] of [
  ['SIGTERM', 'SIGINT'],
  ['SIGINT', 'SIGTERM'],
] as const) {
  test(`H44: pbt that was sent ${first} and then ${second} ends at once, and so does what is under way`, async t => {
    const { client, visitor } = await underWay(t, await house())
    client.child.kill(first)
    await client.event('stopping')
    const killedAt = performance.now()
    client.child.kill(second)
    assert.deepEqual(await client.exited, { code: 0, signal: null })
    await visitor.over()
    assert.ok(performance.now() - killedAt < LIMIT_MS, 'the server waits for no client that has said goodbye')
    // Five of the nine bytes that the head announced: the visitor sees that it was cut.
    assert.match(visitor.text, /\r\n\r\nbegun$/)
  })
}

test('H44: pbt with nothing under way ends at once, whatever flows of datagrams were there a moment ago', async t => {
  const target = await udpTarget(t, datagram => [datagram])
  const server = await house()
  const { client, port } = await startClient(t, server, ['udp', String(target.port)])
  const visitor = await udpSocket(t)
  assert.equal(String(await ask(visitor, port, Buffer.from('hello'))), 'hello')
  assert.deepEqual(await client.end('SIGINT'), { code: 0, signal: null })
  assert.ok(!client.events.some(({ event }) => event === 'stopping'))
})

test('H44: a TCP connection that is open when pbt is stopped may end, and no other is taken', async t => {
  const target = await rawTarget(t, socket =>
    socket.on('data', chunk => socket.write(`got ${chunk}`)).on('end', () => socket.end('bye')),
  )
  const server = await house()
  const { client, port } = await startClient(t, server, ['tcp', String(target)])
  const visitor = await visit(t, port)
  visitor.write('one')
  await once(visitor, 'data')
  client.child.kill('SIGTERM')
  await client.event('stopping')
  // Its frame is on its way: as soon as the server has it nobody new comes.
  for (let isTaken = true; isTaken; ) {
    const late = connect({ port, host: '127.0.0.1' }).on('error', () => {})
    late.write('late')
    isTaken = await Promise.race([
      once(late, 'data').then(
        () => true,
        () => false,
      ),
      once(late, 'close').then(() => false),
    ])
    late.destroy()
  }
  visitor.end('two')
  assert.deepEqual(await untilEnd(visitor), { text: 'got twobye', end: 'clean' })
  assert.deepEqual(await client.exited, { code: 0, signal: null })
})
