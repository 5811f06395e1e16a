// Requests that are turned away before anything reads them, in the words of the protocol they came with.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { create, toBinary } from '@bufbuild/protobuf'
import { ErrorInfoSchema } from '@pbt/proto/google/rpc'

/** Over HTTP/1.1 or HTTP/2. */
export type Request = IncomingMessage | Http2ServerRequest
/** The answer to a `Request`, of the same protocol. */
export type Response = ServerResponse | Http2ServerResponse

/** Connect's name of a code, its status in HTTP, and its number in gRPC. */
const CODES = {
  unauthenticated: { status: 401, number: 16 },
  permission_denied: { status: 403, number: 7 },
  resource_exhausted: { status: 429, number: 8 },
  unavailable: { status: 503, number: 14 },
  invalid_argument: { status: 400, number: 3 },
} as const

/** Why a call is turned away. */
export interface Refusal {
  readonly code: keyof typeof CODES
  /** For programs. */
  readonly reason: string
  readonly message: string
  readonly cure: string
  readonly retryAfterSeconds?: number
}

/** The end of a stream of Connect (its specification, "Streaming RPCs"): a flag, four bytes of length, JSON. */
const END_OF_STREAM = 0b10

/** Answers a call with an error of its protocol. */
export function refuse(request: Request, response: Response, refusal: Refusal): void {
  const { code, message, retryAfterSeconds } = refusal
  const type = String(request.headers['content-type'] ?? '')
  const { status, number } = CODES[code]
  if (retryAfterSeconds !== undefined) response.setHeader('retry-after', retryAfterSeconds)
  if (type.startsWith('application/grpc')) {
    // Trailers alone: over HTTP/2 and in gRPC-Web a head is as good as a trailer.
    const words = encodeURIComponent(message).replaceAll('%20', ' ')
    end(response, 200, { 'content-type': type, 'grpc-status': number, 'grpc-message': words })
    return
  }
  const json = JSON.stringify(errorOf(refusal))
  if (!type.startsWith('application/connect+')) {
    end(response, status, { 'content-type': 'application/json' }, json)
    return
  }
  const body = Buffer.from(JSON.stringify({ error: errorOf(refusal) }))
  const head = Buffer.alloc(5)
  head.writeUInt8(END_OF_STREAM, 0)
  head.writeUInt32BE(body.length, 1)
  end(response, 200, { 'content-type': type }, Buffer.concat([head, body]))
}

/** Answers what is no call with a sentence. */
export function answerText(
  response: Response,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  end(response, status, { 'content-type': 'text/plain; charset=utf-8', ...headers }, `${text}\n`)
}

function errorOf({ code, message, reason, cure }: Refusal) {
  const metadata: Record<string, string> = cure === '' ? {} : { cure }
  const info = toBinary(ErrorInfoSchema, create(ErrorInfoSchema, { reason, domain: 'pbt', metadata }))
  const value = Buffer.from(info).toString('base64').replace(/=+$/, '')
  return { code, message, details: [{ type: 'google.rpc.ErrorInfo', value }] }
}

function end(
  response: Response,
  status: number,
  headers: Record<string, string | number>,
  body?: string | Buffer,
): void {
  if (body !== undefined) headers['content-length'] = Buffer.byteLength(body)
  // The two classes declare the same methods, which TypeScript cannot call over a union.
  const { writeHead } = response as { writeHead(status: number, headers: Record<string, string | number>): void }
  writeHead.call(response, status, headers)
  ;(response as ServerResponse).end(body)
}
