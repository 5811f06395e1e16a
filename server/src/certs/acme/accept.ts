// Whether what the CA has sent can be used: judged before it is kept, so that nothing worse than before is ever served.
import { createPrivateKey, X509Certificate } from 'node:crypto'

const PEM = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g
/** Longer ones are nobody's. */
const MAX_CHAIN = 8
/** Clocks differ: the CA's may be ahead of ours. */
const AHEAD_MS = 5 * 60_000

/** The life of a certificate that can be used. */
export interface Accepted {
  readonly notBefore: Date
  readonly notAfter: Date
}

/** Throws an Error that says what is wrong with the chain: key, names, dates, or one link of it. */
export function acceptChain(chain: string, key: string, names: readonly string[], now: number): Accepted {
  const certificates = parsed(chain)
  const [leaf] = certificates
  if (leaf === undefined) throw new Error('the CA sent no certificate')
  if (certificates.length > MAX_CHAIN) throw new Error(`the chain has ${certificates.length} certificates`)
  if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error('the certificate belongs to another key')
  const there = namesOf(leaf)
  const missing = names.filter(name => !there.includes(name))
  if (missing.length > 0) throw new Error(`the certificate does not cover ${missing.join(', ')}`)
  if (leaf.validToDate.getTime() <= now) throw new Error(`the certificate ended on ${leaf.validTo}`)
  if (leaf.validFromDate.getTime() > now + AHEAD_MS) {
    throw new Error(`the certificate is valid only from ${leaf.validFrom}; is this machine's clock right?`)
  }
  checkLinks(certificates)
  return { notBefore: leaf.validFromDate, notAfter: leaf.validToDate }
}

/** The DNS names of a certificate, lower-case. */
export function namesOf({ subjectAltName = '' }: X509Certificate): string[] {
  return subjectAltName
    .split(', ')
    .filter(name => name.startsWith('DNS:'))
    .map(name => name.slice(4).toLowerCase())
}

function parsed(chain: string): X509Certificate[] {
  try {
    return [...chain.matchAll(PEM)].map(([pem]) => new X509Certificate(pem))
  } catch (cause) {
    throw new Error('the CA sent something that is no certificate', { cause })
  }
}

/** Each is signed by the one after it. */
function checkLinks(certificates: readonly X509Certificate[]): void {
  for (const [index, certificate] of certificates.entries()) {
    const issuer = certificates[index + 1]
    if (issuer === undefined) break
    if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) {
      throw new Error(`the chain is broken: "${oneLine(certificate.subject)}" is not from "${oneLine(issuer.subject)}"`)
    }
  }
  const [leaf] = certificates
  if (certificates.length === 1 && leaf?.checkIssued(leaf) === true) throw new Error('the certificate is self-signed')
}

function oneLine(subject: string | undefined): string {
  return (subject ?? '').replaceAll('\n', ' ')
}
