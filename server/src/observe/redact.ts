// Takes secrets out of what is about to be logged, and cuts what is long: a part of it may be a stranger's words.

/** Fields that are secret whatever they hold. */
const SECRET_FIELDS = new Set(['token', 'authorization', 'cookie', 'set-cookie', 'secret', 'passcode'])

/** A token wherever it stands in a text. */
const TOKEN = /pbt_[A-Za-z0-9_-]{20,}/g

/** How deep fields are looked at; what lies deeper is left out. */
const MAX_DEPTH = 4

const REDACTED = '[redacted]'

/** Of a text, as much as the access log keeps; of errors, whose texts are the programs' own, enough for a stack. */
const MAX_CHARS = 300
const MAX_ERROR_CHARS = 4_000
const ERROR_FIELDS = new Set(['error', 'cause', 'stack'])
/** A token at the cut is taken out whole. */
const LONGEST_TOKEN = 200

/** The value of a field as it may be written. Errors become their message, code, stack and cause. */
export function redact(name: string, value: unknown, depth = 0): unknown {
  if (SECRET_FIELDS.has(name.toLowerCase())) return REDACTED
  if (typeof value === 'string') return shortened(value, ERROR_FIELDS.has(name) ? MAX_ERROR_CHARS : MAX_CHARS)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (depth === MAX_DEPTH) return '[deeper]'
  if (value instanceof Error) return redactError(value, depth)
  if (Array.isArray(value)) return value.map(item => redact('', item, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redact(key, item, depth + 1)]))
}

/** The text with every token taken out. */
export function redactText(text: string): string {
  return text.replace(TOKEN, `pbt_${REDACTED}`)
}

function redactError(error: Error, depth: number): unknown {
  return {
    message: shortened(error.message, MAX_ERROR_CHARS),
    ...('code' in error ? { code: error.code } : {}),
    ...(error.stack === undefined ? {} : { stack: shortened(error.stack, MAX_ERROR_CHARS) }),
    ...(error.cause === undefined ? {} : { cause: redact('cause', error.cause, depth + 1) }),
  }
}

function shortened(text: string, chars: number): string {
  const safe = redactText(text.slice(0, chars + LONGEST_TOKEN))
  return safe.length <= chars ? safe : `${safe.slice(0, chars - 1)}…`
}
