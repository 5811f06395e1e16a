// The owner's certificate files: whether they can be read and used, what they cover, and how long.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { systemCodeOf } from '../failure.ts'
import { type Finding, failed, ok } from './finding.ts'

const DAY_MS = 86_400_000
/** As the server's own warning in its log. */
const SOON_MS = 14 * DAY_MS

/** Whose certificates, and now. */
export interface CertificateOptions {
  readonly baseDomain: string
  readonly tlsCert: readonly string[]
  readonly tlsKey: readonly string[]
  /** Milliseconds. */
  readonly now: number
}

/** None without files. Never throws. */
export function checkCertificates({ baseDomain, tlsCert, tlsKey, now }: CertificateOptions): readonly Finding[] {
  if (tlsCert.length === 0) return []
  const read = tlsCert.map((file, index) => oneCertificate(file, tlsKey[index] ?? '', now))
  const certificates = read.flatMap(({ certificate }) => certificate ?? [])
  const missing = [`link.${baseDomain}`, `any.${baseDomain}`].filter(
    host =>
      !certificates.some(each => each.checkHost(host, { subject: 'never', partialWildcards: false }) !== undefined),
  )
  const step = 'names of the certificates'
  const covered =
    missing.length === 0
      ? ok(step, `they cover *.${baseDomain}`)
      : failed(
          step,
          `none covers ${missing[0]}, so no client can connect`,
          `get a certificate for *.${baseDomain} and list it in tls-cert`,
        )
  return [...read.map(({ finding }) => finding), covered]
}

function oneCertificate(
  file: string,
  keyFile: string,
  now: number,
): { finding: Finding; certificate?: X509Certificate } {
  const step = `certificate ${file}`
  try {
    const certificate = new X509Certificate(readFileSync(file))
    if (!certificate.checkPrivateKey(createPrivateKey(readFileSync(keyFile)))) {
      return {
        finding: failed(step, `${keyFile} is the key of another certificate`, 'list the keys in the order of tls-cert'),
      }
    }
    const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()]
    const names = (certificate.subjectAltName ?? 'no name').replaceAll('DNS:', '')
    if (to < now)
      return {
        finding: failed(step, `it ended on ${certificate.validTo} (${names})`, 'renew it and copy it over the old one'),
      }
    if (from > now) {
      return {
        finding: failed(
          step,
          `it begins only on ${certificate.validFrom}`,
          'look at the clock of this machine: "timedatectl"',
        ),
      }
    }
    const days = Math.floor((to - now) / DAY_MS)
    if (to - now < SOON_MS)
      return {
        finding: failed(step, `it ends in ${days} days (${names})`, 'renew it and copy it over the old one'),
        certificate,
      }
    return { finding: ok(step, `${names}, for ${days} more days`), certificate }
  } catch (error) {
    const why = systemCodeOf(error) || (error instanceof Error ? error.message : String(error))
    const cure = `PEM files that the user pbt-server may read: sudo chgrp pbt-server ${file} ${keyFile}; sudo chmod 0640 ${file} ${keyFile}`
    return { finding: failed(step, `it cannot be used: ${why}`, cure) }
  }
}
