// Opens the sources of certificates that the settings name, in the order in which they are asked.
import { type Config, DEVELOPMENT_DOMAIN } from '../config/config.ts'
import { Failure } from '../failure.ts'
import type { Log } from '../observe/log.ts'
import type { Keyring } from '../relay/keyring.ts'
import { KeyFiles } from './acme/key-files.ts'
import { AcmeSource } from './acme/source.ts'
import { openDevelopmentAuthority } from './development-authority.ts'
import { DevelopmentSource } from './development-source.ts'
import { FileSource } from './file-source.ts'
import { SourceChain } from './source-chain.ts'

/** The settings that decide where certificates come from. */
export type CertificateSettings = Pick<Config, 'baseDomain' | 'dataDir' | 'tlsCert' | 'tlsKey' | 'acmeDirectory'>

/** The caller closes `keyring`, which ends the watching of files. */
export interface OpenCertificates {
  readonly keyring: SourceChain
  /** The file of the development authority, when there is one. */
  readonly authorityFile: string | undefined
  /** Of certificates that come by themselves, empty as yet, and their keys; undefined: none do. */
  readonly automatic: { readonly source: AcmeSource; readonly keys: KeyFiles } | undefined
  /** Whether the owner's files cover a name; for `*.` any name that the star stands for. */
  readonly hasOwn: (name: string) => boolean
}

/** `changed`: others are served from now on. Throws Failure `certificate` when clients could not connect. */
export function openCertificates(config: CertificateSettings, log: Log, changed: () => void): OpenCertificates {
  const { baseDomain, dataDir, tlsCert, tlsKey } = config
  const files = tlsCert.map((certificate, index) => ({ certificate, key: tlsKey[index] ?? '' }))
  const fileSource = new FileSource({ files, baseDomain, log, changed })
  const isDevelopment = baseDomain === DEVELOPMENT_DOMAIN && !hasLink(fileSource, baseDomain)
  const authority = isDevelopment ? openDevelopmentAuthority(dataDir) : undefined
  const automatic = config.acmeDirectory === '' ? undefined : openAutomatic(config, log)
  const keyring = new SourceChain([
    fileSource,
    ...(automatic === undefined ? [] : [automatic.source]),
    ...(authority === undefined ? [] : [new DevelopmentSource(authority)]),
  ])
  // What comes by itself need not be there at a start: the CA may be away, and comes back.
  if (automatic === undefined && !hasLink(keyring, baseDomain)) {
    keyring.close()
    throw withoutLink(fileSource, baseDomain)
  }
  const hasOwn = (name: string) => {
    const host = name.startsWith('*.') ? `any${name.slice(1)}` : name
    return fileSource.covers(host, host)
  }
  return { keyring, authorityFile: authority?.file, automatic, hasOwn }
}

function openAutomatic({ baseDomain, dataDir }: CertificateSettings, log: Log) {
  const keys = new KeyFiles(dataDir)
  return { keys, source: new AcmeSource({ keys, baseDomain, log, now: Date.now }) }
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
