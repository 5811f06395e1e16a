// Takes secrets out of what is about to be logged.

/** Fields that are secret whatever they hold. */
const SECRET_FIELDS = new Set(['token', 'authorization', 'cookie', 'set-cookie', 'secret', 'passcode'])

/** A token wherever it stands in a text. */
const TOKEN = /pbt_[A-Za-z0-9_-]{20,}/g

/** How deep fields are looked at; what lies deeper is left out. */
const MAX_DEPTH = 4

const REDACTED = '[redacted]'

/** The value of a field as it may be written. Errors become their message, code, stack and cause. */
export function redact(name: string, value: unknown, depth = 0): unknown {
  if (SECRET_FIELDS.has(name.toLowerCase())) return REDACTED
  if (typeof value === 'string') return redactText(value)
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
    message: redactText(error.message),
    ...('code' in error ? { code: error.code } : {}),
    ...(error.stack === undefined ? {} : { stack: redactText(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: redact('cause', error.cause, depth + 1) }),
  }
}
