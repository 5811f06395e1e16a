// Times for people: the browser's zone, 24 hours; seconds in logs only.
import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt'
import { figure } from './number.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Milliseconds since 1970; undefined where there is no time. */
export function millis(time: Timestamp | undefined): number | undefined {
  return time === undefined ? undefined : Number(time.seconds) * 1_000 + Math.floor(time.nanos / 1e6)
}

/** Milliseconds; 0 for none. */
export function lengthOf(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds) * 1_000 + duration.nanos / 1e6
}

/** 14:32 */
export function clock(at: number): string {
  const time = new Date(at)
  return `${two(time.getHours())}:${two(time.getMinutes())}`
}

/** 14:32:06 */
export function clockWithSeconds(at: number): string {
  return `${clock(at)}:${two(new Date(at).getSeconds())}`
}

/** 27 November, with the year when it is another one. */
export function day(at: number, now = Date.now()): string {
  const isThisYear = new Date(at).getFullYear() === new Date(now).getFullYear()
  return new Date(at).toLocaleDateString('en-GB', {
    day: 'numeric',
    month: isThisYear ? 'long' : 'short',
    ...(isThisYear ? {} : { year: 'numeric' as const }),
  })
}

/** 14:32, yesterday 22:10, tomorrow 14:30, 3 November 09:12. */
export function moment(at: number, now = Date.now()): string {
  const days = Math.round((midnight(at) - midnight(now)) / DAY)
  if (days === 0) return clock(at)
  if (days === -1) return `yesterday ${clock(at)}`
  if (days === 1) return `tomorrow ${clock(at)}`
  return `${day(at, now)} ${clock(at)}`
}

/** For how long: 6 s, 12 min, 3 h 34 min, 4 days. */
export function howLong(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < MINUTE) return `${Math.floor(ms / 1_000)} s`
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`
  if (ms < DAY) {
    const minutes = Math.floor((ms % HOUR) / MINUTE)
    return minutes === 0 ? `${Math.floor(ms / HOUR)} h` : `${Math.floor(ms / HOUR)} h ${minutes} min`
  }
  return counted(Math.floor(ms / DAY), 'day')
}

/** 1 visitor, 3 visitors, no visitors. */
export function counted(count: number | bigint, one: string, many = `${one}s`): string {
  return `${figure(count)} ${Number(count) === 1 ? one : many}`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}

function midnight(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0)
}

/** Within a sentence: "at 14:32", "yesterday 22:10". */
export function atMoment(at: number, now = Date.now()): string {
  const words = moment(at, now)
  return /^\d\d:/.test(words) ? `at ${words}` : words
}
