// What holds for the fields of requests and answers alike: what Connection takes away, and what no trailer may be.
import type { HeaderList } from '@pbt/proto'

/** Fields that Connection may not take away: they decide where a request goes and where it ends. */
const KEPT_FROM_CONNECTION = new Set(['host', 'content-length', 'content-type', 'authorization', 'cookie', 'expect'])

/** Adds the names that a Connection field takes away to those `named` so far; undefined for none (RFC 9110 section 7.6.1). */
export function connectionNames(value: string, named: Set<string> | undefined): Set<string> | undefined {
  const lower = value.toLowerCase()
  if (lower === 'keep-alive' || lower === 'close' || lower === 'upgrade') return named
  const names = named ?? new Set<string>()
  for (const name of lower.split(',')) {
    const trimmed = name.trim()
    if (!KEPT_FROM_CONNECTION.has(trimmed)) names.add(trimmed)
  }
  return names
}

/** The fields without those that Connection named. */
export function without(headers: HeaderList, names: ReadonlySet<string>): HeaderList {
  const kept: HeaderList = []
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? ''
    if (!names.has(name.toLowerCase()) || name.toLowerCase() === 'te') kept.push(name, headers[index + 1] ?? '')
  }
  return kept
}

/** Not behind a body, either way: they change how a message is read, or who asks (RFC 9110 section 6.5.1). */
export const NO_TRAILERS: ReadonlySet<string> = new Set([
  'content-length',
  'content-encoding',
  'content-type',
  'content-range',
  'host',
  'authorization',
  'cookie',
  'set-cookie',
  'cache-control',
])
