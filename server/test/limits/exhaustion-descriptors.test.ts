// A client that has as many connections to its target as it has descriptors: it still has some for what all visitors need.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { placesFor } from '../../../client/src/forward/places.ts'
import { ask, udpSocket, udpTarget } from '../support/datagrams.ts'
import { restartServer, startClient, startServer } from '../support/programs.ts'
import { Relay } from '../support/relay.ts'
import { keptSocket } from '../support/sockets.ts'
import { httpTarget } from '../support/targets.ts'
import { type RawVisitor, rawRequest, rawVisitor } from '../support/visitors.ts'
import { acceptUpgrade, upgradeRequest } from '../support/websocket.ts'

const DESCRIPTORS = 128
const IDLE = 30
/** More than there are descriptors. */
const VISITORS = 150
const GET = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'

/** Answers once `IDLE` have asked, so that as many connections idle afterwards, and from then on at once; upgrades echo. */
async function target(t: Parameters<typeof httpTarget>[0]): Promise<number> {
  let waiting: (() => void)[] | undefined = []
  return await httpTarget(
    t,
    (_request, response) => {
      const answer = () => response.end('here')
      if (waiting === undefined) answer()
      else if (waiting.push(answer) === IDLE) {
        for (const each of waiting) each()
        waiting = undefined
      }
    },
    http =>
      http.on('upgrade', (request, socket) => {
        acceptUpgrade(request, socket)
        socket.pipe(socket)
      }),
  )
}

test('E5: a client without descriptors tells visitors so, and dials when its link is cut or its server replaced', async t => {
  // Another server on the same data is a stand-in: it has the same sockets.
  const sockets = [keptSocket(), keptSocket()]
  t.after(() => sockets.map(socket => socket.close()))
  const place = { sockets, ports: { https: sockets[0]?.port ?? 0, http: sockets[1]?.port ?? 0 } }
  const server = await startServer(t, place)
  const relay = new Relay()
  await relay.start(t, server.https)
  const options = { linkPort: relay.port, clientDescriptors: DESCRIPTORS }
  const { client } = await startClient(t, server, ['http', String(await target(t)), '--domain', 'app'], options)

  // Connections that idle give way to those of visitors, up to the last place.
  await Promise.all(Array.from({ length: IDLE }, () => rawRequest(t, server, GET)))
  const served: RawVisitor[] = []
  for (let count = 0; count < VISITORS; count++) {
    const visitor = await rawVisitor(t, server)
    visitor.send(upgradeRequest())
    const text = await visitor.until(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\n$|^HTTP\/1\.1 503 [\s\S]*ulimit -n/)
    if (text.startsWith('HTTP/1.1 101 ')) served.push(visitor)
    else assert.match(text, /pbt-error: overloaded\r\n/)
  }
  assert.equal(served.length, placesFor(DESCRIPTORS))
  const echo = async (word: string) => {
    for (const visitor of served) {
      visitor.send(word)
      await visitor.until(() => visitor.text.endsWith(word))
    }
  }

  relay.cut()
  const back = () => client.events.find(({ event }) => event === 'resumed' || event === 'offline')
  assert.equal((await client.until(back, 'the link')).event, 'resumed')
  await echo('still here')

  // The old link stays for those who are on it: there has to be a descriptor for another.
  const another = await restartServer(t, server, place)
  const before = client.events.length
  server.program.child.kill('SIGTERM')
  await client.event('connected', before)
  await echo('and still')

  for (const { socket } of served) socket.destroy()
  while (!(await rawRequest(t, another, GET)).endsWith('here'));
  assert.equal(client.child.exitCode, null)
  assert.doesNotMatch(client.stderr, /EMFILE/)
})

test('E5: flows of datagrams that are silent give way to visitors when descriptors are short', async t => {
  const server = await startServer(t)
  const service = await httpTarget(t, (_request, response) => response.end('here'))
  const echo = await udpTarget(t, datagram => [datagram])
  const specs = ['up', `http:${service},domain=app`, `udp:${echo.port}`]
  const { client } = await startClient(t, server, specs, { clientDescriptors: DESCRIPTORS })
  const { urls } = await client.until(() => client.events.find(({ kind }) => kind === 'udp'), 'the UDP tunnel')
  const port = Number(new URL(String((urls as string[])[0])).port)
  const visitors = await Promise.all(Array.from({ length: placesFor(DESCRIPTORS) }, () => udpSocket(t)))
  for (const visitor of visitors) await ask(visitor, port, Buffer.from('this takes a place'))

  // Nobody has been silent for long; then whoever still speaks keeps its place.
  assert.match(await rawRequest(t, server, GET), /^HTTP\/1\.1 503 [\s\S]*ulimit -n/)
  const [talker] = visitors
  assert.ok(talker !== undefined)
  const talk = async () => assert.equal(String(await ask(talker, port, Buffer.from('still here'))), 'still here')
  const asked = echo.askers.size
  do await talk()
  while (!(await rawRequest(t, server, GET)).endsWith('here'))
  await talk()
  assert.equal(echo.askers.size, asked)
})
