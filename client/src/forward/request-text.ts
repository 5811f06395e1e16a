// A request's head as the text that goes to an HTTP/1 target. Tokens and octets have been checked by the codec.
import type { HeaderList, RequestHead } from '@pbt/proto'
import { authenticatesConnection } from './connection-credentials.ts'

/** The text has request line, header fields and the empty line; the body follows apart. */
export interface RequestText {
  readonly text: string
  /** The body's length is not known, so it is sent in chunks. */
  readonly isChunked: boolean
  /** Bytes of the body by its Content-Length, -1 for none. */
  readonly length: number
  /** The target may take whatever comes next on the connection for the same person's. */
  readonly isOfConnection: boolean
}

/** Methods that mean something by their content: without any they say so (RFC 9110 section 8.6), or get 411 of some targets. */
const EXPECT_CONTENT: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'QUERY'])

/** `hasBody`: something may follow the head. */
export function requestText(head: RequestHead, hasBody: boolean): RequestText {
  const { headers, upgrade } = head
  let text = `${head.method} ${head.target} HTTP/1.1\r\n`
  let length = -1
  let isOfConnection = false
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? ''
    const value = headers[index + 1] ?? ''
    if (name.length === 14 && name.toLowerCase() === 'content-length') length = Number(value)
    else if (name.length === 13 && name.toLowerCase() === 'authorization')
      isOfConnection ||= authenticatesConnection(value)
    text += `${name}: ${value}\r\n`
  }
  const isChunked = upgrade === '' && hasBody && length < 0
  // What follows an upgrade's head without a length is the next protocol's.
  const isEmpty = length < 0 && (upgrade !== '' || !hasBody)
  if (upgrade !== '') text += `connection: Upgrade\r\nupgrade: ${upgrade}\r\n`
  if (isChunked) text += 'transfer-encoding: chunked\r\n'
  else if (isEmpty && EXPECT_CONTENT.has(head.method)) text += 'content-length: 0\r\n'
  return { text: `${text}\r\n`, isChunked, length, isOfConnection }
}

/** The last chunk and the trailers. */
export function trailerText(trailers: HeaderList): string {
  let text = '0\r\n'
  for (let index = 0; index + 1 < trailers.length; index += 2) text += `${trailers[index]}: ${trailers[index + 1]}\r\n`
  return `${text}\r\n`
}
