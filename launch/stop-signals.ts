// Signals that ask a program to end, counted as people mean them: the first one in order, a second one at once.
import { isIgnored } from './ignored-signals.js'
import type { Variables } from './variables.ts'

/**
 * What a group is sent comes more than once: `timeout` and `kill -- -PGID` signal the program and its group, npm and shells pass on
 * what the terminal sent to all. A person who means it a second time is not that fast.
 */
const ONCE_MS = 1_000

type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

/** What each signal leads to; signals that were ignored at the start of the program stay ignored. */
export interface StopRequests {
  /** The first signal. */
  readonly stop: () => void
  /** Another one, meant as such. */
  readonly stopAtOnce: () => void
  readonly signals: readonly StopSignal[]
  readonly environment: Variables
  /** Milliseconds on a monotonic clock. */
  readonly now?: () => number
}

/** Listens to those of the signals that were not ignored when the program began. Returns what ends it. */
export function onStopSignals(requests: StopRequests): () => void {
  const count = stopCounter(requests)
  const signals = requests.signals.filter(signal => !isIgnored(signal, requests.environment))
  for (const signal of signals) process.on(signal, count)
  return () => {
    for (const signal of signals) process.off(signal, count)
  }
}

/** Takes each signal as it comes. */
export function stopCounter({
  stop,
  stopAtOnce,
  now = () => performance.now(),
}: StopRequests): (signal: string) => void {
  const countedAt = new Map<string, number>()
  return signal => {
    const at = now()
    const isFirst = countedAt.size === 0
    if (at - (countedAt.get(signal) ?? Number.NEGATIVE_INFINITY) < ONCE_MS) return
    // A terminal that closes and a session that ends send SIGHUP beside SIGTERM; it is never meant as more than the other.
    if (!isFirst && signal === 'SIGHUP') return
    if (at - (countedAt.get('SIGHUP') ?? Number.NEGATIVE_INFINITY) < ONCE_MS) return
    countedAt.set(signal, at)
    if (isFirst) stop()
    else stopAtOnce()
  }
}
