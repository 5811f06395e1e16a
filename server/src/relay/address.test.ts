import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostOf, keptAddress, parseAddress, parseHost, portAddress, wildcardFor } from './address.ts'
import { randomLabel } from './random-name.ts'

const BASE = 'tunnel.example.com'

test('labels, names below the base domain and own domains are told apart', () => {
  const myapp = { kind: 'name', text: 'myapp', key: `myapp.${BASE}` }
  for (const text of ['MyApp', `myapp.${BASE}.`]) assert.deepEqual(parseHost(text, BASE), myapp)
  assert.deepEqual(parseHost('App.Mine.UK', BASE), { kind: 'domain', text: 'app.mine.uk', key: 'app.mine.uk' })
  assert.equal(parseHost('bücher', BASE).text, 'xn--bcher-kva')
})

test('wildcards and names of several labels below the base domain are names of it, with one text each', () => {
  const wildcard = { kind: 'name', text: '*.app', key: `*.app.${BASE}` }
  for (const text of ['*.App', `*.app.${BASE}.`]) assert.deepEqual(parseHost(text, BASE), wildcard)
  const nested = { kind: 'name', text: `a.b.app.${BASE}`, key: `a.b.app.${BASE}` }
  assert.deepEqual(parseHost(`A.b.app.${BASE}`, BASE), nested)
  const both = { kind: 'name', text: `*.b.app.${BASE}`, key: `*.b.app.${BASE}` }
  assert.deepEqual(parseHost(`*.b.app.${BASE}`, BASE), both)
  assert.deepEqual(parseHost('*.Mine.uk', BASE), { kind: 'domain', text: '*.mine.uk', key: '*.mine.uk' })
})

test('a host has one wildcard, which stands for its first label', () => {
  assert.equal(wildcardFor(`a.b.app.${BASE}`), `*.b.app.${BASE}`)
  assert.equal(wildcardFor('localhost'), '')
  assert.equal(hostOf(parseHost('*.app', BASE)), `any.app.${BASE}`)
  assert.equal(hostOf(parseHost('app', BASE)), `app.${BASE}`)
})

test('reserved names are refused in any spelling', () => {
  for (const name of [
    'link',
    'ADMIN',
    'www',
    'api',
    'acme',
    'localhost',
    '_x',
    `admin.${BASE}`,
    `*.${BASE}`,
    '*.admin',
    `a.acme.${BASE}`,
    `_acme-challenge.app.${BASE}`,
    `Link.${BASE}.`,
    BASE,
  ]) {
    assert.throws(() => parseHost(name, BASE), { code: 'name-reserved' }, name)
  }
})

test('what is no name is refused with why', () => {
  const wrong = [
    '',
    ' ',
    '-a',
    'a-',
    'a b',
    'a/b',
    'a:1',
    'a@b',
    '1.2.3.4',
    'x'.repeat(64),
    'a..b',
    '*',
    '*a',
    'a.*',
    'a.*.b',
    '*.*.a',
    '*.',
    `a.-b.${BASE}`,
    `a..b.${BASE}`,
    `${'ü.'.repeat(50)}b`,
    'a%2eb',
    'xn--a',
    'xn--a.uk',
    `xn---.${BASE}`,
    '*.xn--zz--.uk',
  ]
  for (const name of wrong) assert.throws(() => parseHost(name, BASE), { code: 'name-invalid' }, name)
})

test('who gives a URL is told what to drop', () => {
  const told: Record<string, string> = {
    'https://app.mine.uk/': 'drop "https://" and the path "/": give app.mine.uk',
    'https://app.mine.uk:8443/a?b#c': 'drop "https://", the port ":8443" and the path "/a?b#c": give app.mine.uk',
    'app.mine.uk:443': 'drop the port ":443": give app.mine.uk',
    'app/x': 'drop the path "/x": give app',
    'a b': 'choose a name such as "myapp", or a full domain such as "app.mine.uk"',
  }
  for (const [text, cure] of Object.entries(told)) {
    assert.throws(() => parseHost(text, BASE), { code: 'name-invalid', cure }, text)
  }
})

test('a name that is too long with the base domain is refused', () => {
  const base = `${'b.'.repeat(100)}example.com`
  assert.throws(() => parseHost('x'.repeat(60), base), { code: 'name-invalid', message: /longer than 253/ })
})

test('random labels are names', () => {
  for (let count = 0; count < 200; count++) assert.match(parseHost(randomLabel(), BASE).text, /^[a-z]+-[a-z]+-\d\d$/)
})

test('an address is the same in every form in which people meet it, and after it was kept', () => {
  const forms: Record<string, string[]> = {
    myapp: ['myapp', `MyApp.${BASE}`, `https://myapp.${BASE}`, `http://myapp.${BASE}:8080/path?a=b`],
    '*.myapp': ['*.myapp', `*.MyApp.${BASE}`, `https://*.myapp.${BASE}`],
    [`a.myapp.${BASE}`]: [`a.myapp.${BASE}`, `https://a.myapp.${BASE}:8443/x`],
    'app.mine.uk': ['app.mine.uk', 'https://app.mine.uk:8443/', 'App.Mine.uk.'],
    'tcp:20022': ['tcp:20022', 'TCP:20022', 'tcp-20022', `tcp://${BASE}:20022`, `tcp://${BASE}:20022/`],
    'udp:1': ['udp:1', 'udp-1', 'udp://[::1]:1'],
    'tcp-200222': ['tcp-200222'],
  }
  for (const [text, written] of Object.entries(forms)) {
    for (const form of written) {
      const address = parseAddress(form, BASE)
      assert.equal(address.text, text, form)
      assert.deepEqual(keptAddress(address.text, BASE), address, form)
    }
  }
  assert.deepEqual(parseAddress('tcp:20022', BASE), portAddress('tcp', 20_022))
})

test('a port that is none is refused with what would be right', () => {
  for (const text of ['tcp:0', 'udp:65536', 'tcp://host:99999']) {
    assert.throws(() => parseAddress(text, BASE), { code: 'port-invalid', message: /no port from 1 to 65535/ }, text)
  }
  assert.throws(() => parseAddress('20022', BASE), { code: 'port-invalid', cure: 'give "tcp:20022" or "udp:20022"' })
})
