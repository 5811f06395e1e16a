// Which cookies reach the base domain, as browsers read them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CookieIsolation } from './cookies.ts'

const BASE = 'tunnel.example.com'

function isStripped(cookie: string, base = BASE): boolean {
  let count = 0
  const cookies = new CookieIsolation(base, tunnel => {
    assert.equal(tunnel, 'app')
    count++
  })
  const kept = cookies.keep(['Set-Cookie', cookie], 'app')
  assert.equal(kept.length, count === 0 ? 2 : 0)
  return count === 1
}

test('A8: a cookie whose Domain is the base domain or above it is stripped, however it is written', () => {
  const domains = [
    ...[BASE, `.${BASE}`, `..${BASE}`, `${BASE}.`, BASE.toUpperCase(), `"${BASE}"`, `'.${BASE}'`, ` \t${BASE} \t`],
    ...[
      `" ${BASE}"`,
      'example.com',
      '.example.com',
      'com',
      'Example.COM',
      '.com',
      `${BASE};`,
      `${BASE}; Path=/; Secure`,
    ],
    // What no host has, or what some read as another one.
    ...[
      'tunnel.ex%61mple.com',
      'tunnel.ex\xe4mple.com',
      `${BASE}:443`,
      `a=${BASE}`,
      `${BASE}/`,
      `${BASE},x`,
      `x..${BASE}`,
    ],
  ]
  for (const domain of domains) {
    for (const name of ['Domain=', 'domain=', 'DOMAIN=', ' domain =', '\tDoMaIn\t=\t']) {
      assert.ok(isStripped(`a=b;${name}${domain}`), `${name}${domain}`)
    }
  }
  const several = [
    `a=b; Domain=app.${BASE}; Domain=${BASE}`,
    `a=b; Domain=${BASE}; Domain=`,
    `a=b; Domain=${BASE}; domain`,
    `a=b; Domain=${BASE}; Domain=.`,
    `a=b; Domain=other.org; Path=/; Domain=com`,
  ]
  for (const cookie of several) assert.ok(isStripped(cookie), cookie)
  for (const cookie of [`Domain=x; Domain=${BASE}`, `=b; Domain=${BASE}`, `;Domain=${BASE}`, `a="b; Domain=${BASE}"`]) {
    assert.ok(isStripped(cookie), cookie)
  }
})

test('A8: every other cookie passes, octet for octet', () => {
  const cookies = [
    ...['', 'a', 'a=b', 'a=b; Path=/; Secure; HttpOnly; SameSite=None; Partitioned', '__Host-a=b; Secure; Path=/'],
    ...['a=b; Domain=', 'a=b; Domain', 'a=b; Domain=.', 'a=b; Domain=""', `Domain=${BASE}`, `Domain=${BASE}; Path=/`],
    ...[
      `a=b; Domain=app.${BASE}`,
      `a=b; Domain=.app.${BASE}`,
      `a=b; Domain=not${BASE}`,
      'a=b; Domain=other.example.com',
    ],
    ...[`a=b; Domain=${BASE}; Domain=app.${BASE}`, `a=b; Domain=com; domain=app.mine.uk`, 'a=b; Domain=app.mine.uk'],
    ...[
      `a=b; Path=/Domain=${BASE}`,
      `a=b; X-Domain=${BASE}`,
      `a=b, Domain=${BASE}`,
      `a=b; Domains=${BASE}`,
      'a=b; Domain=om',
    ],
  ]
  for (const cookie of cookies) assert.ok(!isStripped(cookie), cookie)
})

test('A8: with base domain localhost too', () => {
  assert.ok(isStripped('a=b; Domain=localhost', 'localhost'))
  assert.ok(isStripped('a=b; domain=.LOCALHOST', 'localhost'))
  assert.ok(!isStripped('a=b; Domain=app.localhost', 'localhost'))
})

test('the other fields stay as they are, and a list without such cookies is the same list', () => {
  const cookies = new CookieIsolation(BASE, () => {})
  const plain = ['a', '1', 'Set-Cookie', 'a=b', 'set-cookie2', `a=b; Domain=${BASE}`, 'x', `;Domain=${BASE}`]
  assert.equal(cookies.keep(plain, 'app'), plain)
  const mixed = [
    'a',
    '1',
    'SET-COOKIE',
    `a=b; Domain=${BASE}`,
    'set-cookie',
    'c=d',
    'set-cookie',
    'e=f;domain=com',
    'z',
    '2',
  ]
  assert.deepEqual(cookies.keep(mixed, 'app'), ['a', '1', 'set-cookie', 'c=d', 'z', '2'])
})

test('whatever stands around it, only the last Domain decides', () => {
  const reaching = fc.constantFrom(BASE, `.${BASE}`, 'example.com', 'COM', `"${BASE}"`)
  const harmless = fc.constantFrom(`app.${BASE}`, 'mine.uk', `x${BASE}`, 'app.mine.uk')
  const noise = fc.stringMatching(/^[a-ce-zA-CE-Z0-9 ="/,.-]{0,12}$/)
  const domain = (value: fc.Arbitrary<string>) => value.map(text => `Domain=${text}`)
  const before = fc.array(fc.oneof(noise, domain(reaching), domain(harmless)), { maxLength: 5 })
  const behind = fc.array(fc.oneof(noise, fc.constantFrom('Domain=', 'domain', 'Domain = " "')), { maxLength: 3 })
  fc.assert(
    fc.property(before, fc.boolean(), reaching, harmless, behind, (first, reaches, yes, no, last) => {
      const cookie = ['a=b', ...first, `Domain=${reaches ? yes : no}`, ...last].join(';')
      assert.equal(isStripped(cookie), reaches, cookie)
    }),
  )
})
