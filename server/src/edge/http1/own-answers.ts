// What the edge answers over HTTP/1 in its own name: why it does not serve, where else it does, and what a CA looks for.
import { valuesOf } from '../fields/headers.ts'
import { type ReplyCode, type ReplyOptions, replyFor } from '../replies.ts'
import { headText } from './answer-text.ts'
import type { IncomingRequest } from './request-parser.ts'

const CLOSE = 'connection: close\r\n'

/** `isLast`: the connection ends with it. Without a request: none was understood. */
export function replyText(
  code: ReplyCode,
  options: ReplyOptions,
  request: IncomingRequest | undefined,
  isLast: boolean,
): string {
  const accept = request === undefined ? undefined : valuesOf(request.fields, 'accept')[0]
  const { status, headers, body } = replyFor(code, { ...options, accept })
  const isKept = !isLast && request?.minor === 0
  const connection = isLast ? CLOSE : isKept ? 'connection: keep-alive\r\n' : ''
  const text = headText(status, '', headers, connection)
  return request?.method === 'HEAD' ? text : text + body.toString('latin1')
}

/** The connection ends with an answer that comes at once: a body is not waited for. */
export function isLastAnswered({ hasNoBody, isKeptAlive }: IncomingRequest): boolean {
  return !hasNoBody || !isKeptAlive
}

/** What a CA that looks for a token is to get (RFC 8555, 8.3). */
export function challengeText(request: IncomingRequest, answer: string): string {
  const fields = ['content-type', 'application/octet-stream', 'content-length', String(answer.length)]
  const head = headText(200, '', fields, isLastAnswered(request) ? CLOSE : '')
  return request.method === 'HEAD' ? head : head + answer
}

/** To another place for good, with the same method. */
export function redirectText(request: IncomingRequest, location: string): string {
  return headText(308, '', ['location', location, 'content-length', '0'], isLastAnswered(request) ? CLOSE : '')
}
