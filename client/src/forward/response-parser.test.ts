// What of a target's bytes is an answer, and where it ends.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BrokenAnswer, ResponseParser } from './response-parser.ts'

/** What a parser makes of an answer to `method` that comes in these pieces, each call in its order. */
function outcome(parts: readonly Buffer[], method = 'GET'): unknown {
  const told: unknown[] = []
  let body = ''
  const parser = new ResponseParser()
  parser.expect(method, {
    onAnswerHead: head => told.push(head),
    onAnswerBody: chunk => {
      body += chunk.toString('latin1')
    },
    onAnswerTrailers: trailers => told.push(trailers),
    onAnswerComplete: () => told.push('complete'),
  })
  try {
    for (const part of parts) {
      parser.execute(part)
      // What is behind belongs to nobody, whether it came along or later.
      if (told.includes('complete')) break
    }
  } catch (error) {
    if (!(error instanceof BrokenAnswer)) throw error
    told.push('broken')
  }
  try {
    parser.finish()
  } catch (error) {
    if (!(error instanceof BrokenAnswer)) throw error
    told.push('unfinished')
  }
  return { told, body }
}

const ANSWERS = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nt: u\r\n\r\n',
  'HTTP/1.0 200 OK\r\n\r\nuntil the end',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
  'HTTP/1.1 999 No\r\n\r\n',
  'HTTP/2 200\r\n\r\n',
  'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
  'SSH-2.0-OpenSSH_9.2\r\n',
  'HTTQ/1.1 200 OK\r\n\r\n',
  'HT',
  '\r\n',
  // A head as large as it may be, and by one octet larger.
  ...[0, 1].map(more => `HTTP/1.1 200 OK\r\na: ${'b'.repeat(64 * 1024 - 20 + more)}\r\n\r\n`),
]

test('C9: an answer is taken alike however it is cut up, and so is what is none', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...ANSWERS),
      fc.array(fc.nat(), { maxLength: 20 }),
      fc.constantFrom('GET', 'HEAD'),
      fc.boolean(),
      (text, at, method, isBackwards) => {
        const cuts = at.map(cut => (isBackwards ? text.length - (cut % 8) : cut % text.length))
        const ends = [...new Set(cuts)].filter(cut => cut > 0 && cut < text.length).sort((a, b) => a - b)
        const parts = [0, ...ends].map((from, index) =>
          Buffer.from(text.slice(from, ends[index] ?? text.length), 'latin1'),
        )
        assert.deepEqual(outcome(parts, method), outcome([Buffer.from(text, 'latin1')], method))
      },
    ),
    { numRuns: 1_000 },
  )
})

test('what cannot become an answer is broken at the octet that shows it', () => {
  const parser = new ResponseParser()
  parser.expect('GET', {
    onAnswerHead: () => {},
    onAnswerBody: () => {},
    onAnswerTrailers: () => {},
    onAnswerComplete: () => {},
  })
  parser.execute(Buffer.from('HT'))
  assert.throws(() => parser.execute(Buffer.from('X')), /does not speak HTTP\/1/)
})
