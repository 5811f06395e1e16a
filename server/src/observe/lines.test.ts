import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Lines, MAX_FIELD_CHARS } from './lines.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const text = fc.string({ unit: 'grapheme', maxLength: 40 }).map(text => text.replaceAll(/[\t\n]/g, ' '))
const field = fc.oneof(text, fc.maxSafeNat())

test('what was added comes back, whatever the characters and numbers', () => {
  fc.assert(
    fc.property(fc.array(fc.array(field, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 20 }), all => {
      const lines = new Lines(64 * 1_024)
      for (const fields of all) {
        for (const field of fields) typeof field === 'string' ? lines.text(field) : lines.number(field)
        lines.endLine()
      }
      assert.equal(lines.count, all.length)
      assert.equal(decoder.decode(lines.take()), all.map(fields => fields.join('\t')).join('\n'))
      assert.equal(lines.count, 0)
    }),
  )
})

test('a long text is cut, and a number that is none harms nothing', () => {
  const lines = new Lines(4_096)
  lines.text('before')
  for (const number of [Number.NaN, -5, 0, 9, 10, Number.MAX_SAFE_INTEGER]) lines.number(number)
  lines.text('x'.repeat(MAX_FIELD_CHARS + 1))
  lines.text('ü'.repeat(MAX_FIELD_CHARS + 1))
  lines.endLine()
  const fields = decoder.decode(lines.take()).split('\t')
  assert.equal(fields[0], 'before')
  assert.deepEqual(fields.slice(3, 7), ['0', '9', '10', String(Number.MAX_SAFE_INTEGER)])
  assert.deepEqual(fields.slice(7), ['x'.repeat(MAX_FIELD_CHARS), 'ü'.repeat(MAX_FIELD_CHARS)])
})

test('no control character is kept, whatever a terminal would take it for', () => {
  const lines = new Lines(4_096)
  for (const text of ['a\x1b[31m', 'a\x7f', '\x9b31m', 'ü\x80\x9f\x00']) lines.text(text)
  lines.endLine()
  assert.deepEqual(decoder.decode(lines.take()).split('\t'), ['a [31m', 'a ', ' 31m', 'ü   '])
})

test('a batch is not touched by what is gathered after it', () => {
  const lines = new Lines(100)
  const add = (text: string) => {
    lines.text(text)
    lines.endLine()
  }
  add('first')
  const taken = lines.take()
  add('second')
  assert.equal(decoder.decode(taken), 'first')
  assert.equal(decoder.decode(lines.take()), 'second')
  assert.equal(lines.take().length, 0)
  assert.equal(lines.hasRoom(34), false)
  assert.equal(lines.hasRoom(33), true)
})
