import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseHostname, randomLabel } from './names.ts'

const BASE = 'tunnel.example.com'

test('labels, names below the base domain and own domains are told apart', () => {
  assert.deepEqual(parseHostname('MyApp', BASE), { host: `myapp.${BASE}`, label: 'myapp' })
  assert.deepEqual(parseHostname(`myapp.${BASE}.`, BASE), { host: `myapp.${BASE}`, label: 'myapp' })
  assert.deepEqual(parseHostname('App.Mine.UK', BASE), { host: 'app.mine.uk', label: undefined })
  assert.deepEqual(parseHostname('bücher', BASE), { host: `xn--bcher-kva.${BASE}`, label: 'xn--bcher-kva' })
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
    `Link.${BASE}.`,
    BASE,
  ]) {
    assert.throws(() => parseHostname(name, BASE), { code: 'name-reserved' }, name)
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
    `a.b.${BASE}`,
    'x'.repeat(64),
    'a..b',
    '*',
    'a%2eb',
  ]
  for (const name of wrong) assert.throws(() => parseHostname(name, BASE), { code: 'name-invalid' }, name)
})

test('random labels are names', () => {
  for (let count = 0; count < 200; count++)
    assert.match(parseHostname(randomLabel(), BASE).label ?? '', /^[a-z]+-[a-z]+-\d\d$/)
})
