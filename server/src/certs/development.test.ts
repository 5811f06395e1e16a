import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { SecureContext } from 'node:tls'
import { Failure } from '../failure.ts'
import { openDevelopmentAuthority } from './development-authority.ts'
import { DevelopmentSource, MAX_CONTEXTS } from './development-source.ts'
import { handshake } from './handshake.test-support.ts'

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'pbt-certs-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

function contextOf(source: DevelopmentSource, name: string): SecureContext | undefined {
  return source.contextFor(name)
}

test('the authority is made once, for its owner alone, and stays', t => {
  const dataDir = directory(t)
  const first = openDevelopmentAuthority(dataDir)
  assert.equal(first.file, join(dataDir, 'dev-ca.pem'))
  for (const file of ['dev-ca.pem', 'dev-ca-key.pem']) assert.equal(statSync(join(dataDir, file)).mode & 0o777, 0o600)
  assert.equal(openDevelopmentAuthority(dataDir).pem, first.pem)
})

test('a key without its certificate gets another one, which old clients accept', async t => {
  const dataDir = directory(t)
  const first = openDevelopmentAuthority(dataDir)
  unlinkSync(first.file)
  const second = openDevelopmentAuthority(dataDir)
  assert.notEqual(second.pem, first.pem)
  assert.equal(await handshake(t, new DevelopmentSource(second), 'app.localhost', first.pem), 'app.localhost')
})

test('an authority that cannot be used is a failure with a cure, and is left as it is', t => {
  const broken: Record<string, (dataDir: string) => void> = {
    'without its key': dataDir => unlinkSync(join(dataDir, 'dev-ca-key.pem')),
    'with a damaged certificate': dataDir => writeFileSync(join(dataDir, 'dev-ca.pem'), 'nonsense'),
    'with a damaged key': dataDir => writeFileSync(join(dataDir, 'dev-ca-key.pem'), 'nonsense'),
    "with somebody else's certificate": dataDir =>
      writeFileSync(join(dataDir, 'dev-ca.pem'), openDevelopmentAuthority(directory(t)).pem),
  }
  for (const [how, breakIt] of Object.entries(broken)) {
    const dataDir = directory(t)
    openDevelopmentAuthority(dataDir)
    breakIt(dataDir)
    const before = readFileSync(join(dataDir, 'dev-ca.pem'), 'utf8')
    assert.throws(
      () => openDevelopmentAuthority(dataDir),
      (error: unknown) => error instanceof Failure && error.code === 'certificate' && error.cure !== '',
      how,
    )
    assert.equal(readFileSync(join(dataDir, 'dev-ca.pem'), 'utf8'), before)
  }
})

test('names below localhost get certificates that the authority vouches for', async t => {
  const authority = openDevelopmentAuthority(directory(t))
  const keyring = new DevelopmentSource(authority)
  for (const name of ['localhost', 'myapp.localhost', 'link.localhost', 'a.b.localhost']) {
    assert.equal(await handshake(t, keyring, name, authority.pem), name)
  }
})

test('peers that name no server are shown the certificate for localhost, the same until it is made anew', t => {
  const keyring = new DevelopmentSource(openDevelopmentAuthority(directory(t)))
  const { unnamed } = keyring
  assert.equal(keyring.unnamed, unnamed)
  assert.match(new X509Certificate(unnamed.cert).subjectAltName ?? '', /DNS:localhost, IP Address:127\.0\.0\.1/)
})

test('a label of 63 letters has a certificate that verifies, though it is too long for a common name', async t => {
  const authority = openDevelopmentAuthority(directory(t))
  const name = `${'a'.repeat(63)}.localhost`
  assert.equal(await handshake(t, new DevelopmentSource(authority), name, authority.pem), 'no name')
})

test('other names end the handshake with an alert', async t => {
  const authority = openDevelopmentAuthority(directory(t))
  const keyring = new DevelopmentSource(authority)
  for (const name of ['example.com', 'localhost.example.com', 'notlocalhost', `${'a.'.repeat(130)}localhost`]) {
    assert.equal(await handshake(t, keyring, name, authority.pem), 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', name)
  }
})

test('one context for each name, and only so many of them', t => {
  const keyring = new DevelopmentSource(openDevelopmentAuthority(directory(t)))
  const first = contextOf(keyring, 'first.localhost')
  assert.ok(first !== undefined)
  assert.equal(contextOf(keyring, 'first.localhost'), first)
  for (let number = 0; number < MAX_CONTEXTS - 1; number++) contextOf(keyring, `n${number}.localhost`)
  assert.equal(contextOf(keyring, 'first.localhost'), first)
  contextOf(keyring, 'one-more.localhost')
  assert.equal(keyring.size, MAX_CONTEXTS)
  assert.equal(contextOf(keyring, 'first.localhost'), first, 'the one used last stays')
})

test('a connection for one name may serve another, as under a wildcard', t => {
  const keyring = new DevelopmentSource(openDevelopmentAuthority(directory(t)))
  assert.ok(keyring.covers('a.localhost', 'b.localhost'))
  assert.ok(keyring.covers(undefined, 'b.localhost'))
  assert.ok(!keyring.covers('a.localhost', 'example.com'))
  assert.ok(!keyring.covers('a.localhost', 'notlocalhost'))
})
