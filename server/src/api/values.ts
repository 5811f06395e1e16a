// Values of requests as verbs take them; all that is wrong with a request is told at once.

import { type Duration, durationMs, type Timestamp, timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt'
import { Code } from '@connectrpc/connect'
import { PbtError } from '@pbt/proto'
import { Failure } from '../failure.ts'
import { apiError, type Violation } from './errors.ts'

/** Gathers what is wrong with a request. */
export class Violations {
  private readonly found: Violation[] = []

  /** What `read` returns, or undefined, and then its error is a violation of this field. */
  read<T>(field: string, read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof Failure) && !(error instanceof PbtError)) throw error
      this.add(field, error.cure === '' ? error.message : `${error.message}; ${error.cure}`)
      return undefined
    }
  }

  add(field: string, description: string): void {
    this.found.push({ field, description })
  }

  /** Throws when anything is wrong. */
  check(): void {
    const [first] = this.found
    if (first === undefined) return
    const more = this.found.length > 1 ? ` (and ${this.found.length - 1} more)` : ''
    throw apiError(Code.InvalidArgument, `${first.field}: ${first.description}${more}`, {
      reason: 'usage',
      cure: '',
      violations: this.found,
    })
  }
}

/** A text that has to be there. Throws the violation. */
export function textOf(field: string, value: string): string {
  if (value.trim() !== '') return value
  const wrong = new Violations()
  wrong.add(field, 'it is empty')
  wrong.check()
  return value
}

/** How many rows a page has: 0 is `usual`, more than `most` is `most`, less than 0 is wrong. */
export function pageSizeOf(value: number, usual: number, most: number, field = 'page_size'): number {
  if (value >= 0) return value === 0 ? usual : Math.min(value, most)
  const wrong = new Violations()
  wrong.add(field, `it is ${value}; it must be 0 or more`)
  wrong.check()
  return usual
}

/** A page of what is all in memory: the rows after the one that the token names, and the token of the next page. */
export function pageOf<T>(
  all: readonly T[],
  { pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: string },
  keyOf: (row: T) => string,
): { rows: T[]; nextPageToken: string } {
  const size = pageSizeOf(pageSize, 200, 1_000)
  const after = pageToken === '' ? undefined : keyIn(pageToken)
  const from = after === undefined ? 0 : all.findIndex(row => keyOf(row) > after)
  const rows = from === -1 ? [] : all.slice(from, from + size)
  const last = rows.at(-1)
  const hasMore = from !== -1 && from + size < all.length
  return { rows, nextPageToken: hasMore && last !== undefined ? Buffer.from(keyOf(last)).toString('base64url') : '' }
}

function keyIn(pageToken: string): string {
  const key = Buffer.from(pageToken, 'base64url').toString()
  if (/^[A-Za-z0-9_-]{1,3000}$/.test(pageToken) && Buffer.from(key).toString('base64url') === pageToken) return key
  const wrong = new Violations()
  wrong.add('page_token', 'it is not a page token of this server; leave it out to start again')
  wrong.check()
  return key
}

/** For the message; nothing for no time. */
export function timeField(name: string, time: Date | undefined): { [name: string]: Timestamp } {
  return time === undefined ? {} : { [name]: timestampFromDate(time) }
}

/** A time that is a number of milliseconds that Date has. */
export function dateOf(field: string, time: Timestamp | undefined): Date | undefined {
  if (time === undefined) return undefined
  const date = timestampDate(time)
  if (!Number.isNaN(date.getTime())) return date
  const wrong = new Violations()
  wrong.add(field, 'it is not a time between the years 1 and 9999')
  wrong.check()
  return undefined
}

/** Milliseconds from `least` to `most`; undefined for none. */
export function millisecondsOf(
  field: string,
  duration: Duration | undefined,
  least: number,
  most: number,
): number | undefined {
  if (duration === undefined) return undefined
  const ms = durationMs(duration)
  if (ms >= least && ms <= most) return ms
  const wrong = new Violations()
  wrong.add(field, `it is ${ms / 1000} s; it must be from ${least / 1000} to ${most / 1000} s`)
  wrong.check()
  return undefined
}

/** To the microsecond; durationFromMs takes whole milliseconds, and of others makes what cannot be sent. */
export function durationOf(ms: number): { seconds: bigint; nanos: number } {
  const microseconds = Math.round(ms * 1_000)
  return { seconds: BigInt(Math.floor(microseconds / 1_000_000)), nanos: (microseconds % 1_000_000) * 1_000 }
}
