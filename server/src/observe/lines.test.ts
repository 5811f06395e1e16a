import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Lines } from './lines.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

test('what was added comes back, whatever the characters, and what finds no room is refused', () => {
  const line = fc.string({ unit: 'grapheme', maxLength: 40 }).map(text => text.replaceAll('\n', ' '))
  fc.assert(
    fc.property(fc.array(line, { minLength: 1 }), texts => {
      const lines = new Lines(400)
      const added = texts.filter(text => lines.add(text))
      assert.equal(lines.count, added.length)
      assert.equal(decoder.decode(lines.take()), added.join('\n'))
      assert.equal(lines.count, 0)
    }),
  )
})

test('a batch is not touched by what is gathered after it', () => {
  const lines = new Lines(100)
  lines.add('first')
  const taken = lines.take()
  lines.add('second')
  assert.equal(decoder.decode(taken), 'first')
  assert.equal(decoder.decode(lines.take()), 'second')
  assert.equal(lines.take().length, 0)
  assert.equal(lines.add('x'.repeat(34)), false)
  assert.equal(lines.add('x'.repeat(33)), true)
})
