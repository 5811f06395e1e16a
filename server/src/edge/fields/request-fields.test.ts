// Which fields of a request reach a target, as fields and as trailers: only a proxy says what services believe of proxies.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NO_LIMIT } from '../testing/access.ts'
import { visitorOf } from './headers.ts'
import { isProxyField, PROXY_FIELDS, plainNameOf } from './proxy-fields.ts'
import { requestHeaders, requestTrailers } from './request-fields.ts'

const STRANGER = visitorOf('203.0.113.7', 40_000, 'https', 'c', NO_LIMIT)
const PROXY = visitorOf(
  '10.0.0.1',
  40_000,
  'https',
  'c',
  NO_LIMIT,
  new Set(['remote-user', 'x-forwarded-user', 'cf-ipcountry']),
)
const FORGED = 'forged'

/** Names as the table has them, with something where anything may stand. */
const NAMES = PROXY_FIELDS.flatMap(({ names }) => names).flatMap(name => {
  if (name.startsWith('*')) return [`any${name.slice(1)}`, `x${name.slice(1)}`]
  return name.endsWith('*') ? [name.replace(/-?\*$/, ''), name.replace('*', 'any')].filter(isProxyField) : [name]
})
const HOP_BY_HOP = 'keep-alive transfer-encoding proxy-connection http2-settings pbt-error trailer upgrade'.split(' ')

const ORDINARY = `
  Accept Accept-Language User-Agent Referer Origin Range Pragma Priority DNT Via Date If-None-Match Sec-Fetch-Site Sec-CH-UA
  Upgrade-Insecure-Requests X-Requested-With X-Request-ID Traceparent X-B3-TraceId CDN-Loop X-Api-Key X-CSRF-Token X-Auth-Token
  X-User X-Client-Version X-HTTP-Method-Override X-Original-Filename X-Hostname X-Ssl TLS X-Client Remote Proxying X_Y
  CF-Access-Client-Id Script-Names Client-Certificate-Id X-Scheme-Color Trailers Shiba Zip X-Tooltip Sec-WebSocket-Key
  Sec-WebSocket-Version Membership Front-End Telegram Expectations Xforwarded`
  .trim()
  .split(/\s+/)

function asField(name: string, visitor = STRANGER): boolean {
  return requestHeaders(['Before', '1', name, FORGED, 'After', '2'], visitor, 'app.example.com').includes(FORGED)
}

function asTrailer(name: string): boolean {
  return requestTrailers(['Before', '1', name, FORGED, 'After', '2']).includes(FORGED)
}

function spellings(name: string): string[] {
  const upper = name.toUpperCase()
  const title = name.replace(/(^|-)[a-z]/g, letter => letter.toUpperCase())
  const signs = ['_', '.', '~', '!'].map(sign => title.replaceAll('-', sign))
  return [name, upper, title, ...signs, upper.replaceAll('-', '_'), title.replace('-', '_')]
}

test('B6: what only a proxy may say reaches a target neither as a field nor as a trailer, however it is spelled', () => {
  assert.ok(NAMES.length > 80)
  for (const name of [...NAMES, ...HOP_BY_HOP].flatMap(spellings)) {
    assert.ok(!asField(name), `field ${name}`)
    assert.ok(!asTrailer(name), `trailer ${name}`)
  }
})

test('ordinary fields of applications pass, as fields and as trailers', () => {
  for (const name of [...ORDINARY, ...ORDINARY.map(each => each.toLowerCase())]) {
    assert.ok(asField(name), `field ${name}`)
    assert.ok(asTrailer(name), `trailer ${name}`)
  }
})

test('B6, D4: trailers that frame, route or authenticate are dropped in every spelling', () => {
  const names = ['content-length', 'content-type', 'content-encoding', 'content-range', 'cache-control', 'set-cookie']
  for (const name of [...names.flatMap(spellings), 'Host', 'Authorization', 'COOKIE', 'Connection', 'TE', 'Expect']) {
    assert.ok(!asTrailer(name), name)
  }
  assert.deepEqual(requestTrailers([':path', '/', 'x-sum', '1', 'Grpc-Status', '0']), [
    'x-sum',
    '1',
    'Grpc-Status',
    '0',
  ])
})

test('B6: a length in a spelling that only some take for it is dropped', () => {
  assert.ok(asField('Content-Length'))
  for (const name of ['Content_Length', 'content.length', 'CONTENT_LENGTH']) assert.ok(!asField(name), name)
})

test("looking at the first letters changes nothing: whatever the name, the judgement is the whole name's", () => {
  const part = fc.constantFrom(...NAMES, ...ORDINARY, ...HOP_BY_HOP)
  const cut = fc
    .tuple(part, fc.nat(30), part, fc.nat(30))
    .map(([one, to, two, from]) => one.slice(0, to) + two.slice(from))
  const sign = fc.constantFrom('-', '_', '.', '~', '1')
  const name = fc
    .tuple(fc.oneof(part, cut, fc.stringMatching(/^[A-Za-z0-9_.-]{1,12}$/)), sign, fc.nat(2 ** 20))
    .map(([text, other, cases]) =>
      [...text.replaceAll('-', other)].map((c, at) => ((cases >> (at % 20)) & 1 ? c.toUpperCase() : c)).join(''),
    )
    .filter(text => text !== '')
  fc.assert(
    fc.property(name, text => {
      const plain = plainNameOf(text.toLowerCase())
      if (!isProxyField(plain)) return
      assert.ok(!asField(text), `field ${text}`)
      assert.ok(!asTrailer(text), `trailer ${text}`)
    }),
    { numRuns: 20_000 },
  )
})

test('B6: a trusted proxy is believed the fields that the owner names, spelled so, and never as trailers', () => {
  for (const name of ['Remote-User', 'remote-user', 'X-Forwarded-User', 'CF-IPCountry']) {
    assert.ok(asField(name, PROXY), name)
    assert.ok(!asField(name), name)
    assert.ok(!asTrailer(name), name)
  }
  const others = 'Remote_User Remote-Groups X-Forwarded-For X-Real-IP X_Forwarded_User Proxy X-Client-IP'.split(' ')
  for (const name of others) assert.ok(!asField(name, PROXY), name)
})

test('the fields of a request keep their order and octets, and those of the edge come last and once', () => {
  const raw = ['A', '1', 'x-real-ip', '6.6.6.6', 'b', '\xe9', 'A', '3', 'Connection', 'b, X-Forwarded-For']
  assert.deepEqual(requestHeaders(raw, STRANGER, 'app.example.com'), [
    ...['A', '1', 'A', '3', 'X-Forwarded-For', '203.0.113.7', 'X-Forwarded-Proto', 'https'],
    ...['X-Forwarded-Host', 'app.example.com', 'X-Forwarded-Port', '443', 'X-Real-IP', '203.0.113.7'],
    ...['Forwarded', 'for=203.0.113.7;host="app.example.com";proto=https'],
  ])
})

test('B12: the port that a visitor dialled is the one of its authority, else that of the scheme', () => {
  const cases: readonly (readonly [authority: string, port: string])[] = [
    ['app.example.com', '443'],
    ['app.example.com:9443', '9443'],
    ['[2001:db8::7]', '443'],
    ['[2001:db8::7]:9443', '9443'],
  ]
  for (const [authority, port] of cases) {
    const fields = requestHeaders([], STRANGER, authority)
    assert.equal(fields[fields.indexOf('X-Forwarded-Port') + 1], port, authority)
  }
  const plain = requestHeaders([], { ...STRANGER, scheme: 'http' }, 'app.example.com')
  assert.equal(plain[plain.indexOf('X-Forwarded-Port') + 1], '80')
})
