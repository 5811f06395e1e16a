// Bodies and fields of HTTP/1: the same whatever way the bytes are cut up, and refused when two readers could differ.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BodyReader, Http1Error, readFields, SectionReader } from './index.ts'

/** The text in pieces that end at these places. */
function pieces(text: string, cuts: readonly number[]): Buffer[] {
  const ends = [...new Set(cuts.map(cut => cut % (text.length + 1)))].sort((left, right) => left - right)
  const all = [0, ...ends, text.length]
  return all.slice(1).map((end, index) => Buffer.from(text.slice(all[index], end), 'latin1'))
}

function read(framing: 'length' | 'chunked' | 'until-close', length: number, parts: readonly Buffer[]) {
  const seen = { body: '', trailers: undefined as readonly string[] | undefined, rest: '' }
  const reader = new BodyReader(
    {
      onBody: chunk => {
        seen.body += chunk.toString('latin1')
      },
      onBodyEnd: trailers => {
        seen.trailers = trailers
      },
    },
    10,
  )
  reader.begin(framing, length)
  for (const part of parts) seen.rest += reader.read(part).toString('latin1')
  return { ...seen, reader }
}

const octets = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map(code => String.fromCharCode(code)),
  minLength: 1,
})
const cuts = fc.array(fc.nat(), { maxLength: 12 })

test('a chunked body is the same whatever way it is cut up, and what follows it is given back', () => {
  fc.assert(
    fc.property(fc.array(octets), fc.boolean(), octets, cuts, (chunks, hasTrailers, after, at) => {
      const text = chunks.map(chunk => `${chunk.length.toString(16)};a="b"\r\n${chunk}\r\n`).join('')
      const trailers = hasTrailers ? 'a: b\r\nc: d\r\n' : ''
      const seen = read('chunked', 0, pieces(`${text}0\r\n${trailers}\r\n${after}`, at))
      assert.equal(seen.body, chunks.join(''))
      assert.deepEqual(seen.trailers, hasTrailers ? ['a', 'b', 'c', 'd'] : [])
      assert.equal(seen.rest, after)
      assert.ok(seen.reader.isWhole)
    }),
  )
})

test('a body with a length ends there, one without ends with the connection', () => {
  fc.assert(
    fc.property(octets, octets, cuts, (body, after, at) => {
      const seen = read('length', body.length, pieces(body + after, at))
      assert.deepEqual([seen.body, seen.rest, seen.reader.isWhole], [body, after, true])
      const open = read('until-close', 0, pieces(body, at))
      assert.deepEqual([open.body, open.reader.isWhole], [body, false])
      assert.ok(open.reader.finish())
      assert.ok(!read('length', body.length + 1, pieces(body, at)).reader.finish())
    }),
  )
})

test('chunks that two readers could take differently are refused', () => {
  for (const text of [
    '0x3\r\nabc\r\n0\r\n\r\n',
    '+3\r\nabc\r\n',
    '3 \r\nabc\r\n',
    '3\nabc\r\n',
    '3;a\nb\r\nabc\r\n',
    '3\r\nabcd\r\n0\r\n\r\n',
    '3\r\nabc\n0\r\n\r\n',
    '\r\n3\r\nabc\r\n',
    '-1\r\n',
    `${'f'.repeat(13)}\r\n`,
    '0\r\na : b\r\n\r\n',
    '0\r\n a: b\r\n\r\n',
  ]) {
    assert.throws(() => read('chunked', 0, [Buffer.from(text)]), Http1Error, JSON.stringify(text))
  }
  const endless = `1;${'x'.repeat(20_000)}`
  assert.throws(
    () => read('chunked', 0, [Buffer.from(endless)]),
    error => error instanceof Http1Error && error.isTooLarge,
  )
})

test('fields are read octet for octet, without the white space around them', () => {
  assert.deepEqual(readFields('A: 1\r\nb:\t2 3 \r\nc:\r\nA:\xe9\xff', 0, 10), [
    'A',
    '1',
    'b',
    '2 3',
    'c',
    '',
    'A',
    '\xe9\xff',
  ])
  for (const text of [
    'a : b',
    ' a: b',
    'a: b\r\n c',
    'a: b\nc: d',
    'a: b\rc',
    'a: b\0',
    'a',
    ': b',
    'a: b\r\n\r\n',
    'é: b',
  ]) {
    assert.throws(() => readFields(text, 0, 10), Http1Error, JSON.stringify(text))
  }
  assert.throws(() => readFields('a: b\r\n'.repeat(11).slice(0, -2), 0, 10), Http1Error)
})

test('a section is found whatever way it is cut up, and not waited for beyond its limit', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z: ]*$/)), octets, cuts, (lines, after, at) => {
      const text = ['x', ...lines.filter(line => line !== '')].join('\r\n')
      const section = new SectionReader(100_000)
      let found: string | undefined
      let rest = ''
      for (const part of pieces(`${text}\r\n\r\n${after}`, at)) {
        if (found !== undefined) rest += part.toString('latin1')
        else if (part.length > 0) {
          found = section.read(part)
          if (found !== undefined) rest = section.takeRest().toString('latin1')
        }
      }
      assert.deepEqual([found, rest], [text, after])
      assert.equal(section.takeRest().length, 0)
    }),
  )
  assert.throws(() => new SectionReader(10).read(Buffer.from('x'.repeat(11))), Http1Error)
  assert.throws(() => new SectionReader(10).read(Buffer.from('a\nb')), Http1Error)
  const slow = new SectionReader(100)
  for (let count = 0; count < 100; count++) assert.equal(slow.read(Buffer.from('x')), undefined)
  assert.throws(() => slow.read(Buffer.from('x')), Http1Error)
})
