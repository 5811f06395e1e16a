// Speaks HTTPS to one CA and to nobody else, within limits of time and size.
import { type Agent, Agent as HttpsAgent, request } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { Trust } from '../trust.ts'
import type { Authority } from '../types.ts'
import type { CaAnswer } from './answer.ts'
import { Failed } from './failed.ts'

export interface CaRequest {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly url: string
  /** A JWS, for POST. */
  readonly body?: string
  /** What it is for, for people. */
  readonly stage: string
  readonly signal: AbortSignal
}

export interface TransportOptions {
  readonly authority: Authority
  readonly userAgent: string
  /** How names become addresses; the system's way by default. */
  readonly lookup?: LookupFunction | undefined
  /** From `rememberedTrust`. */
  readonly trust: Trust
}

/** Connections to one CA. */
export interface Transport {
  /** Rejects with Failed `unreachable` when there is no answer, or none within the limits; redirects are answers. */
  ask(request: CaRequest): Promise<CaAnswer>
  /** Lets the origin of this URL be spoken to as well; the URL as it is normalised. Throws Failed when it is not an https URL. */
  allow(url: string, stage: string): string
  close(): void
}

/** One request. */
const REQUEST_MS = 30_000
/** A directory has 1 KB, a chain 8. */
const MAX_BODY = 256 * 1024
/** Origins that a directory may name besides its own. */
const MAX_ORIGINS = 10

/** Nothing is sent until something is asked. */
export function openTransport({ authority, userAgent, lookup, trust }: TransportOptions): Transport {
  const secureContext = trust(authority.ca)
  const agent = new HttpsAgent({
    keepAlive: true,
    maxSockets: 2,
    ...(lookup === undefined ? {} : { lookup }),
    ...(secureContext === undefined ? {} : { secureContext }),
  })
  const origins = new Set<string>()
  const allow = (url: string, stage: string) => {
    const parsed = URL.canParse(url) ? new URL(url) : undefined
    if (parsed?.protocol !== 'https:')
      throw unreadable(stage, `the CA gave "${url.slice(0, 100)}" for an https address`)
    origins.add(parsed.origin)
    if (origins.size > MAX_ORIGINS) throw unreadable(stage, 'the CA spreads over too many hosts')
    return parsed.href
  }
  allow(authority.directory, 'directory')
  return {
    allow,
    ask: async asked => {
      const url = URL.canParse(asked.url) ? new URL(asked.url) : undefined
      if (url === undefined || !origins.has(url.origin)) {
        throw unreadable(asked.stage, `the CA led to "${asked.url.slice(0, 100)}", which its directory does not name`)
      }
      return await withSecondTry(() => exchange(agent, url, asked, userAgent))
    },
    close: () => agent.destroy(),
  }
}

function unreadable(stage: string, message: string): Failed {
  return new Failed({ code: 'unreachable', stage, message })
}

/** A kept connection that the CA has closed meanwhile is no failure of the CA. */
async function withSecondTry(run: () => Promise<CaAnswer>): Promise<CaAnswer> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof StaleConnection)) throw error
    return await run()
  }
}

class StaleConnection extends Failed {}

function exchange(agent: Agent, url: URL, asked: CaRequest, userAgent: string): Promise<CaAnswer> {
  const { method, body = '', stage } = asked
  const deadline = AbortSignal.timeout(REQUEST_MS)
  const headers = {
    accept: 'application/json, application/pem-certificate-chain;q=0.9, */*;q=0.1',
    'user-agent': userAgent,
    ...(method === 'POST'
      ? { 'content-type': 'application/jose+json', 'content-length': Buffer.byteLength(body) }
      : undefined),
  }
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent, method, headers, signal: AbortSignal.any([asked.signal, deadline]) })
    const failed = (error: Error & { code?: string }) => {
      const message = `${url.host}: ${deadline.aborted ? `no answer within ${REQUEST_MS / 1_000} s` : wordsFor(error)}`
      const isStale = outgoing.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
      const Kind = isStale ? StaleConnection : Failed
      reject(new Kind({ code: 'unreachable', stage, message }, error.code !== undefined && !UNTRUSTED.test(error.code)))
    }
    outgoing.once('error', failed)
    outgoing.once('response', incoming => {
      const chunks: Buffer[] = []
      let size = 0
      incoming.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > MAX_BODY) outgoing.destroy(new Error(`an answer of more than ${MAX_BODY / 1024} KiB`))
        else chunks.push(chunk)
      })
      incoming.once('error', failed)
      incoming.once('end', () => {
        const given = Object.entries(incoming.headersDistinct).map(([name, values = []]) => [name, values.join(', ')])
        const text = Buffer.concat(chunks).toString()
        resolve({ status: incoming.statusCode ?? 0, headers: Object.fromEntries(given), body: text })
      })
    })
    outgoing.end(body)
  })
}

const UNTRUSTED = /CERT|SIGNATURE|ISSUER|VERIFY/

function wordsFor(error: Error & { code?: string }): string {
  const code = error.code ?? ''
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `its name does not resolve (${code})`
  if (code === 'ECONNREFUSED') return 'refuses connections'
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'ended the connection before it had answered'
  if (UNTRUSTED.test(code)) return `its own certificate is not trusted (${code}); see acme-ca`
  return error.message
}
