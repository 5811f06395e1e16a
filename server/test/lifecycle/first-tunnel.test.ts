// As a new user: init, start, init, tunnel; what is printed, remembered, refused, and how everything ends.
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  CLIENT,
  clientEnv,
  program,
  restartServer,
  SERVER,
  scratch,
  startServer,
  startTunnel,
} from '../support/programs.ts'
import { shared } from '../support/shared.ts'
import { httpTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawRequest } from '../support/visitors.ts'

const house = shared(startServer)

const GET = (host: string) => `GET /hello HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`

test('a new user reaches a local service over HTTP/1.1 and HTTP/2', async t => {
  const target = await httpTarget(t, (request, response) => response.end(`you asked for ${request.url}`))
  const server = await startServer(t)
  const home = join(scratch(t), 'client')
  const init = program(
    t,
    CLIENT,
    ['init', '-', '--json', '--server', `localhost:${server.https}`, '--ca', server.ca],
    { PBT_HOME: home },
    `${server.token}\n`,
  )
  const stored = await init.event('stored')
  assert.equal(stored.server, `localhost:${server.https}`)
  assert.equal((await init.exited).code, 0)
  assert.equal(statSync(home).mode & 0o777, 0o700)

  const client = program(t, CLIENT, ['tunnel', 'http', String(target), '--domain', 'myapp', '--json'], {
    PBT_HOME: home,
  })
  const online = await client.event('online')
  assert.deepEqual(
    { ...online, time: undefined },
    {
      event: 'online',
      time: undefined,
      number: 1,
      tunnel: 'myapp',
      kind: 'http',
      urls: [`https://myapp.localhost:${server.https}`],
      target: `127.0.0.1:${target}`,
      allowlists: [],
    },
  )
  assert.match(String(online.time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/)
  assert.match(await rawRequest(t, server, GET('myapp.localhost')), /200 OK[\s\S]*you asked for \/hello$/)
  const session = await http2Visitor(t, server, 'myapp.localhost')
  assert.equal((await http2Request(session, { ':path': '/two' })).body.toString(), 'you asked for /two')

  for (const running of [server.program, client]) {
    assert.ok(!readFileSync(`/proc/${running.pid}/cmdline`, 'utf8').includes(server.token))
    assert.ok(!running.stderr.includes(server.token))
  }
  assert.equal((await client.end('SIGINT')).code, 0)
  assert.match(await rawRequest(t, server, GET('myapp.localhost')), /^HTTP\/1\.1 503 [\s\S]*pbt-error: offline/)
  assert.equal((await server.program.end('SIGTERM')).code, 0)
  assert.deepEqual(
    server.program.events.map(({ event }) => event),
    ['ready', 'stopping', 'stopped'],
  )
})

test('a target gets the name it had last time, also after both programs were killed', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('ok'))
  const server = await startServer(t)
  const home = join(scratch(t), 'client')
  const first = await startTunnel(t, server, target, { home })
  const [url] = (await first.event('online')).urls as string[]
  assert.match(String(url), /^https:\/\/[a-z]+-[a-z]+-\d\d\.localhost/)
  await first.end('SIGKILL')
  const second = await startTunnel(t, server, target, { home })
  assert.deepEqual((await second.event('online')).urls, [url])
  await server.program.end('SIGKILL')
  const again = await restartServer(t, server, { ports: server })
  await second.event(
    'online',
    second.events.findIndex(({ event }) => event === 'reconnecting'),
  )
  const host = new URL(String(url)).hostname
  assert.match(await rawRequest(t, again, GET(host)), /200 OK/)
  assert.deepEqual((await second.event('online', 2)).urls, [url])
})

test('a name that another machine holds is refused with who holds it, and ends with 4', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('ok'))
  const server = await house()
  await startTunnel(t, server, target, { domain: 'held' })
  const other = program(t, CLIENT, ['http', '3999', '--domain', 'held', '--json'], clientEnv(t, server))
  const error = await other.event('error')
  assert.equal(error.code, 'name-taken')
  assert.match(String(error.message), new RegExp(`held.*127\\.0\\.0\\.1:${target}`))
  assert.notEqual(error.cure, '')
  assert.equal((await other.exited).code, 4)
  for (const name of ['admin', '_x', 'a..b', 'link.localhost']) {
    const refused = program(t, CLIENT, ['http', '3999', '--domain', name, '--json'], clientEnv(t, server))
    assert.equal((await refused.exited).code, 4, name)
  }
})

test('the same client started twice: the newer one takes over and the older one ends', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('ok'))
  const server = await house()
  const home = join(scratch(t), 'client')
  const older = await startTunnel(t, server, target, { home, domain: 'app' })
  const newer = await startTunnel(t, server, target, { home, domain: 'app' })
  assert.equal((await older.exited).code, 1)
  assert.ok(older.events.some(({ code }) => code === 'replaced'))
  assert.match(await rawRequest(t, server, GET('app.localhost')), /200 OK/)
  assert.equal(newer.events.at(-1)?.event, 'online')
})

test('a wrong token ends with 3, wrong usage with 2, and a server that is not there is tried again', async t => {
  const server = await house()
  const env = { ...clientEnv(t, server), PBT_TOKEN: `pbt_${'x'.repeat(43)}` }
  const refused = program(t, CLIENT, ['http', '3000', '--json'], env)
  assert.equal((await refused.event('error')).code, 'token-refused')
  assert.equal((await refused.exited).code, 3)
  assert.equal((await program(t, CLIENT, ['http', 'no port', '--json'], env).exited).code, 2)
  assert.equal((await program(t, CLIENT, ['http', '3000', '--no-such'], env).exited).code, 2)
  assert.equal((await program(t, SERVER, ['start', '--no-such']).exited).code, 2)
  const alone = program(t, CLIENT, ['http', '3000', '--json'], { ...env, PBT_SERVER: 'localhost:9' })
  const retry = await alone.event('reconnecting')
  assert.equal(typeof retry.retryInMs, 'number')
  assert.equal((await alone.end('SIGINT')).code, 0)
})
