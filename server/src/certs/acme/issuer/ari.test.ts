import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { authorityCertificate, leafCertificate } from '../../certificate.ts'
import { ariIdOf } from './ari.ts'

/** The example of RFC 9773, 4.1: its serial number begins with a zero, since it would be negative. */
const EXAMPLE = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
`

test('the identifier of a certificate is that of the RFC', () => {
  assert.equal(ariIdOf(EXAMPLE), 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE')
})

test('it is that of the first certificate of a chain, and one without its issuer’s key has none', () => {
  const authority = { name: 'a', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const inAnHour = new Date(Date.now() + 3_600_000)
  const leaf = leafCertificate(authority, 'localhost', publicKey, inAnHour)
  assert.match(ariIdOf(`${leaf}${EXAMPLE}`), /^[\w-]{27}\.[\w-]{20,24}$/)
  assert.throws(() => ariIdOf(authorityCertificate(authority, inAnHour)), { code: 'certificate' })
  assert.throws(() => ariIdOf('nonsense'))
})
