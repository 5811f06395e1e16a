// HOST[:PORT] as owners write it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../failure.ts'
import { formatServer, isLoopback, linkName, loopbackTargets, parseServer } from './server-address.ts'

const read = (text: string) => formatServer(parseServer(text, '--server'))

test('host and port are read, lower-cased and completed', () => {
  assert.equal(read('tunnel.example.com'), 'tunnel.example.com:443')
  assert.equal(read('Tunnel.Example.com.:8443'), 'tunnel.example.com:8443')
  assert.equal(read('https://tunnel.example.com/'), 'tunnel.example.com:443')
  assert.equal(read('HTTPS://tunnel.example.com:8443'), 'tunnel.example.com:8443')
  assert.equal(read('localhost'), 'localhost:8443')
  assert.equal(read('localhost:9000'), 'localhost:9000')
  assert.equal(read('link.tunnel.example.com'), 'tunnel.example.com:443')
  assert.equal(read('bücher.example'), 'xn--bcher-kva.example:443')
})

test('what cannot be a base domain is a usage error with the text in it', () => {
  for (const text of [
    '',
    ':443',
    'http://x.example',
    'https://x.example/path',
    'https://me@x.example',
    'https://',
    'x.example:0',
    'x.example:65536',
    '10.0.0.1:8443',
    '[::1]:8443',
    'a b',
    'x..y',
  ]) {
    assert.throws(
      () => read(text),
      (error: unknown) => error instanceof Failure && error.code === 'usage' && error.message.includes(`"${text}"`),
    )
  }
})

test('localhost is dialled without a name service, others by name', () => {
  assert.deepEqual(loopbackTargets({ base: 'localhost', port: 8443 }), ['ipv4:127.0.0.1:8443', 'ipv6:[::1]:8443'])
  assert.deepEqual(loopbackTargets({ base: 't.example', port: 443 }), [])
  assert.equal(isLoopback({ base: 't.example', port: 443 }), false)
  assert.equal(linkName({ base: 'localhost', port: 8443 }), 'link.localhost')
})
