// A record of the access log as a line for people.
import type { RecordItem } from './events.ts'
import { timeText } from './table.ts'

/** `2026-11-28 14:03:07  200  12 ms  1.2 kB  app  203.0.113.7  GET /path`, with what it was when it was no request, and why it ended. */
export function recordText(item: RecordItem): string {
  const { kind, tunnel, peer, summary, status, durationMs, bytesIn, bytesOut, reason, endedAt } = item
  const seconds = String(endedAt.getSeconds()).padStart(2, '0')
  const what = kind === 'http' ? summary : `${kind} ${summary}`.trim()
  return [
    `${timeText(endedAt)}:${seconds}`,
    (status === 0 ? '-' : String(status)).padStart(3),
    lengthText(durationMs).padStart(7),
    bytesText(bytesIn + bytesOut).padStart(7),
    tunnel === '' ? '-' : tunnel,
    peer,
    what,
    reason === '' ? '' : `(${reason})`,
  ]
    .filter(part => part !== '')
    .join('  ')
}

function lengthText(ms: number): string {
  if (ms < 1_000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  const seconds = ms / 1_000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  return seconds < 3_600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`
}

function bytesText(bytes: number): string {
  let [amount, unit] = [bytes, 'B']
  for (const larger of ['kB', 'MB', 'GB', 'TB']) {
    if (amount < 1_000) break
    ;[amount, unit] = [amount / 1_000, larger]
  }
  return `${unit === 'B' || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${unit}`
}
