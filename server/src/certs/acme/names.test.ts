// Which names can be had, how they are proved, and the records that they need.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseHost } from '../../relay/address.ts'
import { baseDomains, delegationOf, labelOf, MAX_NAMES, needsOwnCertificate, newDomain, recordsOf } from './names.ts'

const PLACE = { baseDomain: 'tunnel.example.com', publicAddress: ['203.0.113.7', '2001:db8::7'] }

test('custom domains and what lies deeper below the base domain, in ASCII', () => {
  assert.deepEqual(newDomain(['Bücher.Mine.UK.'], undefined, PLACE).names, ['xn--bcher-kva.mine.uk'])
  assert.equal(newDomain(['app.mine.uk'], undefined, PLACE).proof, 'http')
  assert.equal(newDomain(['mine.uk', '*.mine.uk'], undefined, PLACE).proof, 'delegated')
  assert.equal(newDomain(['*.app.tunnel.example.com'], undefined, PLACE).name, '*.app.tunnel.example.com')
  assert.equal(needsOwnCertificate(parseHost('app', PLACE.baseDomain)), false)
})

test('what cannot be had is refused with the reason', () => {
  const refused: [string[], 'http' | undefined, RegExp][] = [
    [['app.tunnel.example.com'], undefined, /lies below the base domain, whose own certificate covers it/],
    [['tunnel.example.com'], undefined, /the server itself has it/],
    [['link.tunnel.example.com'], undefined, /reserved/],
    [['*.mine.uk'], 'http', /cannot be proved over HTTP/],
    [['203.0.113.7'], undefined, /an IP address/],
    [['*.*.mine.uk'], undefined, /a wildcard "\*\." may come once/],
    [Array.from({ length: MAX_NAMES + 1 }, (_, at) => `n${at}.mine.uk`), undefined, /26 names are too many/],
  ]
  for (const [names, proof, words] of refused) assert.throws(() => newDomain(names, proof, PLACE), words)
  assert.throws(() => newDomain(['app.sub.localhost'], undefined, { baseDomain: 'x.test' }), /no CA issues/)
})

test('records: CNAME below, addresses at an apex, delegation for wildcards', () => {
  const texts = (names: string[]) =>
    recordsOf(newDomain(names, undefined, PLACE), PLACE).map(({ name, type, value }) => `${name} ${type} ${value}`)
  assert.deepEqual(texts(['app.mine.uk']), ['app.mine.uk CNAME tunnel.example.com'])
  assert.deepEqual(texts(['mine.uk']), ['mine.uk A 203.0.113.7', 'mine.uk AAAA 2001:db8::7'])
  assert.deepEqual(texts(['*.mine.uk']), [
    '*.mine.uk CNAME tunnel.example.com',
    'acme.tunnel.example.com NS tunnel.example.com',
    `_acme-challenge.mine.uk CNAME ${labelOf('mine.uk')}.acme.tunnel.example.com`,
  ])
})

test('a name and its wildcard are proved at one place, whichever domain asks: there can be one CNAME only', () => {
  const of = (...names: string[]) => [...delegationOf({ names }, PLACE.baseDomain)]
  const [[name = '', target = ''] = []] = of('*.mine.uk')
  assert.equal(name, 'mine.uk')
  assert.match(target, /^[0-9a-f]{20}\.acme\.tunnel\.example\.com$/)
  assert.deepEqual(of('mine.uk', '*.mine.uk'), [[name, target]])
  assert.notEqual(of('*.app.mine.uk')[0]?.[1], target)
})

test('the server itself needs base, link and admin, and the wildcard with a responder', () => {
  assert.deepEqual(
    baseDomains('b.test', false).map(({ names }) => names),
    [['b.test', 'link.b.test', 'admin.b.test']],
  )
  assert.deepEqual(
    baseDomains('b.test', true).map(({ name, proof }) => `${name} ${proof}`),
    ['b.test http', '*.b.test delegated'],
  )
})
