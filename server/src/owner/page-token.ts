// Where a search of the access log goes on, as its reader keeps it: opaque, good for that search only, also after a restart.
import { createHash } from 'node:crypto'
import type { RecordPosition, RecordQuery } from './record-search.ts'

const FORMAT = /^([A-Za-z0-9_-]{1,100})\.([A-Za-z0-9_-]{16})$/
const SEAL_CHARS = 16

/** What a search is for, without which page of it. */
type Search = Pick<RecordQuery, 'filter' | 'from' | 'to'>

/** A token for the page that goes on here. */
export function pageToken({ since, batch, index }: RecordPosition, search: Search): string {
  const place = Buffer.from([since, batch, index].map(number => number.toString(36)).join(',')).toString('base64url')
  return `${place}.${seal(place, search)}`
}

/** Undefined: it is no token, or one of another search. */
export function positionIn(token: string, search: Search): RecordPosition | undefined {
  const [, place = '', sealed] = FORMAT.exec(token) ?? []
  if (place === '' || sealed !== seal(place, search)) return undefined
  const numbers = Buffer.from(place, 'base64url').toString('latin1').split(',')
  const [since = -1, batch = -1, index = -1, ...more] = numbers.map(text => Number.parseInt(text, 36))
  const isSound =
    more.length === 0 && [since, batch, index].every(number => Number.isSafeInteger(number) && number >= 0)
  return isSound ? { since, batch, index } : undefined
}

/** No secret is in it: it tells a damaged token, and one of another search, whose pages would not fit together. */
function seal(place: string, { filter, from, to }: Search): string {
  const { tunnel, kinds = [], statuses = [], peer = '', text = '', hasReason = false } = filter
  const search = JSON.stringify([1, place, tunnel ?? null, [...kinds], [...statuses], peer, text, hasReason, from, to])
  return createHash('sha256').update(search).digest('base64url').slice(0, SEAL_CHARS)
}
