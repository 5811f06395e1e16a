// What a CA answers, and how it is read: everything in it is a stranger's.

/** An answer over HTTP. */
export interface CaAnswer {
  readonly status: number
  /** Names in lower case; of several with one name all, with ', ' between. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A CA that would be left alone for longer is asked again all the same. */
const MAX_RETRY_AFTER_MS = 31 * 86_400_000

/** The Retry-After of an answer in ms from now (RFC 9110, 10.2.3: seconds, or a date); undefined: none that can be read. */
export function retryAfterOf({ headers }: Pick<CaAnswer, 'headers'>, now = Date.now()): number | undefined {
  const value = headers['retry-after'] ?? ''
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS)
}

/** An object out of JSON; undefined for anything else. */
export function objectIn(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return asObject(JSON.parse(body))
  } catch {
    return undefined
  }
}

/** The value when it is an object with names. */
export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject ? (value as Record<string, unknown>) : undefined
}

/** The value when it is text, else ''. */
export function asText(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
