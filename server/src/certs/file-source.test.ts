import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { Failure } from '../failure.ts'
import { openLog } from '../observe/log.ts'
import type { Keyring } from '../relay/keyring.ts'
import { type Authority, leafCertificate } from './certificate.ts'
import type { CertificateFiles } from './file-source.ts'
import { handshake } from './handshake.test-support.ts'
import { openCertificates } from './open.ts'

const DAY_MS = 24 * 3_600_000
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS)

// Without name constraints and self-signed chains in the way: the tests look only at what is shown for which name.
const authority: Authority = { name: 'test', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }

function setUp(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'pbt-files-'))
  t.after(() => rmSync(directory, { recursive: true }))
  let logged = ''
  const write = (chunk: Buffer, _encoding: string, done: () => void) => {
    logged += chunk.toString()
    done()
  }
  const stream = new Writable({ write })
  const log = openLog({ level: 'info', stream, isForPeople: false })
  const make = (file: string, name: string, notAfter = inDays(90)): CertificateFiles => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const files = { certificate: join(directory, `${file}.pem`), key: join(directory, `${file}.key`) }
    writeFileSync(files.certificate, leafCertificate(authority, name, publicKey, notAfter))
    writeFileSync(files.key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    return files
  }
  const open = (files: CertificateFiles[]) => {
    const { certificate, key } = { certificate: files.map(each => each.certificate), key: files.map(each => each.key) }
    const config = { baseDomain: 'pbt.test', dataDir: directory, tlsCert: certificate, acmeDirectory: '', tlsKey: key }
    const { keyring } = openCertificates(config, log, () => {})
    t.after(() => keyring.close())
    return keyring
  }
  /** Since it was asked last. */
  const said = () => {
    const before = logged
    logged = ''
    return before
  }
  return { directory, write: make, open, logged: said }
}

function serves(keyring: Keyring, name: string): boolean {
  return keyring.contextFor(name) !== undefined
}

test('each name is served by the first certificate that holds for it', t => {
  const { write, open } = setUp(t)
  const keyring = open([write('base', '*.pbt.test'), write('custom', 'app.mine.test')])
  for (const name of ['link.pbt.test', 'myapp.pbt.test', 'app.mine.test']) assert.ok(serves(keyring, name), name)
  for (const name of ['a.b.pbt.test', 'pbt.test', 'notpbt.test', 'mine.test', ''])
    assert.ok(!serves(keyring, name), name)
})

test("peers that name no server are shown the base domain's certificate, whichever place it has", t => {
  const { write, open } = setUp(t)
  const shown = (keyring: Keyring) => new X509Certificate(keyring.unnamed?.cert ?? '').subjectAltName
  const custom = write('custom', 'app.mine.test')
  const wildcard = write('wildcard', '*.pbt.test')
  const keyring = open([custom, wildcard])
  assert.equal(shown(keyring), 'DNS:*.pbt.test')
  assert.equal(keyring.unnamed, keyring.unnamed)
  assert.ok(keyring.covers(undefined, 'myapp.pbt.test'))
  assert.ok(!keyring.covers(undefined, 'app.mine.test'))
  assert.equal(shown(open([custom, wildcard, write('base', 'pbt.test')])), 'DNS:pbt.test')
  write('wildcard', 'link.pbt.test')
  keyring.reload()
  assert.equal(shown(keyring), 'DNS:link.pbt.test')
})

test('a connection may be shared by the names of its certificate', t => {
  const { write, open } = setUp(t)
  const keyring = open([write('base', '*.pbt.test'), write('custom', 'app.mine.test')])
  assert.ok(keyring.covers('a.pbt.test', 'b.pbt.test'))
  assert.ok(!keyring.covers('a.pbt.test', 'app.mine.test'))
  assert.ok(!keyring.covers('app.mine.test', 'a.pbt.test'))
  assert.ok(!keyring.covers('example.com', 'a.pbt.test'))
  assert.ok(keyring.covers(undefined, 'a.pbt.test'))
})

test('what is wrong with a pair is said at start', t => {
  const { directory, write, open } = setUp(t)
  const good = write('good', '*.pbt.test')
  const other = write('other', '*.pbt.test')
  const nonsense = join(directory, 'nonsense')
  writeFileSync(nonsense, 'nonsense')
  const wrong: [CertificateFiles, RegExp][] = [
    [{ ...good, key: other.key }, /belongs to another certificate/],
    [{ ...good, key: join(directory, 'none') }, /ENOENT.*none/],
    [{ ...good, certificate: nonsense }, /cannot be used/],
    [{ ...good, key: nonsense }, /cannot be used/],
    [write('old', '*.pbt.test', inDays(-0.1)), /expired on/],
    [write('elsewhere', '*.other.test'), /no certificate covers link.pbt.test.*other.test/],
  ]
  for (const [files, message] of wrong) {
    assert.throws(
      () => open([files]),
      (error: unknown) => error instanceof Failure && error.code === 'certificate' && message.test(error.message),
      String(message),
    )
  }
})

test('files that were replaced are served after a reload, without the old ones failing in between', async t => {
  const { write, open, logged } = setUp(t)
  const files = write('base', '*.pbt.test')
  const keyring = open([files])
  writeFileSync(files.certificate, 'half written')
  keyring.reload()
  assert.match(logged(), /cannot be used, the previous one is still served/)
  assert.ok(serves(keyring, 'myapp.pbt.test'))
  write('base', 'link.pbt.test')
  keyring.reload()
  assert.match(logged(), /certificates reloaded/)
  assert.ok(!serves(keyring, 'myapp.pbt.test'))
  write('base', '*.elsewhere.test')
  keyring.reload()
  assert.match(logged(), /does not cover link.pbt.test/)
  assert.equal(await handshake(t, keyring, 'link.pbt.test', ''), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE')
})

test('I6: a certificate that cannot be used stops none of the others', t => {
  const { directory, write, open, logged } = setUp(t)
  const base = write('base', '*.pbt.test')
  const good = write('good', 'good.mine.test')
  const bad: [CertificateFiles, RegExp][] = [
    [write('old', 'old.mine.test', inDays(-0.1)), /expired on/],
    [{ ...write('other', 'other.mine.test'), key: good.key }, /belongs to another certificate/],
    [{ ...write('half', 'half.mine.test'), certificate: join(directory, 'half.key') }, /half.key/],
    [{ certificate: join(directory, 'none.pem'), key: join(directory, 'none.key') }, /ENOENT/],
  ]
  for (const [files, message] of bad) {
    for (const order of [
      [files, base, good],
      [base, good, files],
    ]) {
      const keyring = open(order)
      assert.ok(serves(keyring, 'app.pbt.test') && serves(keyring, 'good.mine.test'))
      assert.equal(keyring.faults.length, 1)
      assert.match(keyring.faults.join(), message)
      assert.match(logged(), /"level":"error".*its names have no certificate/)
    }
  }
  // Mended while the server runs.
  const keyring = open([base, bad[0]?.[0] ?? base])
  write('old', 'old.mine.test')
  keyring.reload()
  assert.ok(serves(keyring, 'old.mine.test'))
  assert.deepEqual(keyring.faults, [])
})

test('a certificate that ends soon is mentioned', t => {
  const { write, open, logged } = setUp(t)
  open([write('base', '*.pbt.test', inDays(10))])
  assert.match(logged(), /certificate expires soon/)
})
