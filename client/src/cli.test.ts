// The program as a user starts it: what wrong usage and missing settings say, and the exit codes.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Metadata, status } from '@grpc/grpc-js'
import { CLIENT_MAIN } from '../../server/test/support/programs.ts'
import { TEST_CERTIFICATE } from './session/testing/certificate.ts'
import { type LinkCall, startLinkServer, welcomeBatch } from './session/testing/link-server.ts'

/** A start of Node and everything after it takes less, even on a busy machine. */
const LIMIT_MS = 30_000
/** A port on which nothing listens: tcpmux, which no system of today has. */
const NOBODY = '1'

function makeHome(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'pbt-cli-'))
  t.after(() => rmSync(home, { recursive: true }))
  return home
}

function begin(t: TestContext, home: string, args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [CLIENT_MAIN, ...args], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      HOME: home,
      PBT_HOME: join(home, 'pbt'),
      ...env,
    },
    timeout: LIMIT_MS,
  })
  t.after(() => child.kill('SIGKILL'))
  return child
}

async function run(
  t: TestContext,
  args: readonly string[],
  options: { home?: string; env?: Record<string, string>; input?: string } = {},
) {
  const child = begin(t, options.home ?? makeHome(t), args, options.env)
  child.stdin.end(options.input ?? '')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { stdout, stderr, exitCode: child.exitCode }
}

/** The only JSON line. */
function onlyLine(stdout: string): Record<string, unknown> {
  const lines = stdout.trimEnd().split('\n')
  assert.equal(lines.length, 1, stdout)
  const value: unknown = JSON.parse(lines[0] ?? '')
  assert(typeof value === 'object' && value !== null)
  return { ...value }
}

async function serve(t: TestContext, onHello: (call: LinkCall) => void): Promise<string> {
  const server = await startLinkServer(onHello)
  t.after(() => server.close())
  return `localhost:${server.port}`
}

function storeCa(home: string): string {
  const path = join(home, 'ca.pem')
  writeFileSync(path, TEST_CERTIFICATE)
  return path
}

test('help names the commands, the variables and the exit codes', async t => {
  const { stdout, exitCode } = await run(t, ['--help'])
  assert.equal(exitCode, 0)
  for (const part of ['pbt init', 'pbt http', 'PBT_TOKEN_FILE', 'Exit codes']) assert(stdout.includes(part), part)
})

const WRONG: readonly (readonly [args: string, says: RegExp])[] = [
  ['bogus', /unknown command "bogus" \(usage\)/],
  ['htpp 3000', /unknown command "htpp"; did you mean "http"\?/],
  ['HTTP 3000', /did you mean "http"\?/],
  ['stauts', /did you mean "status"\?/],
  ['tunel http 3000', /did you mean "tunnel"\?/],
  ['http:3000', /did you mean "pbt up http:3000"\?/],
  ['http', /pbt http needs a target, for example: pbt http 3000/],
  ['tcp', /pbt tcp needs a target, for example: pbt tcp 22/],
  ['tunnel udp', /pbt tunnel udp needs a target, for example/],
  ['up', /pbt up needs tunnels, for example: pbt up http:3000,domain=app tcp:22/],
  ['http 3000 --domain', /--domain needs a name; a name cannot begin with "-"/],
  ['http 3000 --domain --name x', /--domain needs a name/],
  ['http 3000 --allow', /--allow needs an IP address or CIDR block, for example/],
  ['init token --server', /--server needs a server, for example/],
  ['http 3000 --domian app', /unknown option --domian; did you mean --domain\?/],
  ['http 3000 --alow=203.0.113.7', /unknown option --alow; did you mean --allow\?/],
  ['http 3000 --targetprotocol h2c', /did you mean --target-protocol\?/],
  ['3000 4000', /one target only; for several: pbt up/],
  ['3000 --bogus', /unknown option --bogus/],
  ['http 3000 --allow everybody', /--allow "everybody" cannot be used: it is not an IP address/],
  ['up http:3000,domian=app', /http has no option "domian"; did you mean domain\?/],
  ['up http:3000,colour=red', /http has no option "colour"; it is one of domain, name/],
  ['tunnel', /which kind/],
  [
    'http 3000 --domain https://app.mine.uk/',
    /--domain "https:\/\/app\.mine\.uk\/" cannot be used.*\n.*drop "https:\/\/" and the path "\/": give app\.mine\.uk/,
  ],
  ['tcp 22 --domain app', /unknown option --domain; .*--reserve-port/],
  ['http 3000 --reserve-port 20022', /unknown option --reserve-port; .*--domain/],
  ['tunnel ftp 3000', /unknown command "tunnel ftp"/],
  ['tunnel htp 3000', /unknown command "tunnel htp"; did you mean "tunnel http"\?/],
  ['http 3000 --bogus', /unknown option --bogus \(usage\)/],
  ['http 3000 4000', /one target only; for several: pbt up/],
  ['http 3000 --name a --name b', /--name is given more than once/],
  ['http 3000 --target-protocol spdy', /--target-protocol "spdy" cannot be used: it is one of http1, h2c/],
  ['http foo', /target "foo"/],
  ['http https://x.example --target-protocol h2c', /is https/],
  ['udp 53 --reply-factor 0', /--reply-factor "0" cannot be used/],
  ['udp 53 --reply-factor 1.5', /"1.5"/],
  ['udp 53 --reply-factor none', /"none"/],
  ['up udp:53,reply-factor=1000001', /udp:53,reply-factor=1000001" cannot be used: reply-factor="1000001"/],
  ['up tcp:53,reply-factor=60', /tcp has no option "reply-factor"/],
  [
    'http 3000 --insecure-target',
    /--insecure-target cannot be used: target "127.0.0.1:3000" is not https and has no certificate/,
  ],
  [
    'http unix:/run/x --target-name a.lan --verify-target',
    /--verify-target, --target-name cannot be used: .*unix:\/run\/x/,
  ],
  [
    'http https://a.lan --insecure-target --verify-target',
    /--insecure-target takes any certificate, --verify-target does/,
  ],
  ['http https://a.lan --target-name 10.0.0.1', /--target-name "10.0.0.1" cannot be used: it is not a host name/],
  ['http https://a.lan --target-ca /dev/null', /--target-ca "\/dev\/null" is not a certificate in PEM form/],
  ['http https://a.lan --target-ca /nowhere.pem', /--target-ca "\/nowhere.pem" cannot be read: /],
  ['up http:https://a.lan,target-ca=/nowhere.pem', /https:\/\/a.lan,target-ca=.* target-ca="\/nowhere.pem" cannot/],
  ['up http:https://a.lan,insecure-target=no', /insecure-target takes no value/],
  ['up http:3000,target-name=a.lan', /target-name= cannot be used: target "127.0.0.1:3000" is not https/],
  ['up tcp:22,target-ca=a.pem', /tcp has no option "target-ca"/],
  ['udp 53 --proxy-protocol v1', /v1/],
  ['up udp:53,proxy-protocol=v1', /proxy-protocol="v1" cannot be used: datagrams have version 2 only/],
  ['init part-of-a-token b', /error: one token only \(usage\)/],
]

for (const [args, says] of WRONG) {
  test(`wrong usage "pbt ${args}" is told in words and ends with 2`, async t => {
    const { stdout, stderr, exitCode } = await run(t, args.split(' ').filter(Boolean))
    assert.equal(exitCode, 2)
    assert.match(stderr, says)
    assert.match(stderr, /to do: /)
    assert.equal(stdout, '')
  })
}

test('pbt alone shows the help, and ends with 2', async t => {
  const [{ stdout, stderr, exitCode }, help] = await Promise.all([run(t, []), run(t, ['--help'])])
  assert.deepEqual([exitCode, stderr], [2, ''])
  assert.equal(stdout, help.stdout)
})

test('pbt 3000 is pbt http 3000', async t => {
  for (const target of ['3000', 'localhost:3000', 'http://127.0.0.1:3000', 'unix:/run/app.sock', '[::1]:3000']) {
    const { stderr, exitCode } = await run(t, [target, '--domain', 'app'])
    assert.equal(exitCode, 2)
    assert.match(stderr, /no server is known; no token is known/, target)
  }
})

test('wrong usage with --json is one object on stdout', async t => {
  const { stdout, stderr, exitCode } = await run(t, ['http', '3000', '--json', '--bogus'])
  assert.equal(exitCode, 2)
  const { event, code, time } = onlyLine(stdout)
  assert.deepEqual([event, code, stderr], ['error', 'usage', ''])
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
})

test('without settings it says what to run', async t => {
  const { stderr, exitCode } = await run(t, ['http', '3000'])
  assert.equal(exitCode, 2)
  assert.match(stderr, /no server is known; no token is known/)
  assert.match(stderr, /pbt init/)
})

test('init stores what the server took, for the owner only', async t => {
  const home = makeHome(t)
  const server = await serve(t, call => {
    call.write(welcomeBatch())
    call.once('data', () => call.end())
  })
  const args = ['init', '-', '--server', server, '--ca', storeCa(home), '--json']
  const { stdout, exitCode } = await run(t, args, { home, input: 'the-token\n' })
  assert.equal(exitCode, 0)
  const { event, server: stored } = onlyLine(stdout)
  assert.deepEqual([event, stored], ['stored', server])
  const file = join(home, 'pbt', 'config.json')
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { server, token: 'the-token', ca: TEST_CERTIFICATE })
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(statSync(join(home, 'pbt')).mode & 0o777, 0o700)
})

test('init for another server says that it replaces the first, and does so only when it is told to', async t => {
  const home = makeHome(t)
  const accept = (call: LinkCall) => {
    call.write(welcomeBatch())
    call.once('data', () => call.end())
  }
  const [first, second] = [await serve(t, accept), await serve(t, accept)]
  const init = (server: string, ...more: string[]) =>
    run(t, ['init', '-', '--server', server, '--ca', storeCa(home), ...more], { home, input: `token-of-${server}\n` })
  const stored = () => JSON.parse(readFileSync(join(home, 'pbt', 'config.json'), 'utf8')).server
  assert.equal((await init(first)).exitCode, 0)
  assert.equal((await init(first)).exitCode, 0, 'a new token for the same one')
  const refused = await init(second)
  assert.deepEqual([refused.exitCode, stored()], [2, first])
  assert.match(refused.stderr, new RegExp(`${first} is stored, and its token would be replaced.*\n.*to do: .*--yes`))
  const agreed = await init(second, '--yes')
  assert.deepEqual([agreed.exitCode, stored()], [0, second])
  assert.match(agreed.stdout, new RegExp(`stored, in place of ${first}`))
  const { replaced } = onlyLine((await init(first, '--yes', '--json')).stdout)
  assert.equal(replaced, second)
})

test('A1: with PBT_SERVER alone the stored token is not sent there, and the missing variable is named', async t => {
  const home = makeHome(t)
  let calls = 0
  const other = await serve(t, () => calls++)
  mkdirSync(join(home, 'pbt'))
  writeFileSync(join(home, 'pbt', 'config.json'), JSON.stringify({ server: 'mine.example:443', token: 'secret' }))
  const { stderr, exitCode } = await run(t, ['http', '3000'], { home, env: { PBT_SERVER: other } })
  assert.deepEqual([exitCode, calls], [2, 0])
  assert.match(stderr, /stored token is for mine\.example:443.*\n.*to do: set PBT_TOKEN or PBT_TOKEN_FILE/)
})

test('a directory that cannot be read is not taken for one without tunnels', async t => {
  const home = makeHome(t)
  assert.match((await run(t, ['status'], { home })).stdout, /no tunnel of this user is running/)
  mkdirSync(join(home, 'pbt'))
  writeFileSync(join(home, 'pbt', 'run'), 'not a directory')
  const { stdout, stderr, exitCode } = await run(t, ['status'], { home })
  assert.deepEqual([exitCode, stdout], [2, ''])
  assert.match(stderr, /run cannot be read: .*\n.*to do: .*PBT_HOME/)
})

test('while a server is tried again and again, what to do is told whole, in lines', async t => {
  const env = { PBT_SERVER: `localhost:${NOBODY}`, PBT_TOKEN: 'token' }
  const child = begin(t, makeHome(t), ['http', NOBODY], env)
  let said = ''
  for await (const part of child.stdout.setEncoding('utf8')) {
    said += part
    if (/to do: .*\n/.test(said)) child.kill('SIGTERM')
  }
  assert.equal(said.split('to do: ').length, 2, said)
  assert.match(said, /to do: check that pbt-server runs and listens on this port\n/)
})

test('init stores nothing that the server refuses, ends with 3 and never shows the token', async t => {
  const home = makeHome(t)
  const server = await serve(t, call =>
    call.emit('error', { code: status.UNAUTHENTICATED, details: 'no', metadata: new Metadata() }),
  )
  const { stdout, stderr, exitCode } = await run(
    t,
    ['init', 'wrong-token', '--server', server, '--ca', storeCa(home)],
    { home },
  )
  assert.equal(exitCode, 3)
  assert.match(stderr, /refused the token/)
  assert(!`${stdout}${stderr}`.includes('wrong-token'))
  assert(!readdirSync(join(home, 'pbt')).includes('config.json'))
})

test('init says when the server cannot be reached, and stores nothing', async t => {
  const home = makeHome(t)
  const { stderr, exitCode } = await run(t, ['init', 'token', '--server', `localhost:${NOBODY}`], { home })
  assert.equal(exitCode, 1)
  assert.match(stderr, /localhost:1 cannot be reached/)
  assert(!readdirSync(join(home, 'pbt')).includes('config.json'))
})

test('a tunnel keeps trying a server that is not there, and a signal ends it with 0', async t => {
  const env = { PBT_SERVER: `localhost:${NOBODY}`, PBT_TOKEN: 'token' }
  const child = begin(t, makeHome(t), ['http', NOBODY, '--json'], env)
  const events: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    events.push(JSON.parse(line).event)
    if (events.filter(event => event === 'reconnecting').length === 2) child.kill('SIGTERM')
  }
  if (child.exitCode === null) await once(child, 'close')
  assert.equal(child.exitCode, 0)
  // That nothing listens on the target is told without a server too. The signal may come when it has tried once more.
  assert.equal(events.filter(event => event === 'target').length, 1)
  const [first, ...tries] = events.filter(event => event !== 'target')
  assert.equal(first, 'offline')
  assert.deepEqual([...new Set(tries)], ['reconnecting'])
})

test('a refused token ends a tunnel with 3', async t => {
  const home = makeHome(t)
  const server = await serve(t, call =>
    call.emit('error', { code: status.UNAUTHENTICATED, details: 'no', metadata: new Metadata() }),
  )
  const env = { PBT_SERVER: server, PBT_TOKEN: 'wrong-token', PBT_CA: storeCa(home) }
  const { stdout, exitCode } = await run(t, ['tunnel', 'http', NOBODY, '--json'], { home, env })
  assert.equal(exitCode, 3)
  const { event, code, cure } = onlyLine(stdout.replace(/.*"event":"target".*\n/, ''))
  assert.deepEqual([event, code], ['error', 'token-refused'])
  assert.match(String(cure), /pbt init/)
})

test('a reader that goes away ends nothing', async t => {
  const env = { PBT_SERVER: `localhost:${NOBODY}`, PBT_TOKEN: 'token' }
  const child = begin(t, makeHome(t), ['http', NOBODY, '--json'], env)
  await once(child.stdout, 'data')
  child.stdout.destroy()
  // It goes on trying, and says so to nobody.
  await Promise.race([once(child, 'exit').then(() => assert.fail('it ended')), pause(2_000)])
  child.kill('SIGTERM')
  await once(child, 'close')
  assert.deepEqual([child.exitCode, child.signalCode], [0, null])
})
