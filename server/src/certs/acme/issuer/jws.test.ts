import assert from 'node:assert/strict'
import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { test } from 'node:test'
import { signerOf, txtValueOf } from './jws.ts'

const pem = (namedCurve: string) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

test('a signature is that of RFC 7515, over header and payload', () => {
  const key = pem('P-256')
  const {
    protected: header,
    payload,
    signature,
  } = JSON.parse(signerOf(key).sign({ url: 'https://x/', nonce: 'n' }, '{}'))
  const of = (text: string) => Buffer.from(text, 'base64url')
  assert.deepEqual(JSON.parse(of(header).toString()), { alg: 'ES256', url: 'https://x/', nonce: 'n' })
  assert.equal(of(payload).toString(), '{}')
  assert.equal(of(signature).length, 64)
  const publicKey = createPublicKey(key)
  const bytes = Buffer.from(`${header}.${payload}`)
  assert.ok(verify('sha256', bytes, { key: publicKey, dsaEncoding: 'ieee-p1363' }, of(signature)))
})

test('what proves control is the token and the thumbprint of RFC 7638, and its hash in DNS', () => {
  const signer = signerOf(pem('P-256'))
  const { x, y } = signer.jwk
  const thumbprint = createHash('sha256').update(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`).digest('base64url')
  assert.equal(signer.keyAuthorization('token'), `token.${thumbprint}`)
  assert.match(txtValueOf(signer.keyAuthorization('token')), /^[\w-]{43}$/)
})

test('another kind of key is refused', () => {
  assert.throws(() => signerOf(pem('P-384')), /not a P-256 key/)
  assert.throws(() => signerOf('nonsense'))
})
