// What an ACME client signs (RFC 7515 as RFC 8555, 6.2 has it): ES256 by the account's key.
import { createHash, createHmac, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import type { AccountBinding } from '../types.ts'

/** The account's key, ready to sign. */
export interface Signer {
  /** Public half as RFC 7638 wants it for thumbprints: only what is needed, in the order of names. */
  readonly jwk: Readonly<Record<'crv' | 'kty' | 'x' | 'y', string>>
  /** A flattened JWS in JSON. `payload`: '' for POST-as-GET. */
  sign(header: Readonly<Record<string, unknown>>, payload: string): string
  /** What proves control for a token (RFC 8555, 8.1). */
  keyAuthorization(token: string): string
}

/** `pem`: P-256, PKCS#8. Throws what node:crypto throws for anything else. */
export function signerOf(pem: string): Signer {
  const key = createPrivateKey(pem)
  const jwk = publicJwk(key)
  const thumbprint = createHash('sha256').update(JSON.stringify(jwk)).digest('base64url')
  return {
    jwk,
    sign: (header, payload) => {
      const protectedPart = encoded(JSON.stringify({ alg: 'ES256', ...header }))
      const payloadPart = encoded(payload)
      const bytes = Buffer.from(`${protectedPart}.${payloadPart}`)
      const signature = sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
      return JSON.stringify({ protected: protectedPart, payload: payloadPart, signature })
    },
    keyAuthorization: token => `${token}.${thumbprint}`,
  }
}

/** The text of a TXT record that proves control (RFC 8555, 8.4). */
export function txtValueOf(keyAuthorization: string): string {
  return createHash('sha256').update(keyAuthorization).digest('base64url')
}

/** The external account's consent to this key (RFC 8555, 7.3.4). */
export function bindingOf({ kid, hmacKey }: AccountBinding, url: string, jwk: Signer['jwk']): unknown {
  const protectedPart = encoded(JSON.stringify({ alg: 'HS256', kid, url }))
  const payload = encoded(JSON.stringify(jwk))
  const hmac = createHmac('sha256', Buffer.from(hmacKey, 'base64url')).update(`${protectedPart}.${payload}`)
  return { protected: protectedPart, payload, signature: hmac.digest('base64url') }
}

function publicJwk(key: KeyObject): Signer['jwk'] {
  const { crv = '', kty = '', x = '', y = '' } = createPublicKey(key).export({ format: 'jwk' })
  if (crv !== 'P-256') throw new Error('not a P-256 key')
  return { crv, kty, x, y }
}

function encoded(text: string): string {
  return Buffer.from(text).toString('base64url')
}
