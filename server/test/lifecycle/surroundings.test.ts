// What the surroundings say: paths with ~ and variables, in every place where either program reads them.
import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Ran, run } from '../support/commands.ts'
import { CLIENT, clientEnv, program, SERVER, scratch, startServer } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

const FREE_PORTS = ['--https-port', '0', '--http-port', '0']
/** Nothing of the surroundings but what a test gives. */
const bare = (home: string, env: NodeJS.ProcessEnv) => ({ HOME: home, XDG_CONFIG_HOME: '', XDG_DATA_HOME: '', ...env })

/** The server is there with these, and its data in `~/data`. */
async function isIn(t: TestContext, home: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const init = await run(t, SERVER, ['init', '--json', ...args], bare(home, env))
  assert.equal(init.code, 0, init.stdout + init.stderr)
  assert.ok(existsSync(join(home, 'data', 'pbt.db')), 'the database is in ~/data')
  assert.ok(!existsSync('~'), 'nothing is called "~"')
  const server = program(t, SERVER, ['start', '--json', ...args, ...FREE_PORTS], bare(home, env))
  assert.equal((await server.event('ready')).ca, join(home, 'data', 'dev-ca.pem'))
}

for (const [where, args, env, yaml] of [
  ['a flag', ['--data-dir=~/data'], {}, ''],
  ['a variable', [], { PBT_SERVER_DATA_DIR: '~/data' }, ''],
  ['the file that --config names', ['--config=~/pbt.yaml'], {}, 'data-dir: ~/data\n'],
  ['the file that PBT_SERVER_CONFIG names', [], { PBT_SERVER_CONFIG: '~/pbt.yaml' }, 'data-dir: ~/data\n'],
] as const) {
  test(`H41: pbt-server: ~ in ${where} is the home directory`, async t => {
    const home = scratch(t)
    if (yaml !== '') writeFileSync(join(home, 'pbt.yaml'), yaml)
    await isIn(t, home, args, env)
  })
}

test('H41: pbt-server: ~ in lists of certificates and in XDG_CONFIG_HOME, and that of another user is refused', async t => {
  const home = scratch(t)
  mkdirSync(join(home, 'xdg', 'pbt-server'), { recursive: true })
  const lines =
    'base-domain: example.com\nacme-directory: off\ntls-cert: [~/no.pem]\ntls-key: [~/no-key.pem]\ndata-dir: ~/data\n'
  writeFileSync(join(home, 'xdg', 'pbt-server', 'server.yaml'), lines)
  const env = bare(home, { XDG_CONFIG_HOME: '~/xdg' })
  assert.equal((await run(t, SERVER, ['init'], env)).code, 0)
  assert.match((await run(t, SERVER, ['start', ...FREE_PORTS], env)).stderr, new RegExp(join(home, 'no.pem')))
  for (const args of [['--data-dir=~other/data'], ['--tls-cert=~other/c', '--tls-key=/k'], ['--config=~other/c']]) {
    const { code, stderr } = await run(t, SERVER, ['init', ...args], bare(home, {}))
    assert.equal(code, 2, args.join(' '))
    assert.match(stderr, /must be (a list, each )?a path \("~\/" is your own home directory/)
  }
})

test('H41: pbt: ~ in PBT_HOME, PBT_CA, PBT_TOKEN_FILE, --ca, XDG_CONFIG_HOME and in the path of a socket', async t => {
  const home = scratch(t)
  const server = await startServer(t)
  copyFileSync(server.ca, join(home, 'ca.pem'))
  writeFileSync(join(home, 'token'), server.token)
  const target = createServer((_request, response) => response.end('by a socket'))
  await new Promise<void>(resolve => target.listen(join(home, 'app.sock'), resolve))
  t.after(() => target.close())
  const byVariables = { PBT_SERVER: `localhost:${server.https}`, PBT_CA: '~/ca.pem', PBT_TOKEN_FILE: '~/token' }
  const env = bare(home, { PBT_HOME: '~/mine', ...byVariables })
  const client = program(t, CLIENT, ['http', 'unix:~/app.sock', '--domain', 'app', '--json'], env)
  await client.event('online')
  const get = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'
  assert.match(await rawRequest(t, server, get), /by a socket/)
  assert.ok(existsSync(join(home, 'mine', 'machine-id')))

  const stored = bare(home, { XDG_CONFIG_HOME: '~/xdg', PBT_TOKEN_FILE: '~/token' })
  const init = await run(t, CLIENT, ['init', '--server', `localhost:${server.https}`, '--ca=~/ca.pem'], stored)
  assert.equal(init.code, 0, init.stderr)
  assert.ok(existsSync(join(home, 'xdg', 'pbt', 'config.json')))
  assert.ok(!existsSync('~'), 'nothing is called "~"')

  const others: readonly NodeJS.ProcessEnv[] = [
    { PBT_HOME: '~other/x' },
    { PBT_CA: '~other/x' },
    { PBT_TOKEN_FILE: '~o' },
  ]
  for (const wrong of others) {
    const { code, stderr } = await run(t, CLIENT, ['http', '1'], { ...env, ...wrong })
    assert.deepEqual([code, /must be a path/.test(stderr)], [2, true], stderr)
  }
  assert.equal((await run(t, CLIENT, ['http', 'unix:~other/x'], env)).code, 2)
})

test('H40: pbt-server: a variable that is set to nothing is not set', async t => {
  const home = scratch(t)
  const file = join(home, 'pbt.yaml')
  writeFileSync(file, 'data-dir: ~/data\ndrain-seconds: 1\n')
  // As docker compose writes "${LOG_LEVEL}" of an .env that does not have it.
  const names = [
    'LOG_LEVEL',
    'BASE_DOMAIN',
    'DATA_DIR',
    'TLS_CERT',
    'HTTPS_PORT',
    'PORT_RANGE',
    'DRAIN_SECONDS',
    'NOTHING',
  ]
  const empty = Object.fromEntries(names.map(name => [`PBT_SERVER_${name}`, name === 'HTTPS_PORT' ? '  ' : '']))
  await isIn(t, home, ['--config', file], { ...empty, STATE_DIRECTORY: '', PBT_SERVER_CONFIG: '' })
})

test('H40: pbt-server: variables of container platforms, and slips, are told once each without their values, and stop nothing', async t => {
  const home = scratch(t)
  const odd = {
    PBT_SERVER_PORT: 'tcp://10.0.0.7:443',
    PBT_SERVER_PORT_443_TCP_ADDR: '10.0.0.7',
    PBT_SERVER_SERVICE_HOST: '10.0.0.7',
    PBT_SERVER_TOKEN: 'secret-of-somebody',
    // What services called pbt-server-http and pbt-server-metrics make.
    PBT_SERVER_HTTP_PORT: 'tcp://10.0.0.8:80',
    PBT_SERVER_METRICS_PORT: 'udp://10.0.0.9:53',
  }
  const env = bare(home, { PBT_SERVER_DATA_DIR: '~/data', ...odd })
  const init = await run(t, SERVER, ['init'], env)
  assert.equal(init.code, 0, init.stderr)
  const server = program(t, SERVER, ['start', '--json', ...FREE_PORTS], env)
  await server.event('ready')
  const allow = await run(t, SERVER, ['allow'], env)
  assert.equal(allow.code, 0, allow.stderr)
  for (const said of [init.stderr, server.stderr, allow.stderr]) {
    for (const name of Object.keys(odd))
      assert.equal(said.match(new RegExp(`${name}\\b`, 'g'))?.length, 1, `${name} in ${said}`)
    assert.doesNotMatch(said, /secret-of-somebody|10\.0\.0/)
  }
  // What is ours is still held to be right.
  const wrong: Ran = await run(t, SERVER, ['start'], { ...env, PBT_SERVER_DRAIN_SECONDS: 'soon' })
  assert.deepEqual([wrong.code, /PBT_SERVER_DRAIN_SECONDS: drain-seconds is "soon"/.test(wrong.stderr)], [2, true])
})

test('H40: pbt: variables that are set to nothing are not set, and those that it does not know are told and stop nothing', async t => {
  const server = await startServer(t)
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const known = clientEnv(t, server)
  const tokenFile = join(scratch(t), 'token')
  writeFileSync(tokenFile, server.token)
  mkdirSync(String(known.PBT_HOME), { recursive: true })
  // A stored file that is damaged matters only to those who need it.
  writeFileSync(join(String(known.PBT_HOME), 'config.json'), '{')
  const env = {
    ...known,
    PBT_TOKEN: '',
    PBT_TOKEN_FILE: tokenFile,
    NO_COLOR: '',
    PBT_TOKENFILE: '/x',
    PBT_PORT: 'tcp://10.0.0.1:1',
  }
  const client = program(t, CLIENT, ['http', String(target), '--json'], { ...env, PBT_EMPTY: ' ' })
  await client.event('online')
  assert.match(client.stderr, /^pbt: unknown variables, ignored: PBT_PORT, PBT_TOKENFILE\n$/)
  const none = { PBT_HOME: join(scratch(t), 'none'), PBT_SERVER: ' ', PBT_TOKEN: ' ', PBT_CA: '', PBT_TOKEN_FILE: '' }
  const { code, stderr } = await run(t, CLIENT, ['http', '1'], none)
  assert.deepEqual([code, /no server is known; no token is known/.test(stderr)], [2, true], stderr)
  assert.ok(readFileSync(tokenFile, 'utf8').length > 0)
})
