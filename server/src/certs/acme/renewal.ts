// When a certificate is renewed, and when what failed is tried again: arithmetic alone. Times in Unix ms.
import type { RenewalInfo } from './types.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 3_600_000

/** Shorter lives than this are renewed at half of them, longer ones when a third is left. */
const SHORT_LIFE_MS = 10 * DAY_MS
/** Renewals by life are spread over this part of it, so that certificates of one day are not all renewed in one minute. */
const SPREAD = 0.02

/** After a refused order: these, then daily. */
const BACK_OFF_MS = [MINUTE_MS, 10 * MINUTE_MS, 100 * MINUTE_MS]
/** At most this much longer, so that servers that failed together do not come back together. */
const JITTER = 0.1
/** Nothing is put off for longer, Retry-After included: what lies further ahead was written while the clock was wrong. */
const FAR_MS = 40 * DAY_MS

/** Looks at DNS cost the CA nothing: quick while the owner is likely to be at it, then seldom. */
const LOOKS: readonly (readonly [count: number, ms: number])[] = [
  [30, 10_000],
  [60, MINUTE_MS],
  [150, 10 * MINUTE_MS],
]
const LATER_LOOK_MS = 60 * MINUTE_MS

/** How often the CA is asked for its suggestion (RFC 9773, 4.3): twice a day. */
const ASK_MS = DAY_MS / 2
const LEAST_ASK_MS = MINUTE_MS
/** Asking failed: again in an hour. */
export const ASK_AGAIN_MS = 60 * MINUTE_MS

/** From 0 to 1, as Math.random. */
export type Random = () => number

/** By its life alone: when a third of it is left, half below ten days. */
export function renewsAt(notBefore: number, notAfter: number, random: Random): number {
  const life = notAfter - notBefore
  const left = life < SHORT_LIFE_MS ? life / 2 : life / 3
  return Math.round(notAfter - left - life * SPREAD * random())
}

/**
 * A time for a renewal that does no harm, whatever the CA says: not at once again and again, and not when the certificate has all but ended.
 */
export function renewalWithin(at: number, life: { readonly notBefore: Date; readonly notAfter: Date }, now: number) {
  const [from, until] = [life.notBefore.getTime(), life.notAfter.getTime()]
  const soonest = now + Math.min(60 * MINUTE_MS, (until - from) / 1_000)
  return Math.round(Math.max(soonest, Math.min(at, until - (until - from) / 10)))
}

/** A time that was kept, in Unix ms; 0 when there is none, or none that can be right. */
export function keptTime(at: Date | undefined, now: number): number {
  const time = at?.getTime() ?? 0
  return time > now + FAR_MS ? 0 : time
}

/** A moment of the window that the CA suggests; one that has passed is now. */
export function momentIn({ start, end }: Pick<RenewalInfo, 'start' | 'end'>, now: number, random: Random): number {
  return Math.max(now, Math.round(start + (end - start) * random()))
}

/** When to ask for the window again. */
export function asksAt(retryAfterMs: number | undefined, now: number, random: Random): number {
  const wanted = Math.min(ASK_MS, Math.max(LEAST_ASK_MS, retryAfterMs ?? ASK_MS))
  return Math.round(now + wanted * (1 - JITTER * random()))
}

/** `failures`: in a row, this one included. `retryAfterMs`: what the CA has asked for, undefined for nothing. */
export function triesAt(failures: number, retryAfterMs: number | undefined, now: number, random: Random): number {
  const own = BACK_OFF_MS[failures - 1] ?? DAY_MS
  return Math.round(now + Math.max(own, retryAfterMs ?? 0) * (1 + JITTER * random()))
}

/** `looks`: that found something missing in a row, this one included. */
export function looksAt(looks: number, now: number, random: Random): number {
  const [, ms] = LOOKS.find(([count]) => looks <= count) ?? [0, LATER_LOOK_MS]
  return Math.round(now + ms * (1 + JITTER * random()))
}
