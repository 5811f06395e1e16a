// What the CA says of itself: its time and its names for CAA, from its directory.
import { request } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { CaView } from './clock.ts'

/** How long it has, milliseconds. */
const ANSWER_MS = 8_000
const MAX_BYTES = 65_536
const MAX_IDENTITIES = 10

export interface CaPlace {
  readonly directory: string
  /** Undefined: the usual roots alone. */
  readonly secureContext: SecureContext | undefined
  /** The system's way by default. */
  readonly lookup?: LookupFunction | undefined
}

/** Undefined when it does not answer, or not in a way that can be read. Never rejects. */
export async function askCa(
  { directory, secureContext, lookup }: CaPlace,
  signal: AbortSignal,
): Promise<CaView | undefined> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)])
  const roots = secureContext === undefined ? {} : { secureContext }
  const way = lookup === undefined ? {} : { lookup }
  return await new Promise(resolve => {
    const none = () => resolve(undefined)
    const asking = request(directory, { ...roots, ...way, signal: bounded, agent: false }, response => {
      const date = new Date(response.headers.date ?? '')
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        if (text.length > MAX_BYTES) response.destroy()
      })
      response.on('error', none)
      response.on('close', () =>
        resolve({ date: Number.isNaN(date.getTime()) ? undefined : date, identities: identitiesIn(text) }),
      )
    })
    asking.on('error', none)
    asking.end()
  })
}

function identitiesIn(text: string): string[] {
  try {
    const directory: unknown = JSON.parse(text)
    const meta = field(directory, 'meta')
    const identities = field(meta, 'caaIdentities')
    if (!Array.isArray(identities)) return []
    return identities
      .filter(each => typeof each === 'string')
      .slice(0, MAX_IDENTITIES)
      .map(each => each.toLowerCase())
  } catch {
    return []
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value
    ? (value as Record<string, unknown>)[name]
    : undefined
}
