import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import { SERVER_MAIN } from '../test/support/programs.ts'

const FREE_PORTS = ['--https-port', '0', '--http-port', '0']

/** A program that is slower than this hangs, milliseconds. */
const TIME_LIMIT_MS = 30_000

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Running {
  readonly child: ChildProcessByStdio<null, Readable, Readable>
  /** The next JSON line on stdout. */
  readonly event: () => Promise<Record<string, unknown>>
  readonly ended: Promise<Ended>
}

function home(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'pbt-main-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Runs pbt-server in a home of its own, without the surroundings' settings. */
function run(t: TestContext, directory: string, args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [SERVER_MAIN, ...args], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, HOME: directory, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIME_LIMIT_MS,
  })
  t.after(() => child.kill('SIGKILL'))
  let stdout = ''
  let stderr = ''
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const event = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error(`no more events; stderr: ${stderr}`)
    return parsed(value)
  }
  return { child, event, ended: once(child, 'close').then(([code]) => ({ code, stdout, stderr })) }
}

function parsed(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line)
  assert.ok(typeof value === 'object' && value !== null)
  return { ...value }
}

async function initialised(t: TestContext): Promise<string> {
  const directory = home(t)
  assert.equal((await run(t, directory, ['init']).ended).code, 0)
  return directory
}

const dataDirOf = (directory: string) => join(directory, '.local', 'share', 'pbt-server')

test('init makes the data directory and tells the token once', async t => {
  const directory = home(t)
  const dataDir = dataDirOf(directory)
  const first = await run(t, directory, ['init', '--json']).ended
  assert.equal(first.code, 0, first.stderr)
  assert.equal(first.stderr, '')
  const { event, time, token, dataDir: told, ca } = parsed(first.stdout)
  assert.deepEqual([event, told, ca], ['initialised', dataDir, join(dataDir, 'dev-ca.pem')])
  assert.match(String(time), /^\d{4}-\d\d-\d\dT.*Z$/)
  assert.match(String(token), /^pbt_[A-Za-z0-9_-]{43}$/)
  assert.equal(statSync(dataDir).mode & 0o777, 0o700)
  for (const file of ['pbt.db', 'dev-ca.pem', 'dev-ca-key.pem']) {
    assert.equal(statSync(join(dataDir, file)).mode & 0o777, 0o600, file)
  }
  assert.ok(!readFileSync(join(dataDir, 'pbt.db'), 'latin1').includes(String(token)), 'the token itself is not kept')

  const second = await run(t, directory, ['init', '--json']).ended
  assert.equal(second.code, 1)
  const { event: failed, code, cure } = parsed(second.stdout)
  assert.deepEqual([failed, code], ['error', 'already-initialised'])
  assert.match(String(cure), /pbt-server start/)
})

test('init tells people what to do next', async t => {
  const { code, stdout, stderr } = await run(t, home(t), ['init']).ended
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /\n {2}pbt_[A-Za-z0-9_-]{43}\n/)
  assert.match(stdout, /pbt-server start/)
})

test('H47: what init says to run next is right as it stands, whatever flags it was given', async t => {
  const directory = home(t)
  const config = join(directory, 'my settings.yaml')
  writeFileSync(config, 'connections-per-address: 77\n')
  const flags = ['--config', config, '--data-dir', join(directory, "it's here")]
  const { stdout } = await run(t, directory, ['init', ...flags]).ended
  const [, line = ''] = /^Next: (pbt-server start .*)$/m.exec(stdout) ?? []
  const shell = spawn(
    '/bin/sh',
    [
      '-c',
      `eval "set -- $1"; shift; exec "$0" ${SERVER_MAIN} "$@" --json ${FREE_PORTS.join(' ')}`,
      process.execPath,
      line,
    ],
    { env: { PATH: process.env.PATH, HOME: directory }, stdio: ['ignore', 'pipe', 'pipe'], timeout: TIME_LIMIT_MS },
  )
  t.after(() => shell.kill('SIGKILL'))
  const [ready] = await once(createInterface({ input: shell.stdout }), 'line')
  assert.equal(parsed(String(ready)).event, 'ready')
  shell.kill('SIGTERM')
  await once(shell, 'exit')
  const again = await run(t, directory, ['init', ...flags]).ended
  assert.ok(again.stderr.includes(`run "${line}"`), again.stderr)
  assert.ok(again.stderr.includes(line.replace('start', 'token rotate')), again.stderr)
})

test('start without init says what to do', async t => {
  const directory = home(t)
  const { code, stdout, stderr } = await run(t, directory, ['start', ...FREE_PORTS]).ended
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /no server is set up in .*\n.*pbt-server init/)
  assert.ok(!existsSync(dataDirOf(directory)), 'nothing was made')
})

test('start tells the ports that it bound, serves, and ends on SIGTERM', async t => {
  const directory = await initialised(t)
  const server = run(t, directory, ['start', '--json', ...FREE_PORTS])
  const ready = await server.event()
  const ca = join(dataDirOf(directory), 'dev-ca.pem')
  assert.deepEqual(
    [ready.event, ready.baseDomain, ready.dns, ready.portRange, ready.ca],
    ['ready', 'localhost', 0, '20000-40000', ca],
  )
  assert.ok(Number(ready.https) > 0 && Number(ready.http) > 0)

  const socket = connect({
    port: Number(ready.https),
    host: '127.0.0.1',
    servername: 'x.localhost',
    ca: readFileSync(ca),
  })
  await once(socket, 'secureConnect')
  socket.end('GET / HTTP/1.1\r\nHost: x.localhost\r\nConnection: close\r\n\r\n')
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  assert.match(answer, /^HTTP\/1.1 404 .*\r\npbt-error: unknown-host\r\n/s)

  server.child.kill('SIGTERM')
  const { code, stdout } = await server.ended
  assert.equal(code, 0)
  const events = stdout
    .trim()
    .split('\n')
    .map(line => parsed(line).event)
  assert.deepEqual(events, ['ready', 'stopping', 'stopped'])
})

test('logs go to stderr as JSON and never to stdout', async t => {
  const directory = await initialised(t)
  const server = run(t, directory, ['start', ...FREE_PORTS], { PBT_SERVER_LOG_LEVEL: 'debug' })
  await once(server.child.stdout, 'data')
  server.child.kill('SIGINT')
  const { code, stdout, stderr } = await server.ended
  assert.equal(code, 0)
  assert.match(stdout, /^pbt-server is ready: .*\n.*pbt init --server localhost:\d+ --ca .*stopped\n$/s)
  for (const line of stderr.trim().split('\n')) assert.equal(typeof parsed(line).message, 'string')
})

test('wrong usage ends with 2', async t => {
  const directory = home(t)
  const wrong: Record<string, string> = {
    nonsense: 'unknown command "nonsense"\n  to do: see "pbt-server --help"',
    strat: 'unknown command "strat"; did you mean "start"?\n  to do: see "pbt-server --help"',
    'tunnel lst': 'unknown command "tunnel lst"; did you mean "tunnel list"?\n  to do: see "pbt-server tunnel --help"',
    'start --htps-port 1':
      'unknown option --htps-port; did you mean --https-port?\n  to do: see "pbt-server start --help"',
    'init --config': '--config needs a value\n  to do: see "pbt-server init --help"',
    'start extra': 'unexpected argument: extra\n  to do: see "pbt-server start --help"',
    'tunnel kill':
      'pbt-server tunnel kill needs a name, for example: pbt-server tunnel kill app\n  to do: see "pbt-server tunnel kill --help"',
  }
  await Promise.all(
    Object.entries(wrong).map(async ([line, told]) => {
      const { code, stdout, stderr } = await run(t, directory, line.split(' ')).ended
      assert.deepEqual([code, stdout, stderr], [2, '', `pbt-server: error: ${told}\n`], line)
    }),
  )
  const alone = await run(t, directory, []).ended
  assert.equal(alone.code, 2)
  assert.match(alone.stdout, /^pbt-server <command>\n/)
})

test('wrong settings end with 2 and are told all at once', async t => {
  const directory = home(t)
  const file = join(directory, 'server.yaml')
  writeFileSync(file, 'http-port: many\ncolour: red\n')
  const server = run(t, directory, ['start', '--json', '--config', file, '--https-port', '-1'], { PBT_SERVER_X: 'y' })
  const { code, stdout } = await server.ended
  assert.equal(code, 2)
  const { event, code: errorCode, message, problems } = parsed(stdout)
  assert.deepEqual([event, errorCode], ['error', 'config-invalid'])
  assert.ok(Array.isArray(problems) && problems.length === 3, stdout)
  for (const part of ['server.yaml:1', 'colour', '--https-port']) {
    assert.ok(String(message).includes(part), part)
  }
})

test('the file that systemd or the desktop names is read without being asked for', async t => {
  const directory = home(t)
  writeFileSync(join(directory, 'server.yaml'), `data-dir: ${join(directory, 'elsewhere')}\n`)
  const { stdout } = await run(t, directory, ['init', '--json'], { CONFIGURATION_DIRECTORY: directory }).ended
  assert.equal(parsed(stdout).dataDir, join(directory, 'elsewhere'))
})

test('a port that another program has is told with its setting', async t => {
  const other = createServer().listen(0, '127.0.0.1')
  t.after(() => other.close())
  await once(other, 'listening')
  const address = other.address()
  assert.ok(address !== null && typeof address === 'object')
  const directory = await initialised(t)
  const args = ['start', '--json', '--https-port', '0', '--http-port', String(address.port)]
  const { code, stdout } = await run(t, directory, args).ended
  assert.equal(code, 1)
  const { code: errorCode, message, cure } = parsed(stdout)
  assert.equal(errorCode, 'port-taken')
  assert.match(`${message} ${cure}`, new RegExp(`port ${address.port} \\(http-port\\).*--http-port`))
})

test('a base domain of its own needs certificates', async t => {
  const args = ['start', '--base-domain', 'tunnel.example.com', '--acme-directory', 'off']
  const { code, stderr } = await run(t, home(t), args).ended
  assert.equal(code, 2)
  assert.match(
    stderr,
    /tls-cert must be set, and tls-key too, or acme-directory not off: tunnel.example.com and \*.tunnel.example.com need a certificate/,
  )
})

test('H18: an unexpected error is logged and ends the process with 1', async t => {
  const directory = await initialised(t)
  // Preloaded: fails a moment after the server is ready, as a fault in a timer would.
  const fault = join(directory, 'fault.mjs')
  writeFileSync(fault, "process.once('SIGUSR2', () => { throw new Error('a fault') })")
  const server = run(t, directory, ['start', '--json', ...FREE_PORTS], { NODE_OPTIONS: `--import ${fault}` })
  await server.event()
  server.child.kill('SIGUSR2')
  const { code, stderr } = await server.ended
  assert.equal(code, 1)
  assert.match(stderr, /fault of pbt-server.*a fault/)
})

test('help shows the usual settings, and all of them when asked', async t => {
  const usual = await run(t, home(t), ['start', '--help']).ended
  assert.equal(usual.code, 0)
  for (const part of ['--base-domain', 'PBT_SERVER_HTTPS_PORT', 'Exit codes', '--help-settings']) {
    assert.ok(usual.stdout.includes(part), part)
  }
  assert.doesNotMatch(usual.stdout, /--drain-seconds/)
  const all = await run(t, home(t), ['start', '--help-settings']).ended
  assert.equal(all.code, 0)
  assert.match(all.stdout, /--drain-seconds/)
  const allow = await run(t, home(t), ['allow', '--help']).ended
  assert.doesNotMatch(allow.stdout, /--https-port/)
})
