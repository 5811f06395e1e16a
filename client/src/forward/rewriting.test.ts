// What a target is told of its own address when it is to see another Host than the visitor's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RequestHead } from '@pbt/proto'
import { type HostHeader, hostHeaderFor, rewritten } from './rewriting.ts'

const PUBLIC = 'https://app.example.org'

function headOf(fields: Readonly<Record<string, string>>, host = 'app.example.org'): RequestHead {
  const all = { Host: host, 'X-Forwarded-Proto': 'https', ...fields }
  const about = { tunnel: 1, method: 'GET', target: '/', upgrade: '', visitor: '', connection: '' }
  return { ...about, headers: Object.entries(all).flat() }
}

/** A field as the target sees it. */
function seen(name: string, value: string, host: HostHeader, more: Readonly<Record<string, string>> = {}, of?: string) {
  const { headers } = rewritten(headOf({ ...more, [name]: value }, of), host)
  return headers[headers.indexOf(name) + 1]
}

const NAS = hostHeaderFor('nas.lan:5001', true)

test('B13: Host, Origin, Referer and Destination become the address of the target, in whatever case they are written', () => {
  assert.equal(seen('X-Other', 'x', NAS), 'x')
  assert.equal(rewritten(headOf({}), NAS).headers[1], 'nas.lan:5001')
  for (const name of ['Origin', 'ORIGIN', 'referer', 'Destination']) {
    assert.equal(seen(name, PUBLIC, NAS), 'https://nas.lan:5001', name)
    assert.equal(seen(name, 'HTTPS://App.Example.ORG:443/a?b#c', NAS), 'https://nas.lan:5001/a?b#c', name)
  }
  const dev = hostHeaderFor('localhost:3000', false)
  assert.equal(seen('Referer', `${PUBLIC}/a?u=${PUBLIC}/b`, dev), `http://localhost:3000/a?u=${PUBLIC}/b`)
  const locks = `<${PUBLIC}/a> (<urn:uuid:1> ["e"]) <https://other.example/b> (Not <DAV:no-lock>) </c> (<x>)`
  assert.equal(seen('If', locks, dev), locks.replace(PUBLIC, 'http://localhost:3000'))
})

test('B13: a port that goes without saying is not written; with one of its own the public address has it too', () => {
  assert.equal(seen('Origin', PUBLIC, hostHeaderFor('nas.lan:443', true)), 'https://nas.lan')
  assert.equal(seen('Origin', PUBLIC, hostHeaderFor('nas.lan:80', false)), 'http://nas.lan')
  assert.equal(seen('Origin', PUBLIC, hostHeaderFor('nas.lan:80', true)), 'https://nas.lan:80')
  assert.equal(seen('Origin', `${PUBLIC}:8443`, NAS, {}, 'app.example.org:8443'), 'https://nas.lan:5001')
  assert.equal(seen('Origin', `${PUBLIC}:8443`, NAS), `${PUBLIC}:8443`)
  const plain = { 'X-Forwarded-Proto': 'http' }
  assert.equal(seen('Origin', 'http://app.localhost:8080', NAS, plain, 'app.localhost:8080'), 'https://nas.lan:5001')
})

test('B13: behind a proxy of the owner it is the name that the visitor sees', () => {
  const proxied = { 'X-Forwarded-Host': 'shop.example.net' }
  assert.equal(seen('Origin', 'https://shop.example.net', NAS, proxied), 'https://nas.lan:5001')
  assert.equal(seen('Origin', PUBLIC, NAS, proxied), 'https://nas.lan:5001')
})

test('B13: what other sites send stays as it is, and everything does without the option', () => {
  for (const foreign of [
    'null',
    '',
    '/relative',
    '//app.example.org/',
    'https://evil.example',
    'https://app.example.org.evil.example/',
    'https://app.example.org@evil.example/',
    'https://evil.example/https://app.example.org',
    'http://app.example.org',
    'https://app.example.org:444',
    ' https://app.example.org',
  ]) {
    assert.equal(seen('Origin', foreign, NAS), foreign)
    assert.equal(seen('Referer', foreign, NAS), foreign)
  }
  const head = headOf({ Origin: PUBLIC })
  assert.equal(rewritten(head, { kind: 'preserve' }), head)
})
