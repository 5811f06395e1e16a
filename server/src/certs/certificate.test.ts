import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { type Authority, authorityCertificate, leafCertificate } from './certificate.ts'

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const authority: Authority = { name: 'test authority', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }

function leaf(name: string, notAfter = new Date('2030-01-01')): X509Certificate {
  return new X509Certificate(leafCertificate(authority, name, key.publicKey, notAfter))
}

test('the authority vouches for itself and may sign', () => {
  const certificate = new X509Certificate(authorityCertificate(authority, new Date('2040-01-01')))
  assert.ok(certificate.ca)
  assert.ok(certificate.verify(authority.publicKey))
  assert.ok(certificate.checkPrivateKey(authority.privateKey))
  assert.equal(certificate.subject, 'CN=test authority')
})

test('a leaf is issued by the authority, for one name, and may not sign', () => {
  const certificate = leaf('myapp.localhost')
  const issuer = new X509Certificate(authorityCertificate(authority, new Date('2040-01-01')))
  assert.ok(certificate.checkIssued(issuer))
  assert.ok(certificate.verify(authority.publicKey))
  assert.ok(certificate.checkPrivateKey(key.privateKey))
  assert.ok(!certificate.ca)
  assert.equal(certificate.checkHost('myapp.localhost'), 'myapp.localhost')
  assert.equal(certificate.checkHost('other.localhost'), undefined)
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'])
})

test('a name that is longer than a common name may be stands in the alternative names alone', () => {
  const name = `${'a'.repeat(63)}.localhost`
  const certificate = leaf(name)
  assert.equal(certificate.checkHost(name), name)
  assert.equal(certificate.subject, undefined)
})

test('the certificate for localhost holds for loopback addresses', () => {
  const certificate = leaf('localhost')
  assert.equal(certificate.subjectAltName, 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
})

test('it is valid from yesterday until the second it was made for, also after 2050', () => {
  for (const end of ['2049-12-31T23:59:59Z', '2050-01-01T00:00:00Z', '2063-07-05T01:02:03Z']) {
    const certificate = leaf('localhost', new Date(end))
    assert.equal(certificate.validToDate.getTime(), Date.parse(end))
    assert.ok(certificate.validFromDate.getTime() < Date.now() - 23 * 3_600_000)
  }
})

test('serial numbers are random and positive', () => {
  const serials = new Set(Array.from({ length: 50 }, () => leaf('localhost').serialNumber))
  assert.equal(serials.size, 50)
  for (const serial of serials) assert.match(serial, /^[0-9A-F]{16,32}$/)
})
