// What was meant, and when it is better not to guess.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { suggestionFor } from './suggestion.ts'

const NAMES = ['init', 'tunnel', 'http', 'tcp', 'udp', 'up', 'status']

test('a word with a slip or two is recognised, another word is not', () => {
  for (const [word, meant] of [
    ['htpp', 'http'],
    ['htp', 'http'],
    ['htttp', 'http'],
    ['HTTP', 'http'],
    ['stauts', 'status'],
    ['sttus', 'status'],
    ['tunell', 'tunnel'],
    ['int', 'init'],
    ['ftp', undefined],
    ['daemon', undefined],
    ['x', undefined],
    ['', undefined],
    ['up2', 'up'],
  ] as const) {
    assert.equal(suggestionFor(word, NAMES), meant, word)
  }
})

test('one slip in a long enough name is always recognised', () => {
  const name = 'target-protocol'
  fc.assert(
    fc.property(fc.nat(name.length - 2), fc.constantFrom('drop', 'swap', 'add', 'change'), (at, slip) => {
      const [before, letter, next, rest] = [name.slice(0, at), name.charAt(at), name.charAt(at + 1), name.slice(at + 2)]
      const word = {
        drop: before + next + rest,
        swap: before + next + letter + rest,
        add: `${before}${letter}x${next}${rest}`,
        change: `${before}x${next}${rest}`,
      }[slip]
      assert.equal(suggestionFor(word, ['host-header', 'verify-target', name]), name)
    }),
  )
})
