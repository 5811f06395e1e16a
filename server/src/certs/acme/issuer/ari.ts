// When the CA suggests to renew a certificate (RFC 9773).
import { X509Certificate } from 'node:crypto'
import { Failure } from '../../../failure.ts'
import type { RenewalInfo } from '../types.ts'
import { asObject, asText, type CaAnswer, objectIn, retryAfterOf } from './answer.ts'
import { fetchDirectory } from './directory.ts'
import { Failed, failedAt } from './failed.ts'
import { patiently } from './patience.ts'
import type { Transport } from './transport.ts'

/** What RFC 9773, 4.3.3 has as reasonable limits for the time until one asks again. */
const MIN_RETRY_MS = 60_000
const MAX_RETRY_MS = 86_400_000

const AUTHORITY_KEY_ID = Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x23])
const INTEGER = 0x02
const OCTET_STRING = 0x04
const KEY_IDENTIFIER = 0x80
const EXTENSIONS = 0xa3
const VERSION = 0xa0

/** Undefined: the CA has no ARI. Rejects with Failure when it should have answered and did not. */
export async function renewalInfo(
  transport: Transport,
  directoryUrl: string,
  chain: string,
  signal: AbortSignal,
): Promise<RenewalInfo | undefined> {
  const stage = 'renewalInfo'
  try {
    const directory = await fetchDirectory(transport, directoryUrl, signal)
    if (directory.renewalInfo === '') return undefined
    const url = `${directory.renewalInfo.replace(/\/$/, '')}/${ariIdOf(chain)}`
    return await patiently(signal, async () => {
      const answer = await transport.ask({ method: 'GET', url, stage, signal })
      if (answer.status !== 200) throw failedAt(stage, answer, [])
      return infoIn(answer)
    })
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    const cure = 'it is asked again later; until then the certificate is renewed by its age'
    throw new Failure('certificate', `no renewal information: ${error.message}`, { cure, cause: error })
  }
}

function infoIn(answer: CaAnswer): RenewalInfo {
  const given = objectIn(answer.body)
  const window = asObject(given?.suggestedWindow)
  const start = Date.parse(asText(window?.start))
  const end = Date.parse(asText(window?.end))
  if (!(start < end)) {
    throw new Failed({ code: 'unreachable', stage: 'renewalInfo', message: 'the CA suggests no time that can be read' })
  }
  const explanation = asText(given?.explanationURL)
  const retryAfterMs = retryAfterOf(answer)
  return {
    start,
    end,
    explanationUrl: /^https:\/\/[^\s\p{C}]{1,500}$/u.test(explanation) ? explanation : '',
    retryAfterMs: retryAfterMs === undefined ? undefined : Math.min(Math.max(retryAfterMs, MIN_RETRY_MS), MAX_RETRY_MS),
  }
}

/**
 * The certificate's identifier for ARI (RFC 9773, 4.1): the issuer's key identifier and the serial number. `chain`: PEM, leaf first.
 * Throws Failure for a certificate without a key identifier of its issuer.
 */
export function ariIdOf(chain: string): string {
  const { raw } = new X509Certificate(chain)
  const [toBeSigned] = parts(raw, content(raw, 0))
  const fields = toBeSigned === undefined ? [] : parts(raw, toBeSigned)
  const serial = fields.find(field => field.tag === INTEGER)
  const version = fields[0]?.tag === VERSION
  const [extensions] = fields.filter(field => field.tag === EXTENSIONS).flatMap(field => parts(raw, field))
  for (const extension of version && extensions !== undefined ? parts(raw, extensions) : []) {
    const [id, ...rest] = parts(raw, extension)
    const value = rest.find(part => part.tag === OCTET_STRING)
    if (id === undefined || value === undefined || !raw.subarray(id.at, id.end).equals(AUTHORITY_KEY_ID)) continue
    const key = parts(raw, content(raw, value.start)).find(part => part.tag === KEY_IDENTIFIER)
    if (key === undefined || serial === undefined) break
    const text = (part: Part) => raw.subarray(part.start, part.end).toString('base64url')
    return `${text(key)}.${text(serial)}`
  }
  throw new Failure('certificate', 'the certificate does not name the key of its issuer', { cure: 'order a new one' })
}

interface Part {
  readonly tag: number
  /** Of tag, content and what follows. */
  readonly at: number
  readonly start: number
  readonly end: number
}

/** The value in DER at this place. Node has parsed the certificate before, so lengths fit; a wrong one ends in a RangeError. */
function content(der: Buffer, at: number): Part {
  const tag = der.readUInt8(at)
  const short = der.readUInt8(at + 1)
  const size = short < 0x80 ? 0 : short & 0x7f
  const length = size === 0 ? short : der.readUIntBE(at + 2, size)
  const start = at + 2 + size
  return { tag, at, start, end: start + length }
}

/** The values within one. */
function parts(der: Buffer, { start, end }: Part): Part[] {
  const found: Part[] = []
  for (let at = start; at < end; at = found.at(-1)?.end ?? end) found.push(content(der, at))
  return found
}
