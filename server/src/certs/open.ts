// Chooses where the certificates come from: the owner's files when there are any, otherwise the development authority.
import type { Config } from '../config.ts'
import type { Log } from '../observe/log.ts'
import { openDevelopmentAuthority } from './development-authority.ts'
import { DevelopmentKeyring } from './development-keyring.ts'
import { FileKeyring } from './file-keyring.ts'
import type { Keyring } from './keyring.ts'

/** Throws Failure `certificate`. */
export function openKeyring(config: Config, log: Log): Keyring {
  if (config.tlsCert.length === 0) return new DevelopmentKeyring(openDevelopmentAuthority(config.dataDir))
  const files = config.tlsCert.map((certificate, index) => ({ certificate, key: config.tlsKey[index] ?? '' }))
  return new FileKeyring(files, config.baseDomain, log)
}
