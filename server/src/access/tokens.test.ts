import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bearerOf, hashToken, newToken, TokenBook } from './tokens.ts'

test('a token has 256 random bits', () => {
  const tokens = new Set(Array.from({ length: 100 }, newToken))
  assert.equal(tokens.size, 100)
  for (const token of tokens) assert.match(token, /^pbt_[A-Za-z0-9_-]{43}$/)
})

test('the token is taken from one well-formed bearer value', () => {
  const token = newToken()
  assert.equal(bearerOf([`Bearer ${token}`]), token)
  assert.equal(bearerOf([`bearer  ${token}`]), token)
})

test('anything else is no token', () => {
  const token = newToken()
  const others: unknown[][] = [
    [],
    [''],
    [token],
    ['Bearer'],
    ['Bearer '],
    [`Basic ${token}`],
    [`Bearer ${token} `],
    [`Bearer ${token}x`],
    [`Bearer ${token}, Bearer ${token}`],
    [`Bearer ${token}`, `Bearer ${token}`],
    [`Bearer pbt_${'ü'.repeat(43)}`],
    ['x'.repeat(1_000_000)],
    [Buffer.from(`Bearer ${token}`)],
    [undefined],
  ]
  for (const values of others) assert.equal(bearerOf(values), undefined)
})

test('the book finds the tokens it was given last, by their digests', () => {
  const [first, second] = [newToken(), newToken()]
  const book = new TokenBook([
    { id: 1, hash: hashToken(first) },
    { id: 2, hash: hashToken(second) },
  ])
  assert.equal(book.find(first), 1)
  assert.equal(book.find(second), 2)
  assert.equal(book.find(newToken()), undefined)
  book.replace([{ id: 2, hash: hashToken(second) }])
  assert.equal(book.find(first), undefined)
  assert.equal(book.find(second), 2)
})
