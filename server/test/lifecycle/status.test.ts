// `pbt status` tells of the tunnels that processes of this machine hold, and of those that do not answer.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  CLIENT,
  clientEnv,
  program,
  type RunningServer,
  scratch,
  startClient,
  startServer,
} from '../support/programs.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { visit } from '../support/tcp-visitors.ts'
import { RawVisitor, rawRequest } from '../support/visitors.ts'

async function statusOf(t: TestContext, server: RunningServer, home: string, ...args: string[]) {
  const asked = program(t, CLIENT, ['status', ...args], clientEnv(t, server, { home }))
  let text = ''
  asked.child.stdout?.on('data', chunk => {
    text += chunk
  })
  assert.deepEqual(await asked.exited, { code: 0, signal: null })
  return { events: asked.events, text }
}

test('status: every tunnel of this machine with its traffic, and processes that were killed or stand still', async t => {
  const server = await startServer(t)
  const home = join(scratch(t), 'home')
  assert.match((await statusOf(t, server, home)).text, /no tunnel of this user is running/)
  const target = await httpTarget(t, (_request, response) => response.end('x'.repeat(1_000)))
  const echo = await rawTarget(t, socket => socket.pipe(socket))
  const { client } = await startClient(
    t,
    server,
    ['up', `http:${target},domain=app`, `http:${target},domain=same`, `tcp:${echo}`],
    { home },
  )
  const other = await startClient(t, server, ['tcp', String(await rawTarget(t, () => {}))], { home })
  await client.until(() => client.events.filter(({ event }) => event === 'online')[2], 'all online')
  await rawRequest(t, server, 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n')
  const [url] = (client.events.find(({ kind }) => kind === 'tcp')?.urls ?? []) as string[]
  const stays = new RawVisitor(await visit(t, Number(new URL(String(url)).port)))
  stays.send('hello')
  await stays.until(/hello/)

  const { events } = await statusOf(t, server, home, '--json')
  assert.deepEqual(
    events.map(({ event, kind, number, state, pid }) => [pid, number, event, kind, state]),
    [
      [client.pid, 1, 'tunnel', 'http', 'online'],
      [client.pid, 2, 'tunnel', 'http', 'online'],
      [client.pid, 3, 'tunnel', 'tcp', 'online'],
      [other.client.pid, 1, 'tunnel', 'tcp', 'online'],
    ].sort(([left], [right]) => Number(left) - Number(right)),
  )
  const tcp = events.find(({ number }) => number === 3)
  assert.deepEqual([tcp?.requests, tcp?.open, tcp?.bytesIn, tcp?.bytesOut], [0, 1, 5, 5], 'what is open counts as well')
  const app = events.find(({ tunnel }) => tunnel === 'app')
  // Two names of one target are two tunnels.
  assert.equal(events.find(({ tunnel }) => tunnel === 'same')?.requests, 0)
  assert.deepEqual(app?.urls, [`https://app.localhost:${server.https}`])
  assert.equal(app?.target, `127.0.0.1:${target}`)
  assert.equal(app?.requests, 1)
  assert.ok(Number(app?.bytesOut) >= 1_000)
  const { text } = await statusOf(t, server, home)
  assert.match(text, /^online {2}localhost:\d+/)
  assert.ok(text.includes(`https://app.localhost:${server.https}  to 127.0.0.1:${target}  1 request,`), text)
  assert.ok(!text.includes('\x1b'))

  const folder = join(home, 'run')
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600)
  await other.client.end('SIGKILL')
  client.child.kill('SIGSTOP')
  const stopped = await statusOf(t, server, home, '--json')
  assert.deepEqual(
    stopped.events.map(({ event, pid }) => [event, pid]),
    [['silent', client.pid]],
  )
  client.child.kill('SIGCONT')
  assert.deepEqual(readdirSync(folder), [`${client.pid}.sock`])
  await client.end('SIGTERM')
  assert.deepEqual(readdirSync(folder), [])
})

test('status --watch goes on until it is told to stop', async t => {
  const server = await startServer(t)
  const home = join(scratch(t), 'home')
  await startClient(t, server, ['tcp', String(await rawTarget(t, () => {}))], { home })
  const watching = program(t, CLIENT, ['status', '--watch', '--json'], clientEnv(t, server, { home }))
  await watching.until(() => watching.events[2], 'a third look')
  watching.child.kill('SIGINT')
  const [code] = await once(watching.child, 'exit')
  assert.equal(code, 0)
})
