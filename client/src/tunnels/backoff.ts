// When to try again: at once, then from half a second to half a minute, spread so that clients do not come in step.

/** The second try waits this long; each further one twice as long. */
export const FIRST_DELAY_MS = 500
/** No wait is longer: a server that is back is found within half a minute. */
export const MAX_DELAY_MS = 30_000
/**
 * No wait is longer while a session can be resumed, or while this machine's own network or name service is away: what is back is
 * found within two seconds, each time.
 */
export const MAX_SOON_DELAY_MS = 1_500
/** A link that lasted this long was a success: the next loss is tried again at once. */
export const STABLE_MS = 30_000
/** Each wait is longer or shorter by up to this part, so that clients of a restarted server spread. */
const JITTER = 0.2

/** Sets no timer: only says how long to wait. */
export class Backoff {
  private readonly random: () => number
  private tries = 0

  /** `random`: from 0 to 1, as Math.random. */
  constructor(random: () => number) {
    this.random = random
  }

  /** Milliseconds to wait before the next try, about `maximumMs` at most. */
  next(maximumMs: number): number {
    const tries = this.tries++
    if (tries === 0) return 0
    const delayMs = Math.min(maximumMs, FIRST_DELAY_MS * 2 ** (tries - 1))
    return Math.round(delayMs * (1 + JITTER * (2 * this.random() - 1)))
  }

  /** A link has been stable: the next try is at once again. */
  reset(): void {
    this.tries = 0
  }
}
