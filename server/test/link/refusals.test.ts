// What the server refuses a client: it costs the tunnel that it is about, and what may pass is asked for again.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { lastingPort, TUNNEL_PORTS } from '../support/ports.ts'
import { CLIENT, clientEnv, program, scratch, startClient, startServer, startTunnel } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

const GET = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'

test('of several tunnels one for which no port is left is refused, told of and asked for again, and the others serve', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const port = await lastingPort(TUNNEL_PORTS)
  const server = await startServer(t, { serverArgs: ['--port-range', `${port}-${port}`] })
  const home = join(scratch(t), 'home')
  await startClient(t, server, ['tcp', '22'])
  const { client } = await startClient(t, server, ['up', `http:${target},domain=app`, 'tcp:2222'], { home })
  const refused = await client.event('error')
  assert.deepEqual(
    [refused.number, refused.target, refused.code, refused.retrying],
    [2, '127.0.0.1:2222', 'limit', true],
  )
  assert.notEqual(refused.cure, '')
  assert.match(await rawRequest(t, server, GET), /here$/)
  const status = program(t, CLIENT, ['status', '--json'], { PBT_HOME: home })
  await status.exited
  assert.deepEqual(
    status.events.map(({ number, state, urls }) => [number, state, (urls as string[]).length]),
    [
      [1, 'online', 1],
      [2, 'down', 0],
    ],
  )
  assert.deepEqual(
    client.events.map(({ event }) => event).filter(event => event === 'offline' || event === 'reconnecting'),
    [],
  )
})

test('a list that does not fit is refused before anything is opened', async t => {
  const server = await startServer(t)
  const allow = Array.from({ length: 10_000 }, (_, n) => ['--allow', `10.${n >> 8}.${n & 255}.0/24`]).flat()
  const client = program(t, CLIENT, ['tcp', '22', '--json', ...allow], clientEnv(t, server))
  assert.equal((await client.exited).code, 2)
  assert.match(JSON.stringify(client.events.at(-1)), /given 10000 times.*pbt-server allow/)
})

test('a client that restarts with its clock set back takes over from the one that was killed', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const server = await startServer(t)
  const home = join(scratch(t), 'client')
  const first = await startTunnel(t, server, target, { domain: 'app', home })
  await first.end('SIGKILL')
  const hourBack = 'data:text/javascript,const%20was=Date.now;Date.now=()=>was()-3600000'
  const env = { ...clientEnv(t, server, { home }), NODE_OPTIONS: `--import=${hourBack}` }
  const second = program(t, CLIENT, ['http', String(target), '--domain', 'app', '--json'], env)
  await second.event('online')
  assert.match(await rawRequest(t, server, GET), /here$/)
})

test('H47: `pbt up` tells what to do as specs are spelt, for what it finds itself and for what the server says', async t => {
  const server = await startServer(t)
  const wrong = program(t, CLIENT, ['up', 'tcp:22,port=99999', '--json'], clientEnv(t, server))
  const slip = await wrong.event('error')
  assert.doesNotMatch(`${slip.message} ${slip.cure}`, /--/)
  const specs = ['tcp:22,port=1', 'http:1,domain=admin', 'udp:22,port=2']
  const up = program(t, CLIENT, ['up', ...specs, '--json'], clientEnv(t, server))
  await up.exited
  const cures = up.events.filter(({ event }) => event === 'error').map(({ cure }) => String(cure))
  assert.equal(cures.length, specs.length)
  assert.ok(cures.filter(cure => cure.includes('port=')).length === 2, cures.join('; '))
  for (const cure of cures) assert.doesNotMatch(cure, /--(reserve-port|domain|name)/)
})
