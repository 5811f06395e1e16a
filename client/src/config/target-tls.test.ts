// How the options for the certificate of an https target go together.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Failure } from '../failure.ts'
import { TEST_CERTIFICATE, TEST_KEY } from '../session/testing/certificate.ts'
import { parseTarget } from './target.ts'
import { type TargetTlsOptions, withTls } from './target-tls.ts'

const NONE: TargetTlsOptions = {
  verifyTarget: false,
  targetCa: undefined,
  insecureTarget: false,
  targetName: undefined,
}
const LAN = parseTarget('https://nas.lan:5001')
const HERE = parseTarget('https://localhost:5001')

function fileWith(t: TestContext, text: string, home = mkdtempSync(join(tmpdir(), 'pbt-tls-'))): string {
  t.after(() => rmSync(home, { recursive: true, force: true }))
  writeFileSync(join(home, 'ca.pem'), text)
  return home
}

function refusal(options: Partial<TargetTlsOptions>, target = LAN): string {
  try {
    withTls(target, { ...NONE, ...options }, {})
  } catch (error) {
    assert.ok(error instanceof Failure && error.code === 'usage')
    return error.message
  }
  return ''
}

test('a certificate is checked elsewhere, on this machine when it is asked for, and never with --insecure-target', t => {
  const targetCa = join(fileWith(t, TEST_CERTIFICATE), 'ca.pem')
  const isVerified = (options: Partial<TargetTlsOptions>) =>
    [LAN, HERE].map(target => withTls(target, { ...NONE, ...options }, {}).isVerified)
  assert.deepEqual(isVerified({}), [true, false])
  assert.deepEqual(isVerified({ verifyTarget: true }), [true, true])
  assert.deepEqual(isVerified({ targetCa }), [true, true])
  assert.deepEqual(isVerified({ targetName: 'a.lan' }), [true, false])
  assert.deepEqual(isVerified({ insecureTarget: true }), [false, false])
  assert.equal(withTls(LAN, NONE, {}), LAN)
})

test('the name to ask for is a host name, and replaces that of the target', () => {
  assert.equal(withTls(LAN, { ...NONE, targetName: 'Cloud.LAN.' }, {}).serverName, 'cloud.lan')
  assert.equal(withTls(parseTarget('https://10.0.0.9'), { ...NONE, targetName: 'nas' }, {}).serverName, 'nas')
  for (const targetName of [
    '',
    '.',
    'a b',
    '10.0.0.9',
    '::1',
    'https://nas.lan',
    'nas.lan:5001',
    '-a',
    'a..b',
    '*.lan',
  ]) {
    assert.match(refusal({ targetName }), /^--target-name ".*" cannot be used: it is not a host name$/, targetName)
  }
})

test('a file of authorities is read and checked before anything is opened', t => {
  const home = fileWith(t, `words before\n${TEST_CERTIFICATE}${TEST_CERTIFICATE}`)
  assert.ok(withTls(LAN, { ...NONE, targetCa: '~/ca.pem' }, { HOME: home }).trusted)
  for (const text of ['', 'no certificate', TEST_KEY, TEST_CERTIFICATE.replace('MIIB', 'MIIC')]) {
    const targetCa = join(fileWith(t, text), 'ca.pem')
    assert.match(refusal({ targetCa }), /is not a certificate in PEM form$/)
  }
  assert.match(refusal({ targetCa: '/nowhere.pem' }), /^--target-ca "\/nowhere\.pem" cannot be read: ENOENT/)
  assert.match(refusal({ targetCa: '~ada/ca.pem' }), /^--target-ca "~ada\/ca\.pem" must be a path/)
})

test('options without a certificate to judge, and those that contradict each other, are refused', () => {
  for (const text of ['3000', 'http://nas.lan:80', 'unix:/run/x']) {
    assert.match(
      refusal({ insecureTarget: true }, parseTarget(text)),
      /^--insecure-target cannot be used: target ".*" is not https/,
    )
  }
  assert.match(
    refusal({ insecureTarget: true, targetCa: 'x', verifyTarget: true }),
    /--verify-target and --target-ca does not$/,
  )
  assert.equal(refusal({ insecureTarget: true, targetName: 'nas.lan' }), '')
})
