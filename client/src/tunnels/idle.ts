// Waiting for what is under way to end.
import type { Clock, Timer } from '@pbt/proto'

/** How long what is under way may take to end when the user stops the process. */
export const STOP_MS = 10_000

/** How often it is looked: short beside what an answer takes. */
const LOOK_MS = 50

/** Calls once, when `isIdle` says so or after `limitMs`, unless it is cleared before. */
export function whenIdle(clock: Clock, isIdle: () => boolean, limitMs: number, call: () => void): Timer {
  const end = clock.now() + limitMs
  let timer: Timer
  const look = () => {
    timer = clock.after(LOOK_MS, () => {
      if (isIdle() || clock.now() >= end) call()
      else look()
    })
  }
  look()
  return { clear: () => timer.clear() }
}
