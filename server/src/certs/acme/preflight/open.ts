// The preflight as the settings say.
import { readFileSync } from 'node:fs'
import { systemClock } from '@pbt/proto'
import type { Config } from '../../../config/config.ts'
import { rememberedTrust } from '../trust.ts'
import type { AskOutside, Preflight } from '../types.ts'
import { askCa } from './ca-view.ts'
import { lookupFor } from './lookup.ts'
import { openPreflight } from './preflight.ts'
import { rememberedView } from './remembered-view.ts'
import { worldFor } from './system-resolvers.ts'

export interface PreflightParts {
  readonly config: Pick<
    Config,
    | 'baseDomain'
    | 'publicAddress'
    | 'httpPort'
    | 'publicHttpPort'
    | 'dnsPort'
    | 'dnsResolver'
    | 'acmeDirectory'
    | 'acmeCa'
  >
  /** Names that lead here, for "did you mean". */
  readonly ownNames: () => readonly string[]
  /** The account's URL at the CA; '' when there is none yet, or it is not known. */
  readonly accountUrl: () => string
  /** Without a server that runs: nobody can be asked. */
  readonly askOutside?: AskOutside | undefined
}

/** Nothing is asked before a check. */
export function preflightOver({ config, ownNames, accountUrl, askOutside = nobody }: PreflightParts): Preflight {
  const { baseDomain, publicAddress, dnsPort, dnsResolver, acmeDirectory, acmeCa } = config
  const httpPort = config.publicHttpPort || config.httpPort
  const trust = rememberedTrust()
  return openPreflight({
    place: { baseDomain, publicAddresses: publicAddress, ownNames, httpPort, dnsPort },
    world: () => worldFor(dnsResolver),
    // Looks are made every few seconds while something is missing: no reason to ask the CA each time.
    askCa: rememberedView(async signal => {
      if (acmeDirectory === '') return undefined
      const secureContext = trust(textOf(acmeCa))
      return await askCa({ directory: acmeDirectory, secureContext, lookup: lookupFor(dnsResolver) }, signal)
    }, systemClock),
    accountUrl,
    askOutside,
    now: () => new Date(),
  })
}

const nobody: AskOutside = async () => undefined

/** A file that cannot be read is told by the order. */
function textOf(file: string): string {
  try {
    return file === '' ? '' : readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
