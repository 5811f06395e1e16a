// Opens the sources of certificates that the settings name, in the order in which they are asked.
import { type Config, DEVELOPMENT_DOMAIN } from '../config/config.ts'
import { Failure } from '../failure.ts'
import type { Log } from '../observe/log.ts'
import type { Keyring } from '../relay/keyring.ts'
import { openDevelopmentAuthority } from './development-authority.ts'
import { DevelopmentSource } from './development-source.ts'
import { FileSource } from './file-source.ts'
import { SourceChain } from './source-chain.ts'

/** The settings that decide where certificates come from. */
export type CertificateSettings = Pick<Config, 'baseDomain' | 'dataDir' | 'tlsCert' | 'tlsKey'>

/** The caller closes `keyring`, which ends the watching of files. */
export interface OpenCertificates {
  readonly keyring: SourceChain
  /** The file of the development authority, when there is one. */
  readonly authorityFile: string | undefined
}

/** `changed`: others are served from now on. Throws Failure `certificate` when clients could not connect. */
export function openCertificates(config: CertificateSettings, log: Log, changed: () => void): OpenCertificates {
  const { baseDomain, dataDir, tlsCert, tlsKey } = config
  const files = tlsCert.map((certificate, index) => ({ certificate, key: tlsKey[index] ?? '' }))
  const fileSource = new FileSource({ files, baseDomain, log, changed })
  const isDevelopment = baseDomain === DEVELOPMENT_DOMAIN && !hasLink(fileSource, baseDomain)
  const authority = isDevelopment ? openDevelopmentAuthority(dataDir) : undefined
  const keyring = new SourceChain([fileSource, ...(authority === undefined ? [] : [new DevelopmentSource(authority)])])
  if (!hasLink(keyring, baseDomain)) {
    keyring.close()
    throw withoutLink(fileSource, baseDomain)
  }
  return { keyring, authorityFile: authority?.file }
}

function hasLink(keyring: Keyring, baseDomain: string): boolean {
  const link = `link.${baseDomain}`
  return keyring.covers(link, link)
}

/** Without it no client can connect. */
function withoutLink({ faults, names }: FileSource, baseDomain: string): Failure {
  const there = names.length === 0 ? 'there is none' : `there is: ${names.join('; ')}`
  const found = [`no certificate covers link.${baseDomain}, which clients connect to (${there})`, ...faults]
  return new Failure('certificate', found.join('\n  '), {
    cure: `name a valid certificate chain in PEM for ${baseDomain} and *.${baseDomain} with tls-cert, and its own key with tls-key`,
  })
}
