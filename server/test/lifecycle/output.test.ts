// Whatever becomes of what the programs write: tunnels go on, memory stays, and what visitors wrote is short.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { CLIENT_FLAGS, SERVER_FLAGS } from '../../../launch/launch.js'
import { lastingPort } from '../support/ports.ts'
import { CLIENT, clientEnv, freshData, program, SERVER, scratch, startServer } from '../support/programs.ts'
import { openTunnel, shared } from '../support/shared.ts'
import { httpTarget } from '../support/targets.ts'
import { hasTerminals, inTerminal } from '../support/terminal.ts'
import { rawRequest, rawVisitor } from '../support/visitors.ts'

const GET = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'
/** Only a failure waits for it: programs start slowly on a machine that is busy with other tests. */
const WAIT_MS = 60_000
/** As much as a request line may have. */
const LONG = 11_500
/** Both streams on a disk that is full. */
const FULL = '> /dev/full 2> /dev/full'

type Ports = Parameters<typeof rawRequest>[1]

/** A program as a shell starts it, with its streams where `redirection` says. */
function shell(
  t: TestContext,
  file: string,
  args: readonly string[],
  redirection: string,
  env: NodeJS.ProcessEnv = {},
) {
  const command = [process.execPath, ...(file === SERVER ? SERVER_FLAGS : CLIENT_FLAGS), file, ...args]
  const child = spawn('/bin/sh', ['-c', `exec "$0" "$@" ${redirection}`, ...command], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  return child
}

async function isServed(t: TestContext, server: Ports): Promise<void> {
  assert.match(await rawRequest(t, server, GET), /^HTTP\/1\.1 200 OK[\s\S]*here$/)
}

/** Until the tunnel is there, which its program cannot tell. */
async function untilServed(t: TestContext, server: Ports): Promise<void> {
  const deadline = performance.now() + WAIT_MS
  while (!(await rawRequest(t, server, GET)).startsWith('HTTP/1.1 200')) {
    assert.ok(performance.now() < deadline, 'the tunnel does not come')
    await pause(50)
  }
}

const here = (t: TestContext) => httpTarget(t, (_request, response) => response.end('here'))

/** A server that goes on, for the tests of `pbt`. */
const house = shared(startServer)

test('H43: long addresses of raw octets and long methods are shown short, with all that could steer a terminal escaped', async t => {
  const server = await house()
  const target = await here(t)
  const client = shell(t, CLIENT, ['http', String(target), '--domain', 'app'], '', clientEnv(t, server))
  let said = ''
  client.stdout.on('data', chunk => {
    said += chunk
  })
  await untilServed(t, server)
  const octets = '\xe9\x9b\xff'.repeat(LONG / 3)
  const visitor = await rawVisitor(t, server)
  for (const path of [octets, '%1b[2J'.repeat(LONG / 6), 'a'.repeat(LONG)]) {
    visitor.text = ''
    visitor.send(`GET /${path} HTTP/1.1\r\nHost: app.localhost\r\n\r\n`)
    // A target need not like it.
    await visitor.until(/(here|\r\n0\r\n\r\n)$/)
  }
  visitor.text = ''
  visitor.send(`${'M'.repeat(LONG)} / HTTP/1.1\r\nHost: app.localhost\r\n\r\n`)
  await visitor.until(/^HTTP\/1\.1 \d\d\d/)
  client.kill('SIGTERM')
  await once(client, 'exit')
  const lines = said.split('\n').filter(line => / GET \/(\\xe9|%1b|aaa)/.test(line))
  assert.equal(lines.length, 3, said.slice(0, 2_000))
  for (const line of said.split('\n')) {
    assert.ok(line.length < 500, `${line.length} characters: ${line.slice(0, 100)}`)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f]/)
  }
})

test('H43: pbt goes on when the readers of stdout and stderr have gone', async t => {
  const server = await house()
  const client = shell(t, CLIENT, ['http', String(await here(t)), '--domain', 'app'], '', clientEnv(t, server))
  await untilServed(t, server)
  for (const stream of [client.stdout, client.stderr]) stream.destroy()
  // Each of these is a line, a second later.
  for (let count = 0; count < 3; count++) {
    await isServed(t, server)
    await pause(1_100)
  }
  await isServed(t, server)
  client.kill('SIGTERM')
  assert.deepEqual(await once(client, 'exit'), [0, null])
})

test('H43: pbt goes on when there is no room for stdout and stderr', async t => {
  const server = await house()
  const args = ['http', String(await here(t)), '--domain', 'app']
  const client = shell(t, CLIENT, args, FULL, { ...clientEnv(t, server), PBT_ODD: 'told on stderr' })
  await untilServed(t, server)
  client.kill('SIGTERM')
  assert.deepEqual(await once(client, 'exit'), [0, null])
})

for (const [what, redirection] of [
  ['the readers of stdout and stderr have gone', ''],
  ['there is no room for stdout and stderr', FULL],
] as const) {
  test(`H43: pbt-server goes on when ${what}`, async t => {
    const target = await here(t)
    const data = await freshData(t)
    const ports = { https: await lastingPort(), http: await lastingPort() }
    const args = ['--https-port', String(ports.https), '--http-port', String(ports.http)]
    const server = shell(t, SERVER, ['start', '--json', '--data-dir', data.dataDir, ...args], redirection)
    const home = join(scratch(t), 'client')
    const env = { PBT_HOME: home, PBT_SERVER: `localhost:${ports.https}`, PBT_TOKEN: data.token, PBT_CA: data.ca }
    const client = program(t, CLIENT, ['http', String(target), '--domain', 'app', '--json'], env)
    const deadline = performance.now() + WAIT_MS
    for (let answer = ''; !answer.startsWith('HTTP/1.1 200'); ) {
      assert.ok(performance.now() < deadline && server.exitCode === null, 'it serves')
      answer = await rawRequest(t, ports, GET).catch(() => '')
    }
    if (redirection === '') for (const stream of [server.stdout, server.stderr]) stream.destroy()
    // Each tunnel is a line of the log.
    for (let count = 0; count < 3; count++) await openTunnel(home, client, { http: target, domain: `more-${count}` })
    await isServed(t, ports)
    server.kill('SIGTERM')
    assert.deepEqual(await once(server, 'exit'), [0, null])
  })
}

test('H43: pbt goes on in a terminal that is stopped, and ends when it is told to', {
  skip: !hasTerminals,
}, async t => {
  const server = await house()
  const args = ['http', String(await here(t)), '--domain', 'app']
  // Large, so that its buffers are full after a few pictures.
  const size = { columns: 400, rows: 200 }
  const terminal = await inTerminal(t, CLIENT, args, {
    size,
    kind: 'xterm',
    env: clientEnv(t, server),
    isStopped: true,
  })
  await untilServed(t, server)
  const long = `GET /${'x'.repeat(300)} HTTP/1.1\r\nHost: app.localhost\r\n\r\n`
  const visitor = await rawVisitor(t, server)
  const end = performance.now() + 4_000
  for (let count = 1; performance.now() < end; count++) {
    visitor.text = ''
    visitor.send(long)
    await visitor.until(/here$/)
    if (count % 50 === 0) await pause(50)
  }
  process.kill(terminal.pid, 'SIGTERM')
  // Its parent, which is stopped too, has not asked for its end yet.
  const isGone = () => {
    try {
      return /\) Z/.test(readFileSync(`/proc/${terminal.pid}/stat`, 'utf8'))
    } catch {
      return true
    }
  }
  const deadline = performance.now() + WAIT_MS
  while (!isGone()) {
    assert.ok(performance.now() < deadline, 'it does not end')
    await pause(50)
  }
})

test('H43: a command that could not say what it found has failed', async t => {
  const server = await house()
  const env = clientEnv(t, server)
  for (const [file, args] of [
    [CLIENT, ['--help']],
    [CLIENT, ['status']],
    [CLIENT, ['status', '--json']],
    [SERVER, ['--help']],
    [SERVER, ['allow', '--data-dir', server.dataDir]],
    [SERVER, ['allow', '--json', '--data-dir', server.dataDir]],
    [SERVER, ['token', 'list', '--json', '--data-dir', server.dataDir]],
  ] as const) {
    const home = join(scratch(t), 'none')
    const child = shell(t, file, args, '> /dev/full', { ...env, PBT_HOME: home })
    const [code] = await once(child, 'exit')
    // Without anything to say nothing is lost: no tunnels, no lists.
    const isSilent = /^(status|allow) --json/.test(args.join(' '))
    assert.equal(code, isSilent ? 0 : 1, args.join(' '))
  }
})

test('H43: a reader that takes its time gets all that a command has to say, and one that has gone ends it', async t => {
  const home = join(scratch(t), 'home')
  mkdirSync(join(home, 'run'), { recursive: true })
  // More than a pipe holds.
  const tunnel = {
    kind: 'http',
    target: 'x'.repeat(200),
    name: 'app',
    urls: [],
    fault: '',
    requests: 0,
    open: 0,
    bytesIn: 0,
    bytesOut: 0,
  }
  const tunnels = Array.from({ length: 2_000 }, (_, number) => ({ number, ...tunnel }))
  const traffic = { bytesIn: 0, bytesOut: 0, open: 0, roundTripMs: 0 }
  const holder = createServer(socket =>
    socket.end(
      `${JSON.stringify({ event: 'process', pid: 1, server: 's', state: 'online', reason: '', tunnels, traffic })}\n`,
    ),
  )
  await new Promise<void>(resolve => holder.listen(join(home, 'run', '1.sock'), resolve))
  t.after(() => holder.close())
  const slow = shell(t, CLIENT, ['status', '--json'], '', { PBT_HOME: home })
  const ended = once(slow, 'exit')
  await once(slow.stdout, 'readable')
  const isRunning = await Promise.race([ended.then(() => false), pause(1_000, true)])
  assert.ok(isRunning, 'it waits for its reader')
  const said = await text(slow.stdout)
  assert.deepEqual([said.trimEnd().split('\n').length, await ended], [2_000, [0, null]])

  const watching = shell(t, CLIENT, ['status', '--json', '--watch'], '', { PBT_HOME: home })
  const over = once(watching, 'exit')
  await once(watching.stdout, 'data')
  watching.stdout.destroy()
  assert.deepEqual(await over, [1, null])
})
