// Where settings come from, and what is said about bad ones.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Failure } from '../failure.ts'
import { homeOf, readSettings } from './config.ts'
import { formatServer } from './server-address.ts'
import { machineId, readStored, writeStored } from './stored.ts'

/** Cut off in the middle of its key. */
const BROKEN_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBfTCCASOgAwIBAgIUI+8Pz3SyQoHbRWTtrcQtEVYtlvEwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MB4XDTI2MTEyMzAwMDAwMFoXDTM2MTEyMDAw
MDAwMFowFDESMBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAE
-----END CERTIFICATE-----
`

function makeHome(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'pbt-config-'))
  t.after(() => rmSync(home, { recursive: true }))
  return join(home, 'pbt')
}

const isFailure =
  (code: string, ...texts: string[]) =>
  (error: unknown) => {
    assert(error instanceof Failure, String(error))
    assert.equal(error.code, code)
    for (const text of texts) assert(`${error.message}\n${error.cure}`.includes(text), `${text} in ${error.message}`)
    return true
  }

test('the directory is PBT_HOME, else in XDG_CONFIG_HOME, else in ~/.config', () => {
  assert.equal(homeOf({ PBT_HOME: '/p', XDG_CONFIG_HOME: '/x', HOME: '/h' }), '/p')
  assert.equal(homeOf({ XDG_CONFIG_HOME: '/x', HOME: '/h' }), '/x/pbt')
  assert.equal(homeOf({ XDG_CONFIG_HOME: 'relative', HOME: '/h' }), '/h/.config/pbt')
})

test('what was stored is read back, and only the owner can read it', t => {
  const home = makeHome(t)
  writeStored(home, { server: 'localhost:8443', token: 'old' })
  writeStored(home, { server: 'localhost:8443', token: 'secret', ca: 'pem' })
  assert.deepEqual(readStored(home), { server: 'localhost:8443', token: 'secret', ca: 'pem' })
  assert.deepEqual(readdirSync(home), ['config.json'])
  assert.equal(statSync(home).mode & 0o777, 0o700)
  assert.equal(statSync(join(home, 'config.json')).mode & 0o777, 0o600)
})

test('arguments come before the environment, the environment before the file', t => {
  const home = makeHome(t)
  writeStored(home, { server: 'stored.example:443', token: 'stored' })
  const env = { PBT_HOME: home, PBT_SERVER: 'env.example', PBT_TOKEN: 'env' }
  assert.deepEqual(
    [
      readSettings({ PBT_HOME: home }),
      readSettings(env),
      readSettings(env, { server: 'arg.example', token: 'arg' }),
    ].map(settings => [formatServer(settings.server), settings.token, settings.isTokenStored]),
    [
      ['stored.example:443', 'stored', true],
      ['env.example:443', 'env', false],
      ['arg.example:443', 'arg', false],
    ],
  )
})

test('a token file is read without its line end', t => {
  const home = makeHome(t)
  machineId(home)
  const file = join(home, 'token')
  writeFileSync(file, 'from-file\n')
  assert.equal(readSettings({ PBT_HOME: home, PBT_SERVER: 'x.example', PBT_TOKEN_FILE: file }).token, 'from-file')
})

test('a stored authority speaks for the stored server only', t => {
  const home = makeHome(t)
  writeStored(home, { server: 'localhost:8443', token: 'secret', ca: 'pem' })
  assert.equal(readSettings({ PBT_HOME: home }).ca, 'pem')
  const other = { PBT_HOME: home, PBT_SERVER: 'localhost:9443' }
  assert.equal(readSettings({ ...other, PBT_TOKEN: 'its-own' }).ca, undefined)
  assert.equal(readSettings({ PBT_HOME: home, PBT_SERVER: 'localhost' }).ca, 'pem', 'however it is written')
})

test('A1: a stored token goes to the server that it was stored for, and to no other', t => {
  const home = makeHome(t)
  writeStored(home, { server: 'stored.example:443', token: 'secret' })
  const to = (env: Record<string, string>, server?: string) => () =>
    readSettings({ PBT_HOME: home, ...env }, server === undefined ? {} : { server })
  for (const server of ['other.example', 'stored.example:8443', 'sub.stored.example']) {
    const says = isFailure('not-configured', 'the stored token is for stored.example:443', 'PBT_TOKEN', server)
    assert.throws(to({ PBT_SERVER: server }), says)
    assert.throws(to({}, server), says)
    assert.equal(to({ PBT_SERVER: server, PBT_TOKEN: 'its-own' })().token, 'its-own')
  }
  assert.throws(to({ PBT_SERVER: 'other.example' }), error => !String(error).includes('secret'))
  for (const server of ['stored.example', 'STORED.example.', 'link.stored.example:443']) {
    assert.equal(to({ PBT_SERVER: server })().token, 'secret', server)
  }
})

test('nothing configured says what to run', t => {
  const home = makeHome(t)
  assert.throws(
    () => readSettings({ PBT_HOME: home }),
    isFailure('not-configured', 'no server is known', 'no token is known', 'pbt init'),
  )
})

test('all problems are reported at once, and never the token', t => {
  const home = makeHome(t)
  const env = { PBT_HOME: home, PBT_SERVER: 'http://x', PBT_TOKEN: 'se cret', PBT_CA: '/no/such/file' }
  assert.throws(
    () => readSettings(env),
    isFailure('usage', 'PBT_SERVER "http://x"', 'PBT_TOKEN', 'PBT_CA "/no/such/file"'),
  )
  assert.throws(
    () => readSettings(env),
    error => error instanceof Failure && !error.message.includes('cret'),
  )
})

test('a file that holds no certificate is refused as authority', t => {
  const home = makeHome(t)
  machineId(home)
  for (const text of ['nothing', BROKEN_CERTIFICATE]) {
    const file = join(home, 'ca.pem')
    writeFileSync(file, text)
    const env = { PBT_HOME: home, PBT_SERVER: 'x.example', PBT_TOKEN: 't', PBT_CA: file }
    assert.throws(() => readSettings(env), isFailure('usage', 'is not a certificate in PEM form'))
  }
})

test('a damaged file is named, but does not stop those who bring everything anew', t => {
  const home = makeHome(t)
  machineId(home)
  writeFileSync(join(home, 'config.json'), '{"server": 5')
  assert.throws(() => readSettings({ PBT_HOME: home }), isFailure('usage', 'config.json is damaged', 'pbt init'))
  assert.equal(readSettings({ PBT_HOME: home }, { server: 'x.example', token: 'new' }).token, 'new')
})

test('the machine is named once', t => {
  const home = makeHome(t)
  const id = machineId(home)
  assert.match(id, /^[0-9a-f]{32}$/)
  assert.equal(machineId(home), id)
  assert.deepEqual(readdirSync(home), ['machine-id'])
})
