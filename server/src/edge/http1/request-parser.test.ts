// What of a visitor's bytes is a request, and where it ends.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RefusedRequest } from './request-line.ts'
import { type IncomingRequest, RequestParser } from './request-parser.ts'

interface Seen {
  request: IncomingRequest
  body: string
  trailers: readonly string[] | undefined
}

function parse(parts: readonly Buffer[], seen: Seen[] = []): Seen[] {
  const parser = new RequestParser({
    onRequest: request => {
      seen.push({ request, body: '', trailers: request.hasNoBody ? [] : undefined })
    },
    onBody: chunk => {
      const last = seen.at(-1)
      if (last !== undefined) last.body += chunk.toString('latin1')
    },
    onBodyEnd: trailers => {
      const last = seen.at(-1)
      if (last !== undefined) last.trailers = trailers
    },
  })
  for (const part of parts) {
    for (let rest = part; rest.length > 0; ) rest = parser.execute(rest)
  }
  return seen
}

/** What a parser makes of bytes that come in these pieces: the requests, and the status of its refusal. */
function outcome(parts: readonly Buffer[]): unknown {
  const seen: Seen[] = []
  let status: number | undefined
  try {
    parse(parts, seen)
  } catch (error) {
    if (!(error instanceof RefusedRequest)) throw error
    status = error.status
  }
  return { seen, status }
}

/** The bytes in pieces that end at these places. */
function pieces(text: string, at: readonly number[]): Buffer[] {
  const ends = [...new Set(at.map(cut => cut % text.length))].filter(cut => cut > 0).sort((a, b) => a - b)
  return [0, ...ends].map((from, index) => Buffer.from(text.slice(from, ends[index] ?? text.length), 'latin1'))
}

const body = fc.stringMatching(/^[a-z\r\n]{1,40}$/)
const request = fc.oneof(
  fc.constant({ text: 'GET /a HTTP/1.1\r\nHost: x\r\n\r\n', body: '' }),
  body.map(text => ({
    text: `POST /b HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: ${text.length}\r\n\r\n${text}`,
    body: text,
  })),
  body.map(text => ({
    text: `PUT /c HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\nt: u\r\n\r\n`,
    body: text,
  })),
)

test('pipelined requests are the same whatever way the bytes are cut up', () => {
  fc.assert(
    fc.property(
      fc.array(request, { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat(), { maxLength: 20 }),
      (requests, at) => {
        const text = requests.map(each => each.text).join('')
        const seen = parse(pieces(text, at))
        assert.deepEqual(
          seen.map(each => each.body),
          requests.map(each => each.body),
        )
        assert.ok(seen.every(each => each.trailers !== undefined))
      },
    ),
  )
})

test('a byte at a time is a request too, with an empty line before it', () => {
  const text = '\r\n\r\nGET /x?y HTTP/1.0\r\nHOST: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n'
  const [only, ...more] = parse([Buffer.from(text)])
  assert.equal(more.length, 0)
  const { request } = only ?? assert.fail('no request')
  assert.deepEqual([request.method, request.target, request.minor, request.host], ['GET', '/x?y', 0, 'a'])
  assert.ok(request.isKeptAlive && !request.isUpgrade && request.hasNoBody)
  const slowly = parse([...'GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n'].map(octet => Buffer.from(octet, 'latin1')))
  assert.equal(slowly[0]?.request.target, '/\xe9')
})

test('D9: an upgrade is what can be told from a body of HTTP/1.1, and a WebSocket what begins as one', () => {
  const isUpgrade = (head: string) => {
    const [only] = parse([Buffer.from(`${head}\r\nHost: a\r\n\r\n`)])
    return only?.request.isUpgrade
  }
  const asking = (protocol: string) => `HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: ${protocol}`
  for (const head of [
    `GET / ${asking('websocket')}`,
    `GET / ${asking('WebSocket')}\r\nContent-Length: 0`,
    `GET / ${asking('tcp')}`,
    `POST / ${asking('tcp')}`,
    `POST / ${asking('tcp')}\r\nContent-Length: 5`,
  ]) {
    assert.equal(isUpgrade(head), true, head)
  }
  for (const head of [
    'GET / HTTP/1.1\r\nUpgrade: websocket',
    'GET / HTTP/1.1\r\nConnection: Upgrade',
    `GET / ${asking('h2c')}`,
    `GET / ${asking('websocket').replace('HTTP/1.1', 'HTTP/1.0')}`,
    `HEAD / ${asking('websocket')}`,
    `POST / ${asking('chess, WebSocket')}`,
    `GET / ${asking('websocket')}\r\nContent-Length: 5`,
    `POST / ${asking('tcp')}\r\nTransfer-Encoding: chunked`,
    `POST / ${asking('tcp')}\r\nContent-Length: 5\r\nExpect: 100-continue`,
  ]) {
    assert.equal(isUpgrade(head), false, head)
  }
})

const REFUSED: readonly (readonly [request: string, status: number])[] = [
  ['GET  / HTTP/1.1\r\n\r\n', 400],
  [' GET / HTTP/1.1\r\n\r\n', 400],
  ['GET / HTTP/1.1 \r\n\r\n', 400],
  ['GET / HTTP/1.2\r\n\r\n', 400],
  ['GET / http/1.1\r\n\r\n', 400],
  ['GET /a b HTTP/1.1\r\n\r\n', 400],
  ['GET /\x7f HTTP/1.1\r\n\r\n', 400],
  ['PRI * HTTP/2.0\r\n\r\n', 400],
  ['\x16\x03\x01\x02\x00', 400],
  ['GET / HTTP/1.1\nHost: a\n\n', 400],
  ['GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
  ['POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n', 400],
  ['POST / HTTP/1.1\r\nContent-Length: 1_0\r\n\r\n', 400],
  ['POST / HTTP/1.1\r\nContent-Length: 9999999999999999\r\n\r\n', 400],
  ['POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n', 400],
  ['POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n', 400],
  ['POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n', 501],
  ['POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  [`GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(201)}\r\n`, 431],
  [`GET / HTTP/1.1\r\na: ${'b'.repeat(90_000)}`, 431],
  [`POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(20_000)}`, 413],
]

test('what two servers could read in two ways is refused with the status that says why', () => {
  for (const [text, status] of REFUSED) {
    assert.throws(
      () => parse([Buffer.from(text, 'latin1')]),
      error => error instanceof RefusedRequest && error.status === status,
      JSON.stringify(text.slice(0, 80)),
    )
  }
})

const FULL_HEAD = 'GET / HTTP/1.1\r\n'

test('E1: whatever comes, it is taken alike however it is cut up: requests, refusals, empty lines and limits', () => {
  const emptyLines = fc.array(fc.constant('\r\n'), { maxLength: 3 }).map(lines => lines.join(''))
  const odd = fc.constantFrom(
    ...REFUSED.map(([text]) => text),
    '\r',
    '\n',
    '\r\r\n',
    ' ',
    // A head as large as it may be, and by one octet larger.
    ...[0, 1].map(more => `${FULL_HEAD}a: ${'b'.repeat(64 * 1024 - 5 + more)}\r\n\r\n`),
    ...[0, 1].map(more => `GET /${'a'.repeat(12 * 1024 - 14 + more)} HTTP/1.1\r\n\r\n`),
  )
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          emptyLines,
          request.map(each => each.text),
          odd,
        ),
        { minLength: 1, maxLength: 4 },
      ),
      fc.array(fc.oneof(fc.nat(), fc.nat(8)), { maxLength: 20 }),
      fc.boolean(),
      (texts, at, isBackwards) => {
        const text = texts.join('') || '\r\n'
        const cuts = isBackwards ? at.map(cut => text.length - (cut % text.length)) : at
        assert.deepEqual(outcome(pieces(text, cuts)), outcome([Buffer.from(text, 'latin1')]))
      },
    ),
    { numRuns: 1_000 },
  )
})
