// The fields of a target's answer that reach the visitor, before the body and behind it.
import type { HeaderList } from '@pbt/proto'
import { connectionNames, NO_TRAILERS, without } from './field-rules.ts'

const DROPPED = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'pbt-error',
])

/** What is known of an answer besides its fields. */
export interface AnswerFields {
  readonly headers: HeaderList
  /** Content-Length, -1 for none. */
  readonly contentLength: number
}

/**
 * The fields of an answer that go to the visitor, in their order; undefined when its Content-Length is invalid
 * (RFC 9112 section 6.3). Names and octets have been checked by the codec.
 */
export function answerFields(raw: HeaderList): AnswerFields | undefined {
  let headers: HeaderList = []
  let named: Set<string> | undefined
  let contentLength = -1
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    const value = raw[index + 1] ?? ''
    const lower = name.toLowerCase()
    if (DROPPED.has(lower)) {
      if (lower === 'connection') named = connectionNames(value, named)
      continue
    }
    if (lower === 'content-length') {
      if (contentLength >= 0 || !/^\d{1,15}$/.test(value)) return undefined
      contentLength = Number(value)
    }
    headers.push(name, value)
  }
  if (named !== undefined) headers = without(headers, named)
  return { headers, contentLength }
}

/** What an answer has no trailers of besides what it has no fields of. */
const NO_ANSWER_TRAILERS = new Set([
  ...DROPPED,
  ...NO_TRAILERS,
  'expect',
  'proxy-authorization',
  'forwarded',
  'x-real-ip',
  'client-cert',
  'client-cert-chain',
])

/** The trailers of an answer that may go on. */
export function answerTrailers(raw: readonly string[]): HeaderList {
  const trailers: HeaderList = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    if (!name.startsWith(':') && !NO_ANSWER_TRAILERS.has(name.toLowerCase())) trailers.push(name, raw[index + 1] ?? '')
  }
  return trailers
}
