// Whether this machine's clock is right: certificates of a wrong one look not yet valid, or over.
import type { Check } from '../types.ts'
import { finding } from './place.ts'

/** Off by more is told; a CA's own answer may be old by a minute. */
const MAX_OFF_MS = 5 * 60_000
const MINUTE_MS = 60_000

/** What the CA says of itself and of the time. */
export interface CaView {
  /** Of the `Date` field; undefined when it has none that can be read. */
  readonly date: Date | undefined
  /** `meta.caaIdentities` of its directory (RFC 8555 section 7.1.1). */
  readonly identities: readonly string[]
}

/** `view` undefined: the CA did not answer. */
export function checkClock(view: CaView | undefined, now: Date): Check {
  const step = 'clock'
  if (view?.date === undefined) return finding(step, '', 'not-checked', 'the clock is not checked: the CA gave no time')
  const off = now.getTime() - view.date.getTime()
  if (Math.abs(off) <= MAX_OFF_MS) return finding(step, '', 'ok', 'the clock is right')
  const minutes = Math.round(Math.abs(off) / MINUTE_MS)
  const what = off < 0 ? 'slow: certificates would look not yet valid' : 'fast: certificates would look expired'
  return finding(step, '', 'failed', `this clock is ${minutes} minutes ${what}`, {
    cure: 'set it, and keep it right: sudo timedatectl set-ntp true',
  })
}
