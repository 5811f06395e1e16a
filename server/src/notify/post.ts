// One POST: what becomes of it, within a deadline, whatever the other side does.
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Clock } from '@pbt/proto'

/** How long a receiver may take to answer, milliseconds. */
export const DEADLINE_MS = 10_000

/** Answers that may be others later: too early, too many, and whatever is the server's fault. */
const MAY_PASS = new Set([408, 425, 429])

/** What became of one POST: taken, or refused with a reason for people. */
export type Outcome =
  | { readonly kind: 'taken' }
  /** `mayPass`: another try can help. */
  | { readonly kind: 'refused'; readonly mayPass: boolean; readonly reason: string }

/** Never rejects. Redirections are not followed: a receiver is where it is said to be. */
export function post(
  url: URL,
  fields: Readonly<Record<string, string>>,
  body: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  const request = url.protocol === 'https:' ? requestHttps : requestHttp
  const failed = (reason: string) => resolve({ kind: 'refused', mayPass: true, reason })
  const length = Buffer.byteLength(body)
  const headers = { 'content-type': 'application/json', 'content-length': String(length), ...fields }
  // A connection of its own, closed after the answer's head: nothing is kept, and no body of any length is read.
  const sent = request(url, { method: 'POST', agent: false, headers }, response => {
    resolve(outcomeOf(response.statusCode ?? 0))
    sent.destroy()
  })
  const timer = clock.after(DEADLINE_MS, () => {
    failed(`it did not answer within ${DEADLINE_MS / 1_000} s`)
    sent.destroy()
  })
  const abort = () => {
    failed('the server stops')
    sent.destroy()
  }
  signal.addEventListener('abort', abort, { once: true })
  sent.on('error', error => failed(error.message))
  sent.once('close', () => {
    failed('it closed the connection')
    timer.clear()
    signal.removeEventListener('abort', abort)
  })
  sent.end(body)
  return promise
}

function outcomeOf(status: number): Outcome {
  if (status >= 200 && status < 300) return { kind: 'taken' }
  return { kind: 'refused', mayPass: status >= 500 || MAY_PASS.has(status), reason: `it answered ${status}` }
}
