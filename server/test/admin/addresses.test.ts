// What the owner gives and allows, from the command to the visitor: addresses for a tunnel, and visitors for a time.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { eventual } from '../support/database.ts'
import {
  program,
  type RunningServer,
  restartServer,
  SERVER,
  scratch,
  startClient,
  startServer,
  startTunnel,
} from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawVisitor } from '../support/visitors.ts'

/** What is promised is a second; programs are slow where many tests run. */
const LIMIT_MS = 60_000

/** Runs a command of `pbt-server` on the server's data and tells what it printed. */
async function run(t: TestContext, dataDir: string, ...args: string[]) {
  const command = program(t, SERVER, [...args, '--json', '--data-dir', dataDir])
  await command.exited
  return command.events
}

async function statusOf(t: TestContext, server: RunningServer, host: string, from?: string): Promise<string> {
  const visitor = await rawVisitor(t, server, from)
  visitor.send(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  await visitor.until(/^HTTP\/1\.1 \d+ /)
  visitor.socket.destroy()
  return visitor.text.slice(9, 12)
}

/** Asks until the answer has this status. */
async function becomes(t: TestContext, server: RunningServer, status: string, host: string, from?: string) {
  const end = performance.now() + LIMIT_MS
  while ((await statusOf(t, server, host, from)) !== status)
    assert.ok(performance.now() < end, `${host} is not ${status} after ${LIMIT_MS} ms`)
}

test('who is let in for two seconds is turned away when they are over, and that is told', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const server = await startServer(t)
  await startTunnel(t, server, target, { domain: 'app', args: ['--allow', '127.0.23.1'] })
  assert.equal(await statusOf(t, server, 'app.localhost', '127.0.23.2'), '403')
  const begun = Date.now()
  const allow = run(t, server.dataDir, 'allow', 'app', '--add', '127.0.23.2', '--for', '2s', '--note', 'guest')
  // While the command ends: on a busy machine that takes longer than the two seconds.
  await becomes(t, server, '200', 'app.localhost', '127.0.23.2')
  await becomes(t, server, '403', 'app.localhost', '127.0.23.2')
  assert.deepEqual((await allow)[0]?.allow, ['127.0.23.1', '127.0.23.2'])
  assert.equal(await statusOf(t, server, 'app.localhost', '127.0.23.1'), '200')
  const ended = await eventual(server.dataDir, events => events.find(({ kind }) => kind === 'allowlist.ended'))
  assert.equal(ended.subject, 'app')
  assert.ok(Date.parse(ended.at) - begun >= 2_000, `${ended.at}: it was let in for a while`)
  const [now] = await run(t, server.dataDir, 'allow', 'app')
  assert.deepEqual(now?.allow, ['127.0.23.1'])
})

test('an address that is given to a tunnel serves at once, after restarts too, and is taken from it again', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  let server = await startServer(t)
  const home = join(scratch(t), 'client')
  const { client } = await startClient(t, server, ['http', String(target), '--domain', 'app'], { home })
  await run(t, server.dataDir, 'address', 'reserve', 'shop')
  assert.equal(await statusOf(t, server, 'shop.localhost'), '503')
  const [mapped] = await run(t, server.dataDir, 'address', 'map', 'shop', 'app')
  assert.deepEqual([mapped?.event, mapped?.tunnel, mapped?.isMapped], ['mapped', 'app', true])
  assert.equal(await statusOf(t, server, 'shop.localhost'), '200')
  // Its client tells the new address.
  const shows = () => client.events.some(({ urls }) => String(urls).includes('https://shop.localhost'))
  await client.until(() => shows() || undefined, 'the address at the client')

  await server.program.end()
  server = await restartServer(t, server, { ports: server })
  await becomes(t, server, '200', 'shop.localhost')
  const [taken] = await run(t, server.dataDir, 'address', 'map', 'shop')
  assert.equal(taken?.isMapped, undefined)
  assert.deepEqual(
    [await statusOf(t, server, 'shop.localhost'), await statusOf(t, server, 'app.localhost')],
    ['503', '200'],
  )
  const [refused] = await run(t, server.dataDir, 'address', 'map', 'tcp:20022', 'app')
  assert.deepEqual([refused?.event, refused?.code], ['error', 'usage'])
})

test('a data directory whose path is too long for a socket serves, and commands work', async t => {
  const dataDir = join(scratch(t), 'd'.repeat(120))
  const [made] = await run(t, dataDir, 'init')
  const server = await restartServer(t, { dataDir, token: String(made?.token) })
  assert.match(server.program.stderr, /no socket for commands/)
  await run(t, dataDir, 'address', 'reserve', 'later')
  await becomes(t, server, '503', 'later.localhost')
})
