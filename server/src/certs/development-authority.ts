// The development authority: made once in the data directory, then vouches for names below localhost.
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, systemCodeOf } from '../failure.ts'
import { type Authority, authorityCertificate } from './certificate.ts'

const NAME = 'pbt development CA'
const CERTIFICATE_FILE = 'dev-ca.pem'
const KEY_FILE = 'dev-ca-key.pem'

/** Owners put it into their browsers by hand, so it should not end soon. */
const YEARS = 10

/** Signs certificates for development. Its private key is a file in the data directory. */
export interface DevelopmentAuthority extends Authority {
  /** The file of its certificate, for `--ca` and browsers. */
  readonly file: string
  /** The certificate in PEM. */
  readonly pem: string
}

/**
 * The authority of this data directory, made when there is none. A key without its certificate gets a new certificate,
 * which is as good to clients that have the old one; a certificate without its key is a Failure `certificate`.
 */
export function openDevelopmentAuthority(dataDir: string): DevelopmentAuthority {
  const file = join(dataDir, CERTIFICATE_FILE)
  const keyFile = join(dataDir, KEY_FILE)
  try {
    const hasKey = existsSync(keyFile)
    if (existsSync(file) && !hasKey) throw new Error('its key is missing')
    const privateKey = hasKey ? createPrivateKey(readFileSync(keyFile)) : makeKey(keyFile)
    const authority = { name: NAME, privateKey, publicKey: createPublicKey(privateKey) }
    if (!existsSync(file)) writeFileSync(file, authorityCertificate(authority, inYears()), { mode: 0o600 })
    const pem = readFileSync(file, 'utf8')
    check(new X509Certificate(pem), authority)
    return { ...authority, file, pem }
  } catch (cause) {
    const why = systemCodeOf(cause) || (cause instanceof Error ? cause.message : String(cause))
    throw new Failure('certificate', `the development certificate authority ${file} cannot be used (${why})`, {
      cure: `delete ${file} and ${keyFile}: the next start makes new ones; give the new certificate to every client`,
      cause,
    })
  }
}

function makeKey(file: string) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' })
  return privateKey
}

function check(certificate: X509Certificate, { privateKey }: Authority): void {
  if (!certificate.checkPrivateKey(privateKey)) throw new Error('certificate and key do not match')
  if (certificate.validToDate.getTime() < Date.now()) throw new Error(`it expired on ${certificate.validTo}`)
}

function inYears(): Date {
  const date = new Date()
  date.setUTCFullYear(date.getUTCFullYear() + YEARS)
  return date
}
