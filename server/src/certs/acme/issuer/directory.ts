// A CA's directory (RFC 8555, 7.1.1), with what newer documents add: profiles, and where renewal is suggested (RFC 9773).
import { asObject, asText, objectIn } from './answer.ts'
import { Failed, failedAt } from './failed.ts'
import { patiently } from './patience.ts'
import type { Transport } from './transport.ts'

/** Where a CA does what. */
export interface Directory {
  readonly newNonce: string
  readonly newAccount: string
  readonly newOrder: string
  /** '' for none. */
  readonly renewalInfo: string
  /** Names of the profiles that may be asked for. */
  readonly profiles: readonly string[]
}

const STAGE = 'directory'

/** Asks for it, again when it does not come at once. Its hosts may be spoken to from then on. Rejects with Failed. */
export async function fetchDirectory(transport: Transport, url: string, signal: AbortSignal): Promise<Directory> {
  return await patiently(signal, async () => {
    const answer = await transport.ask({ method: 'GET', url, stage: STAGE, signal })
    if (answer.status !== 200) throw failedAt(STAGE, answer, [])
    return directoryIn(answer.body, transport)
  })
}

function directoryIn(body: string, transport: Transport): Directory {
  const given = objectIn(body)
  const place = (name: string) => {
    const url = asText(given?.[name])
    if (url === '') {
      const message = `what the CA gave for its directory has no "${name}"`
      throw new Failed({ code: 'unreachable', stage: STAGE, message })
    }
    return transport.allow(url, STAGE)
  }
  return {
    newNonce: place('newNonce'),
    newAccount: place('newAccount'),
    newOrder: place('newOrder'),
    renewalInfo: given?.renewalInfo === undefined ? '' : place('renewalInfo'),
    profiles: Object.keys(asObject(asObject(given?.meta)?.profiles) ?? {}),
  }
}
