// A request's head as the text that goes to an HTTP/1 target. Tokens and octets have been checked by the codec.
import type { HeaderList, RequestHead } from '@pbt/proto'

/** What the target sees as Host. */
export type HostHeader = { readonly kind: 'preserve' } | { readonly kind: 'value'; readonly value: string }

export interface RequestText {
  readonly text: string
  /** The body's length is not known, so it is sent in chunks. */
  readonly isChunked: boolean
}

/** Methods that mean something by their content: without any they say so (RFC 9110 section 8.6), or get 411 of some targets. */
const EXPECT_CONTENT: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'QUERY'])

/** `hasBody`: something may follow the head. */
export function requestText(head: RequestHead, hasBody: boolean, host: HostHeader): RequestText {
  const { headers, upgrade } = head
  let text = `${head.method} ${head.target} HTTP/1.1\r\n`
  let hasLength = false
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? ''
    const isHost = name.length === 4 && name.toLowerCase() === 'host'
    if (name.length === 14 && name.toLowerCase() === 'content-length') hasLength = true
    text += `${name}: ${isHost && host.kind === 'value' ? host.value : headers[index + 1]}\r\n`
  }
  if (upgrade !== '') return { text: `${text}connection: Upgrade\r\nupgrade: ${upgrade}\r\n\r\n`, isChunked: false }
  if (!hasBody && !hasLength && EXPECT_CONTENT.has(head.method)) text += 'content-length: 0\r\n'
  const isChunked = hasBody && !hasLength
  return { text: isChunked ? `${text}transfer-encoding: chunked\r\n\r\n` : `${text}\r\n`, isChunked }
}

/** The last chunk and the trailers. */
export function trailerText(trailers: HeaderList): string {
  let text = '0\r\n'
  for (let index = 0; index + 1 < trailers.length; index += 2) text += `${trailers[index]}: ${trailers[index + 1]}\r\n`
  return `${text}\r\n`
}
