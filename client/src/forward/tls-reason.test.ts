// What the owner of a target is told when TLS with it failed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tlsReason } from './tls-reason.ts'

const failed = (code: string, more: object = {}) => Object.assign(new Error('of OpenSSL'), { code, ...more })

test('each failure of TLS is told with what helps', () => {
  for (const [error, reason] of [
    [failed('DEPTH_ZERO_SELF_SIGNED_CERT'), /a self-signed certificate \(--target-ca FILE .*--insecure-target/],
    [failed('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), /a certificate of an unknown authority \(--target-ca FILE/],
    [failed('CERT_HAS_EXPIRED'), /has expired \(--insecure-target/],
    [failed('CERT_NOT_YET_VALID'), /not valid yet, by the clock of this machine/],
    [failed('ERR_SSL_WRONG_VERSION_NUMBER'), /does not speak TLS \(give the target without https/],
    [failed('ERR_SSL_TLSV1_UNRECOGNIZED_NAME'), /refused the name nas\.lan \(--target-name NAME/],
    [
      failed('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', { reason: 'certificate required' }),
      /^TLS failed: certificate required$/,
    ],
    [
      failed('ERR_TLS_CERT_ALTNAME_INVALID', { cert: { subjectaltname: 'DNS:a.lan, IP Address:10.0.0.9' } }),
      /is for a\.lan, 10\.0\.0\.9 and not for nas\.lan \(--target-name/,
    ],
    [failed('ERR_TLS_CERT_ALTNAME_INVALID', { cert: {} }), /is for no name and not for nas\.lan/],
  ] as const) {
    assert.match(tlsReason(error, 'nas.lan') ?? '', reason)
  }
  const many = { subjectaltname: Array.from({ length: 500 }, (_, index) => `DNS:${index}.lan`).join(', ') }
  assert.match(
    tlsReason(failed('ERR_TLS_CERT_ALTNAME_INVALID', { cert: many }), 'x') ?? '',
    /for 0\.lan, .*4\.lan and others and not for x/,
  )
  for (const code of ['ECONNREFUSED', 'ECONNRESET', '']) assert.equal(tlsReason(failed(code), 'nas.lan'), undefined)
})
