// Time as the protocol sees it, passed in so that tests own it.

/** A timer that was set and can be taken back. Clearing twice does no harm. */
export interface Timer {
  clear(): void
}

/** Time and timers. Programs use `systemClock`, tests a clock that they move themselves. */
export interface Clock {
  /** Milliseconds, monotonic, with fractions. */
  now(): number
  /** Calls once after `ms`; never sooner than the current turn's end. Does not keep the process alive by itself. */
  after(ms: number, call: () => void): Timer
  /** Calls before the event loop looks at I/O again. */
  soon(call: () => void): void
  /** Calls when the I/O that is ready now has been looked at. */
  afterIo(call: () => void): void
}

/**
 * Milliseconds until the next look of something that is looked at every `everyMs`: on whole multiples of the clock, so that all that
 * is looked at as often wakes the process once. Half of `everyMs` at least, and one and a half at most.
 */
export function untilLook(clock: Clock, everyMs: number): number {
  const now = clock.now()
  return Math.ceil((Math.round(now / everyMs) + 1) * everyMs - now)
}

/** The process's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms)
    timer.unref()
    return { clear: () => clearTimeout(timer) }
  },
  soon: call => process.nextTick(call),
  afterIo: call => {
    setImmediate(call)
  },
}
