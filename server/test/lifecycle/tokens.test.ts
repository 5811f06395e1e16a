// The token: where it must never be, what is answered to those who have none, and what comes of guessing.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { tokenHashesIn } from '../support/database.ts'
import { frameVisitor } from '../support/frame-visitor.ts'
import { hostilePeer } from '../support/hostile-peer.ts'
import { lastingPort } from '../support/ports.ts'
import {
  CLIENT,
  clientEnv,
  program,
  type RunningServer,
  restartServer,
  SERVER,
  scratch,
  startServer,
  startTunnel,
} from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

const [RESOURCE_EXHAUSTED, UNAUTHENTICATED] = [8, 16]
const WRONG = `pbt_${'w'.repeat(43)}`
const GET = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'

/** Every file below the directory, with its mode. */
function filesIn(directory: string): { path: string; mode: number; bytes: Buffer }[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map(name => join(directory, name))
    .filter(path => statSync(path).isFile())
    .map(path => ({ path, mode: statSync(path).mode & 0o777, bytes: readFileSync(path) }))
}

/** What the system shows of each process that may be looked at: its command line and environment. */
function shownByTheSystem(): { name: string; text: string }[] {
  const shown: { name: string; text: string }[] = []
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    for (const what of ['cmdline', 'environ']) {
      try {
        shown.push({ name: `${pid}/${what}`, text: readFileSync(`/proc/${pid}/${what}`, 'latin1') })
      } catch {
        // Another user's, or over by now.
      }
    }
  }
  return shown
}

test('A1: the token is stored as a hash, and shown by no log, error, argument or environment', async t => {
  // What a library would trace of the metadata of each call.
  const { env } = process
  Object.assign(env, { GRPC_TRACE: 'all', GRPC_VERBOSITY: 'DEBUG' })
  t.after(() => {
    delete env.GRPC_TRACE
    delete env.GRPC_VERBOSITY
  })
  const target = await httpTarget(t, (_request, response) => response.end('well'))
  // Of its own: other tests that run meanwhile have the token that all share in their environments.
  const dataDir = join(scratch(t), 'data')
  const token = String((await program(t, SERVER, ['init', '--json', '--data-dir', dataDir]).event('initialised')).token)
  assert.match(token, /^pbt_[A-Za-z0-9_-]{43}$/)
  const ports = { https: await lastingPort(), http: await lastingPort() }
  const server = await restartServer(t, { dataDir, token }, { ports, serverArgs: ['--log-level', 'debug'] })
  const home = join(scratch(t), 'client')
  const where = ['--server', `localhost:${server.https}`, '--ca', server.ca]
  const init = program(t, CLIENT, ['init', '-', ...where], { PBT_HOME: home }, `${token}\n`)
  assert.equal((await init.exited).code, 0, init.stderr)
  const client = program(t, CLIENT, ['http', String(target), '--domain', 'app', '--json'], { PBT_HOME: home })
  await client.event('online')

  // Nearly right ones must not be shown either: they may be the right one with a slip.
  const slips = [`${token}x`, token.slice(0, -1), `"${token}"`, `x${token}`]
  const refused = await Promise.all(
    slips.map(async slip => {
      const home = join(scratch(t), 'client')
      const tried = program(t, CLIENT, ['init', '-', ...where], { PBT_HOME: home }, slip)
      assert.equal((await tried.exited).code, 3, tried.stderr)
      return tried
    }),
  )
  const broken = program(t, CLIENT, ['init', '-', ...where], { PBT_HOME: join(scratch(t), 'c') }, `${token} ${token}`)
  assert.equal((await broken.exited).code, 2)

  // Without its ends, and as others might write it.
  const core = token.slice(6, 44)
  const bytes = Buffer.from(token.slice(4), 'base64url')
  const forms = [core, bytes.toString('hex'), bytes.toString('base64'), Buffer.from(token).toString('hex')]
  const holdsToken = (text: string) => forms.some(form => text.includes(form))
  assert.deepEqual(tokenHashesIn(server.dataDir), [createHash('sha256').update(token).digest('hex')])
  assert.equal(statSync(server.dataDir).mode & 0o777, 0o700)
  for (const { path, mode, bytes } of filesIn(server.dataDir)) {
    assert.ok(!holdsToken(bytes.toString('latin1')), path)
    assert.equal(mode & 0o077, 0, `${path} is ${mode.toString(8)}`)
  }
  for (const { stderr, events } of [server.program, client, init, broken, ...refused]) {
    const said = stderr + JSON.stringify(events)
    assert.ok(!holdsToken(said), said)
  }
  assert.match(server.program.stderr, /token refused/)
  const { pid } = client
  assert.ok(shownByTheSystem().some(({ name }) => name === `${pid}/environ`))
  for (const { name, text } of shownByTheSystem()) assert.ok(!holdsToken(text), name)

  assert.equal(statSync(home).mode & 0o777, 0o700)
  const kept = filesIn(home)
  for (const { path, mode } of kept) assert.equal(mode, 0o600, path)
  assert.equal(kept.filter(({ bytes }) => holdsToken(bytes.toString('latin1'))).length, 1)
})

test('A2: whatever is wrong with the credentials, the answer is the same', async t => {
  const server = await startServer(t)
  const right = `Bearer ${server.token}`
  const odd: readonly [name: string, authorization: string | string[]][] = [
    ['none', ''],
    ['a blank', ' '],
    ['a scheme alone', 'Bearer'],
    ['no scheme', server.token],
    ['another scheme', `Basic ${server.token}`],
    ['a wrong one', `Bearer ${WRONG}`],
    ['the right one and a letter', `${right}x`],
    ['the right one without its last letter', right.slice(0, -1)],
    ['the right one in capitals', `Bearer ${server.token.toUpperCase()}`],
    ['signs that are not ASCII', `Bearer pbt_${'\u00fc'.repeat(43)}`],
    ['the right one with a sign that is not ASCII', `${right}\u00e9`],
    ['two in one field', `${right}, ${right}`],
    ['the right one twice', [right, right]],
    ['a wrong one behind the right one', [right, `Bearer ${WRONG}`]],
    ['the right one behind a wrong one', [`Bearer ${WRONG}`, right]],
    ['60,000 letters', `Bearer ${'x'.repeat(60_000)}`],
  ]
  for (const [index, [name, authorization]] of odd.entries()) {
    // No address has failed so often that it is limited.
    const peer = await hostilePeer(t, server, { authorization, localAddress: `127.0.0.${2 + index}` })
    peer.hello()
    assert.equal(await peer.over(), UNAUTHENTICATED, name)
    assert.equal(peer.statusText, 'the token is not valid here', name)
    assert.deepEqual(peer.frames, [], name)
    peer.cut()
  }
  // More than the fields of a call may be: HTTP/2 itself refuses it, whatever the token.
  for (const start of [right, '']) {
    const visitor = await frameVisitor(t, server, 'link.localhost')
    const path = '/pbt.tunnel.v1.TunnelService/Link'
    const stream = visitor.open(
      [
        [':method', 'POST'],
        [':scheme', 'https'],
        [':path', path],
        [':authority', 'link.localhost'],
        ['content-type', 'application/grpc'],
        ['authorization', start + 'x'.repeat(1_000_000)],
      ],
      false,
    )
    assert.match(String(await visitor.outcome(stream)), /reset|goaway|closed/)
  }
  const peer = await hostilePeer(t, server, { authorization: right })
  await peer.welcome()
})

test('A3: who guesses is refused for a while, and the right token from elsewhere is served at once', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('well'))
  const server = await startServer(t)
  const before = await startTunnel(t, server, target, { domain: 'before' })
  const guess = async (localAddress: string, authorization = `Bearer ${WRONG}`) => {
    const peer = await hostilePeer(t, server, { authorization, localAddress })
    peer.hello({ clientId: localAddress, machineId: localAddress })
    const status = await peer.over()
    peer.cut()
    return status
  }
  // An IPv6 peer is limited like this by its network of 64 bits; 127.0.0.1 is where the honest clients are.
  const flooders = ['127.0.0.2', '127.0.0.3', '::1']
  await Promise.all(
    flooders.map(async address => {
      for (let count = 0; count < 10; count++)
        assert.equal(await guess(address), UNAUTHENTICATED, `${address} ${count}`)
      assert.equal(await guess(address), RESOURCE_EXHAUSTED, address)
      assert.equal(await guess(address, `Bearer ${server.token}`), RESOURCE_EXHAUSTED, `${address} with the right one`)
    }),
  )
  const lines = () => server.program.stderr.match(/token refused/g)?.length ?? 0
  assert.equal(lines(), 10 * flooders.length, 'a line for each guess that was looked at')

  const flood = new AbortController()
  const flooding = flooders.map(async address => {
    let guesses = 0
    for (; !flood.signal.aborted; guesses++) assert.equal(await guess(address), RESOURCE_EXHAUSTED)
    return guesses
  })
  const elsewhere = await hostilePeer(t, server, { localAddress: '127.0.0.4' })
  await elsewhere.welcome({ clientId: 'elsewhere', machineId: 'elsewhere' })
  const fresh = await startTunnel(t, server, target, { domain: 'app' })
  assert.match(await rawRequest(t, server, GET), /well/)
  assert.match(await rawRequest(t, server, GET.replace('app', 'before')), /well/)
  flood.abort()
  t.diagnostic(`${(await Promise.all(flooding)).join(', ')} guesses meanwhile`)
  assert.equal(lines(), 10 * flooders.length, 'none for those that were not')
  for (const { events } of [before, fresh])
    assert.deepEqual(
      events.map(({ event }) => event),
      ['connected', 'online'],
    )
})

const host = (server: RunningServer, name: string) => `https://${name}.localhost:${server.https}`

test('G9: of two uses of one token the newer of the same client serves, of different ones the older', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('well'))
  const server = await startServer(t)
  const home = join(scratch(t), 'client')
  const first = await startTunnel(t, server, target, { domain: 'app', home })
  // Another machine with the same token.
  const other = program(t, CLIENT, ['http', String(target), '--domain', 'app', '--json'], clientEnv(t, server))
  const { code, message } = await other.event('error')
  assert.equal(code, 'name-taken')
  assert.match(String(message), /app/)
  assert.equal((await other.exited).code, 4)

  // The same files and the same command, be it on another machine: as after a restart.
  const second = await startTunnel(t, server, target, { domain: 'app', home })
  assert.equal((await first.event('closed')).code, 'replaced')
  assert.equal((await first.exited).code, 1)
  assert.match(await rawRequest(t, server, GET), /well/)
  assert.deepEqual(
    second.events.map(({ event, urls }) => [event, urls]),
    [
      ['connected', undefined],
      ['online', [host(server, 'app')]],
    ],
  )
})
