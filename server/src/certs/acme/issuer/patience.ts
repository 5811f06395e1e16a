// Tries again what may be tried again, a few times, unless the CA has said when.
import { setTimeout as wait } from 'node:timers/promises'
import { Failed } from './failed.ts'

/** Between one try and the next, in ms, each up to half longer. */
const PAUSES = [300, 900] as const
/** What may be waited for in the middle of an order; a CA that wants more is left alone. */
const SHORT_MS = 5_000

/**
 * Runs what changes nothing at the CA until it succeeds, the tries are over, or it fails for good, or with a Retry-After
 * that is not short. Rejects with what the last try threw.
 */
export async function patiently<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  for (const pause of PAUSES) {
    try {
      return await run()
    } catch (error) {
      if (!(error instanceof Failed) || !error.isPassing || signal.aborted) throw error
      const { retryAfterMs = 0 } = error.failure
      if (retryAfterMs > SHORT_MS) throw error
      await pauseFor(Math.max(retryAfterMs, pause * (1 + Math.random() / 2)), signal)
    }
  }
  return await run()
}

/** Resolves after so many ms; rejects at once when `signal` is raised. */
export async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal })
}
