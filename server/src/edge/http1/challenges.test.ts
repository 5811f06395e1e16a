// What the plain port says to a CA that looks for a token, and to everybody else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tokenIn } from './request-line.ts'

test('I8: a token is told from every other target', () => {
  assert.equal(tokenIn('/.well-known/acme-challenge/abc-_9'), 'abc-_9')
  const others = [
    '/',
    '/.well-known/acme-challenge/',
    '/.well-known/acme-challenge/a/b',
    '/.well-known/acme-challenge/a?b',
  ]
  for (const target of [
    ...others,
    '/.well-known/acme-challenge/a%2e',
    `/.well-known/acme-challenge/${'a'.repeat(257)}`,
  ]) {
    assert.equal(tokenIn(target), undefined)
  }
})
