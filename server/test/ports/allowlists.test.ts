// `pbt-server allow` beside a running server: whoever is no longer allowed is cut, on every kind of tunnel, others go on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { udpSocket, udpTarget } from '../support/datagrams.ts'
import {
  clientEnv,
  program,
  type RunningServer,
  restartServer,
  SERVER,
  scratch,
  startClient,
  startServer,
} from '../support/programs.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { outcome, visit as visitPort } from '../support/tcp-visitors.ts'
import { http2Request, http2Visitor, RawVisitor, rawVisitor } from '../support/visitors.ts'
import { acceptUpgrade, upgradeRequest } from '../support/websocket.ts'

const FRIEND = '127.0.9.1'
const STRANGER = '127.0.9.2'
const REQUEST = 'GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n'

/** Runs `pbt-server allow` and tells what it printed. */
async function allow(t: TestContext, server: RunningServer, ...args: string[]) {
  const command = program(t, SERVER, ['allow', ...args, '--json', '--data-dir', server.dataDir])
  const { code } = await command.exited
  const told = command.events.map(({ address, access, allow }) => [address, access, allow])
  const [first] = command.events
  return { code, told, error: first?.code, message: String(first?.message) }
}

/** Waits until the server has told that it goes by so many changed lists. */
async function changes(server: RunningServer, count: number): Promise<void> {
  const told = () => server.program.stderr.split('"allowlist changed"').length > count || undefined
  await server.program.until(told, `${count} changed lists`)
}

async function udpVisitor(t: TestContext, port: number, localAddress: string) {
  const socket = await udpSocket(t, localAddress)
  const answers: string[] = []
  socket.on('message', datagram => answers.push(String(datagram)))
  return { answers, socket, send: (text: string) => socket.send(text, port, '127.0.0.1') }
}

test('B5: a list that is changed while tunnels run disconnects visitors who are no longer allowed, on HTTP, WebSocket, TCP and UDP', async t => {
  const http = await httpTarget(
    t,
    (request, response) => {
      if (request.url === '/slow') response.write('begun')
      else response.end('whole')
    },
    target =>
      target.on('upgrade', (request, socket) => {
        acceptUpgrade(request, socket)
        socket.pipe(socket)
      }),
  )
  const tcp = await rawTarget(t, socket => socket.pipe(socket))
  const udp = await udpTarget(t, datagram => [datagram])
  const server = await startServer(t)
  const specs = [`http:${http},domain=app`, `tcp:${tcp}`, `udp:${udp.port}`]
  const { client } = await startClient(t, server, ['up', ...specs])
  await client.until(() => client.events.filter(({ event }) => event === 'online')[2], 'three tunnels')
  const portOf = (kind: string) => {
    const [url] = (client.events.find(event => event.kind === kind)?.urls ?? []) as string[]
    return Number(new URL(String(url)).port)
  }

  /** One visit of each kind, all of them under way. */
  const visit = async (from: string) => {
    const session = await http2Visitor(t, server, 'app.localhost', from)
    session.on('error', () => {})
    const stream = session.request({ ':path': '/slow' })
    stream.on('error', () => {})
    const gone = new Promise(resolve => stream.once('close', resolve))
    await once(stream, 'data')
    const socket = await rawVisitor(t, server, from)
    socket.send(upgradeRequest())
    await socket.until(/^HTTP\/1\.1 101 /)
    const pipe = new RawVisitor(await visitPort(t, portOf('tcp'), from))
    pipe.send('hello')
    await pipe.until(/hello/)
    const flow = await udpVisitor(t, portOf('udp'), from)
    flow.send('hello')
    await once(flow.socket, 'message')
    return { session, stream, gone, socket, pipe, flow }
  }
  const [friend, stranger] = [await visit(FRIEND), await visit(STRANGER)]

  const begun = performance.now()
  for (const address of ['app', `tcp:${portOf('tcp')}`, `udp:${portOf('udp')}`]) {
    const { code, told } = await allow(t, server, address, `${FRIEND}/32`, '2001:db8::/32')
    assert.deepEqual([code, told], [0, [[address, 'listed', [`${FRIEND}/32`, '2001:db8::/32']]]])
  }
  await changes(server, 3)
  await stranger.gone
  assert.notEqual(stranger.stream.rstCode, 0, 'an answer that was cut did not end well')
  assert.equal(await stranger.socket.over(), 'cut')
  assert.equal(await stranger.pipe.over(), 'cut')
  t.diagnostic(`three commands and the cuts took ${Math.round(performance.now() - begun)} ms`)

  // Whoever may still come goes on as before, and the rest gets nothing, on connections old and new.
  friend.socket.send('still here')
  await friend.socket.until(/still here$/)
  friend.pipe.send('still here')
  await friend.pipe.until(/still here$/)
  assert.equal(friend.stream.closed, false)
  assert.equal(String((await http2Request(friend.session, { ':path': '/' })).body), 'whole')
  assert.equal((await http2Request(stranger.session, { ':path': '/' })).headers['pbt-error'], 'not-allowed')
  const plain = await rawVisitor(t, server, STRANGER)
  plain.send(REQUEST)
  await plain.until(/^HTTP\/1\.1 403 [\s\S]*not-allowed/)
  assert.deepEqual(await outcome(t, portOf('tcp'), STRANGER), { text: '', end: 'ECONNRESET' })
  stranger.flow.send('let me in')
  friend.flow.send('still here')
  await once(friend.flow.socket, 'message')
  assert.deepEqual([stranger.flow.answers, friend.flow.answers], [['hello'], ['hello', 'still here']])
  const counted = () => /"message":"visitor not allowed"/.test(server.program.stderr) || undefined
  await server.program.until(counted, 'a line about who was turned away')

  // The list outlives the server, whatever the client says.
  for (const gone of [friend.socket.socket, friend.pipe.socket, plain.socket]) gone.destroy()
  for (const gone of [friend.session, stranger.session]) gone.destroy()
  await server.program.end()
  const second = await restartServer(t, server, { ports: server })
  await client.event('online', client.events.length)
  const [again, stranded] = [await rawVisitor(t, second, FRIEND), await rawVisitor(t, second, STRANGER)]
  again.send(REQUEST)
  await again.until(/^HTTP\/1\.1 200 /)
  stranded.send(REQUEST)
  await stranded.until(/^HTTP\/1\.1 403 /)
  await allow(t, second, 'app', 'as-client')
  await changes(second, 1)
  stranded.send(REQUEST)
  await stranded.until(/HTTP\/1\.1 200 /)
})

test('a list stays with its address when the target changes or another machine has it, until it is taken away', async t => {
  const server = await startServer(t)
  const http = await httpTarget(t, (_, response) => response.end('whole'))
  const tcp = await rawTarget(t, socket => socket.end('whole'))
  const [home, elsewhere] = [join(scratch(t), 'one'), join(scratch(t), 'two')]
  const up = async (args: string[], count: number, from: string) => {
    const { client } = await startClient(t, server, args, { home: from })
    await client.until(() => client.events.filter(({ event }) => event === 'online')[count - 1], `${count} tunnels`)
    return client
  }
  /** What the friend and the stranger get. */
  const visits = async (host: string, port: number) => {
    const got = [FRIEND, STRANGER].map(async from => {
      const visitor = await rawVisitor(t, server, from)
      visitor.send(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      const status = /^HTTP\/1\.1 (\d+)/.exec(await visitor.until(/^HTTP\/1\.1 \d+ /))?.[1]
      return `${status} ${port === 0 ? '' : (await outcome(t, port, from)).text}`
    })
    return await Promise.all(got)
  }
  const listed = ['200 whole', '403 ']

  const first = await up(['up', `http:${http},domain=app`, `tcp:${tcp}`], 2, home)
  const url = first.events.find(({ kind }) => kind === 'tcp')?.urls as string[]
  const port = Number(new URL(String(url[0])).port)
  await allow(t, server, 'app', FRIEND)
  // As logs and metrics name the tunnel.
  const { told } = await allow(t, server, `tcp-${port}`, FRIEND)
  assert.deepEqual(told, [[`tcp:${port}`, 'listed', [FRIEND]]])
  await changes(server, 2)
  assert.deepEqual(await visits('app.localhost', port), listed)

  const [otherHttp, otherTcp] = [
    await httpTarget(t, (_, response) => response.end('whole')),
    await rawTarget(t, socket => socket.end('whole')),
  ]
  let client = first
  for (const from of [home, elsewhere]) {
    await client.end()
    client = await up(['up', `http:${otherHttp},domain=app`, `tcp:${otherTcp},port=${port}`], 2, from)
    assert.deepEqual(await visits('app.localhost', port), listed)
  }
  // As pbt shows the addresses.
  for (const address of [`https://app.localhost:${server.https}/`, `tcp://localhost:${port}`])
    assert.equal((await allow(t, server, address, 'as-client')).code, 0)
  await changes(server, 4)
  assert.deepEqual(await visits('app.localhost', port), ['200 whole', '200 whole'])
  assert.deepEqual((await allow(t, server)).told, [])

  // An address may have its list before it has a tunnel.
  assert.equal((await allow(t, server, 'app.mine.uk', FRIEND)).code, 0)
  await up(['http', String(http), '--domain', 'app.mine.uk', '--domain', 'also'], 1, home)
  assert.deepEqual(await visits('app.mine.uk', 0), ['200 ', '403 '])
  assert.deepEqual((await allow(t, server)).told, [['app.mine.uk', 'listed', [FRIEND]]])
})

test('a list that cannot be is refused with the reason, and the one before stays', async t => {
  const server = await startServer(t)
  const target = await httpTarget(t, (_, response) => response.end('whole'))
  await startClient(t, server, ['http', String(target), '--domain', 'app', '--allow', '192.0.2.1'])
  assert.deepEqual((await allow(t, server)).told, [])
  assert.deepEqual((await allow(t, server, 'app')).told, [['app', 'client', ['192.0.2.1']]])
  await allow(t, server, 'app.localhost', 'everybody')
  const everybody = [['app', 'everybody', []]]
  const wrong: readonly (readonly [args: string[], code: number, error: string, message: RegExp])[] = [
    [['app', '10.0.0.0/33'], 2, 'usage', /"10\.0\.0\.0\/33"/],
    [['app', '10.0.0.0/8', 'everybody'], 2, 'usage', /"everybody" cannot be combined/],
    [['no/name', '10.0.0.0/8'], 2, 'usage', /"no\/name"/],
    [['app', '10.0.0.0/8', '--add', '10.0.0.1'], 2, 'usage', /cannot be combined with --add/],
    [['app', '--add', '10.0.0.1'], 2, 'usage', /everybody may visit "app"/],
    [['never'], 1, 'unknown-address', /"never"/],
    [['tcp-1'], 1, 'unknown-address', /"tcp:1"/],
    [['20022', '10.0.0.0/8'], 2, 'usage', /"20022"/],
    [['tcp://app.localhost', '10.0.0.0/8'], 2, 'usage', /"tcp:/],
    [['https://www.localhost/', '10.0.0.0/8'], 2, 'usage', /reserved/],
  ]
  const judged = wrong.map(async ([args, code, error, message]) => {
    const got = await allow(t, server, ...args)
    assert.deepEqual([got.code, got.error], [code, error], got.message)
    assert.match(got.message, message)
  })
  await Promise.all(judged)
  assert.deepEqual((await allow(t, server)).told, everybody)
  // In words, for people.
  const shown = program(t, SERVER, ['allow', '--data-dir', server.dataDir], clientEnv(t, server))
  let text = ''
  shown.child.stdout?.on('data', chunk => {
    text += chunk
  })
  await shown.exited
  assert.equal(text, 'app: everybody\n')
})
