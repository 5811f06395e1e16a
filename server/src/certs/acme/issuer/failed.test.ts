import assert from 'node:assert/strict'
import { test } from 'node:test'
import { objectIn, retryAfterOf } from './answer.ts'
import { cleanWords, failedAt } from './failed.ts'

const NOW = Date.UTC(2026, 10, 28, 12, 0, 0)
const NAMES = ['a.example.test', 'b.example.test']

function answer(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) {
  return { status, headers, body: typeof body === 'string' ? body : JSON.stringify(body) }
}

test('Retry-After is seconds or a date, within a month', () => {
  const cases = [
    ['120', 120_000],
    ['0', 0],
    ['Sat, 28 Nov 2026 12:01:00 GMT', 60_000],
    ['Sat, 28 Nov 2026 11:00:00 GMT', 0],
    ['999999999', 31 * 86_400_000],
    ['soon', undefined],
    ['-5', undefined],
    ['1e9', undefined],
    ['', undefined],
  ] as const
  for (const [value, expected] of cases) {
    // A negative number is a date to Date.parse, long ago.
    const found = retryAfterOf({ headers: { 'retry-after': value } }, NOW)
    if (expected === undefined) assert.ok(found === undefined || found === 0, value)
    else assert.equal(found, expected, value)
  }
  assert.equal(retryAfterOf({ headers: {} }, NOW), undefined)
})

test('a problem document gives type, words and name', () => {
  const type = 'urn:ietf:params:acme:error:rateLimited'
  const { failure } = failedAt('newOrder', answer(429, { type, detail: 'too many' }, { 'retry-after': '60' }), NAMES)
  assert.deepEqual(failure, {
    isIssued: false,
    code: 'ca',
    type: 'rateLimited',
    message: 'too many',
    stage: 'newOrder',
    name: '',
    retryAfterMs: 60_000,
    pausedLink: '',
  })
})

test('one sub-problem names its name, and several are told', () => {
  const about = (value: string, detail: string) => ({ identifier: { type: 'dns', value }, detail })
  const type = 'urn:ietf:params:acme:error:rejectedIdentifier'
  const one = {
    type,
    detail: 'refused',
    subproblems: [about('b.example.test', 'by policy'), 7, about('other.test', '?')],
  }
  const { failure } = failedAt('newOrder', answer(403, one), NAMES)
  assert.deepEqual([failure.name, failure.message], ['b.example.test', 'refused; b.example.test: by policy'])
  const two = { type, detail: 'refused', subproblems: NAMES.map(name => about(name, 'no')) }
  assert.equal(failedAt('newOrder', answer(403, two), NAMES).failure.name, '')
})

test('what is no problem document is no answer of the CA, and passes only when its server says so', () => {
  for (const body of ['', '<html>', '[]', 'null', '{}', '{"type":5,"detail":{}}']) {
    const failed = failedAt('directory', answer(502, body), [])
    assert.deepEqual([failed.failure.code, failed.failure.message], ['unreachable', 'the CA answered 502'])
    assert.ok(failed.isPassing)
    assert.ok(!failedAt('directory', answer(404, body), []).isPassing)
  }
})

test('only a pause of Let’s Encrypt has a link', () => {
  const link = 'https://portal.example.test/sfe/v1/unpause?jwt=a.b-c_d'
  const linkIn = (detail: string) => failedAt('newOrder', answer(429, { detail }), NAMES).failure.pausedLink
  assert.equal(
    linkIn(`Your account is temporarily prevented from requesting certificates for x. Please visit: ${link}.`),
    link,
  )
  assert.equal(linkIn('too many certificates: see https://letsencrypt.org/docs/rate-limits/'), '')
  assert.equal(linkIn('prevented from requesting certificates. Please visit: javascript:alert(1)'), '')
})

test('words of strangers are plain and short', () => {
  assert.equal(cleanWords('a\u001b[31mb\nc\u202e'), 'a [31mb c')
  assert.equal(cleanWords('x'.repeat(5_000)).length, 1_000)
  assert.equal(objectIn('['.repeat(100_000)), undefined)
})
