// A certificate for the API of a CA that tests run on this machine, and the authority that vouches for it.
import { generateKeyPairSync } from 'node:crypto'
import { authorityCertificate, leafCertificate } from '../../../src/certs/certificate.ts'

/** All in PEM. */
export interface ApiCertificate {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

const DAY_MS = 86_400_000

/** For localhost and the loopback addresses. */
export function apiCertificate(): ApiCertificate {
  const authority = { name: 'API of a test CA', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const notAfter = new Date(Date.now() + DAY_MS)
  return {
    ca: authorityCertificate(authority, notAfter),
    cert: leafCertificate(authority, 'localhost', own.publicKey, notAfter),
    key: own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}
