// A certificate for the API of a CA that tests run on this machine, and the authority that vouches for it.
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { authorityCertificate, leafCertificate } from '../../../src/certs/certificate.ts'

/** All in PEM. */
export interface ApiCertificate {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

const DAY_MS = 86_400_000

/** For that name; localhost has the loopback addresses too. */
export function apiCertificate(name = 'localhost'): ApiCertificate {
  if (name !== 'localhost') return signedByItself(name)
  const authority = { name: 'API of a test CA', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const notAfter = new Date(Date.now() + DAY_MS)
  return {
    ca: authorityCertificate(authority, notAfter),
    cert: leafCertificate(authority, name, own.publicKey, notAfter),
    key: own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** The development authority may vouch for localhost alone. */
function signedByItself(name: string): ApiCertificate {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', '-', '-nodes']
  const args = ['req', '-x509', ...key, '-days', '30', '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
  const pem = execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const cert = pem.slice(pem.indexOf('-----BEGIN CERTIFICATE'))
  return { ca: cert, cert, key: pem.slice(0, pem.indexOf('-----BEGIN CERTIFICATE')) }
}
