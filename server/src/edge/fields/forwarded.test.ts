import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Allowlist } from '../../access/allowlist.ts'
import { MAX_PROXIES, TrustedProxies } from '../../access/trusted-proxies.ts'
import { NO_LIMIT } from '../testing/access.ts'
import { visitorBehind } from './forwarded.ts'
import { valuesOf, visitorOf } from './headers.ts'
import { requestHeaders } from './request-fields.ts'

const PROXY = visitorOf('10.0.0.1', 40_000, 'https', 'c', NO_LIMIT, new Set())
const proxies = new TrustedProxies(['10.0.0.0/8', '2001:db8:1::/48'])

function behind(...raw: string[]) {
  return visitorBehind(PROXY, raw, proxies, () => NO_LIMIT)
}

/** What the target gets of one field. */
function told(name: string, ...raw: string[]): string[] {
  return valuesOf(requestHeaders(raw, behind(...raw), 'app.example.com'), name)
}

test('the visitor is the last hop that is no trusted proxy', () => {
  const cases: readonly (readonly [chain: string, endpoint: string])[] = [
    ['203.0.113.7', '203.0.113.7:0'],
    ['198.51.100.1, 203.0.113.7', '203.0.113.7:0'],
    ['198.51.100.1, 203.0.113.7 , 10.1.2.3,10.0.0.9', '203.0.113.7:0'],
    ['203.0.113.7:50123', '203.0.113.7:50123'],
    ['[2001:db8::7]:443', '[2001:db8::7]:443'],
    ['2001:db8::7, [2001:db8:1::9]:80', '[2001:db8::7]:0'],
    ['::ffff:203.0.113.7', '203.0.113.7:0'],
    ['::ffff:203.0.113.7, ::ffff:10.0.0.9', '203.0.113.7:0'],
    ['10.0.0.2, 10.0.0.3', '10.0.0.2:0'],
    ['203.0.113.7,,', '203.0.113.7:0'],
  ]
  for (const [chain, endpoint] of cases) assert.equal(behind('X-Forwarded-For', chain).endpoint, endpoint, chain)
  assert.equal(behind('X-Forwarded-For', '203.0.113.7', 'x-forwarded-for', '10.0.0.2').address, '203.0.113.7')
  assert.equal(behind('Forwarded', 'for=203.0.113.7;proto=https, for="10.0.0.3:80"').address, '203.0.113.7')
  assert.equal(behind('Forwarded', 'For="[2001:db8::7]:4711";host="a, b"').endpoint, '[2001:db8::7]:4711')
  assert.equal(behind('Forwarded', 'for=198.51.100.1', 'X-Forwarded-For', '203.0.113.7').address, '203.0.113.7')
})

test('B5: what a proxy passes on that is no address lets nobody in', () => {
  const list = new Allowlist(['0.0.0.0/0', '::/0'])
  const hostile = [
    'unknown',
    '_hidden',
    '203.0.113.7, nonsense',
    '203.0.113.7, 1.2.3',
    '203.0.113.999',
    '010.0.0.1',
    '0x7f000001',
    'fe80::1%eth0',
    '[fe80::1%25eth0]:80',
    '[203.0.113.7]',
    '203.0.113.7:99999',
    '[::1',
    '::1]',
    '2001:db8::1:::1',
    '"203.0.113.7"',
    '__proto__',
    '\u0000',
    'x'.repeat(60_000),
    Array(MAX_PROXIES + 1)
      .fill('10.0.0.1')
      .join(','),
  ]
  for (const chain of hostile) {
    const { address } = behind('X-Forwarded-For', chain)
    assert.equal(address, 'unknown', chain.slice(0, 80))
    assert.equal(list.allows(address), false)
  }
  const malformed = [
    'for="203.0.113.7',
    'for=203.0.113.7; for=198.51.100.1',
    'for=203.0.113.7;;proto=http',
    'for=[2001:db8::1]',
    'proto=https',
    'for',
    '=',
    'for="\\',
    `${'for="'.repeat(12_000)}`,
  ]
  for (const text of malformed) assert.equal(behind('Forwarded', text).address, 'unknown', text.slice(0, 80))
})

test('a proxy that says nothing asks for itself', () => {
  assert.equal(behind('Accept', '*/*'), PROXY)
  assert.equal(behind('X-Forwarded-For', ' , ,'), PROXY)
})

test('an address that is not trusted says nothing of others', () => {
  const believed = proxies.trusts('203.0.113.7') ? proxies.fields : undefined
  const visitor = visitorOf('203.0.113.7', 40_000, 'https', 'c', NO_LIMIT, believed)
  assert.equal(
    visitorBehind(visitor, ['X-Forwarded-For', '10.0.0.1'], proxies, () => NO_LIMIT),
    visitor,
  )
  assert.equal(new TrustedProxies([]).trusts('10.0.0.1'), false)
})

test('B6: what a trusted proxy says goes on, with the proxy added, and each field once', () => {
  const raw = ['X-Forwarded-For', '198.51.100.1, 203.0.113.7', 'X-Forwarded-Proto', 'http', 'X-Real-IP', '192.0.2.1']
  const more = ['X-Forwarded-Host', 'public.example.com', 'X-Forwarded-Port', '8080', 'X_Forwarded_For', '192.0.2.2']
  const all = [...raw, ...more, 'Forwarded', 'for=192.0.2.3']
  assert.deepEqual(told('x-forwarded-for', ...all), ['198.51.100.1, 203.0.113.7, 10.0.0.1'])
  assert.deepEqual(told('x-real-ip', ...all), ['203.0.113.7'])
  assert.deepEqual(told('x-forwarded-proto', ...all), ['http'])
  assert.deepEqual(told('x-forwarded-host', ...all), ['public.example.com'])
  assert.deepEqual(told('x-forwarded-port', ...all), ['8080'])
  assert.deepEqual(told('x_forwarded_for', ...all), [])
  assert.deepEqual(told('forwarded', ...all), [
    'for=203.0.113.7;host="public.example.com";proto=http, for=10.0.0.1;host="app.example.com";proto=https',
  ])
  assert.deepEqual(told('forwarded', 'Forwarded', 'for="[2001:db8::7]";proto=http;by=_x'), [
    'for="[2001:db8::7]";proto=http;by=_x, for=10.0.0.1;host="app.example.com";proto=https',
  ])
  assert.deepEqual(told('x-forwarded-for', 'Forwarded', 'for="[2001:db8::7]";proto=http'), ['2001:db8::7, 10.0.0.1'])
  assert.deepEqual(told('x-forwarded-proto', 'Forwarded', 'for=203.0.113.7;proto=http'), ['http'])
})

test('what a proxy says of scheme, host and port holds only when it makes sense', () => {
  const from = ['X-Forwarded-For', '203.0.113.7']
  const odd = ['X-Forwarded-Proto', 'gopher', 'X-Forwarded-Host', 'a"b', 'X-Forwarded-Port', '80; x']
  assert.deepEqual(told('x-forwarded-proto', ...from, ...odd), ['https'])
  assert.deepEqual(told('x-forwarded-host', ...from, ...odd), ['app.example.com'])
  assert.deepEqual(told('x-forwarded-port', ...from, ...odd), ['443'])
  assert.deepEqual(told('x-forwarded-port', ...from, 'X-Forwarded-Proto', 'http'), ['80'])
  assert.deepEqual(told('x-forwarded-port', ...from, 'X-Forwarded-Host', 'a.example.com:81'), ['81'])
  assert.deepEqual(told('x-forwarded-port', ...from, 'X-Forwarded-Host', 'a.example.com'), ['443'])
  assert.deepEqual(told('x-forwarded-port', ...from, 'X-Forwarded-Port', '65536'), ['443'])
  assert.deepEqual(told('x-forwarded-proto', ...from, 'X-Forwarded-Proto', 'https, http'), ['http'])
})
