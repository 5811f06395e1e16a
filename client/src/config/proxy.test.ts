// Which proxy the environment names for which server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../failure.ts'
import { formatProxy, proxyFor } from './proxy.ts'

const HOST = 'link.tunnel.example.com'
const shown = (env: Record<string, string>, host = HOST, port = 443) => {
  const proxy = proxyFor(env, host, port)
  return proxy === undefined ? 'none' : `${proxy.isTls ? 'tls ' : ''}${formatProxy(proxy)}`
}

test('the variables and forms that other programs know', () => {
  assert.equal(shown({}), 'none')
  assert.equal(shown({ HTTP_PROXY: 'http://p:1' }), 'none')
  assert.equal(shown({ HTTPS_PROXY: 'http://p.example:3128' }), 'p.example:3128')
  assert.equal(shown({ HTTPS_PROXY: 'p.example:3128' }), 'p.example:3128')
  assert.equal(shown({ HTTPS_PROXY: 'http://p.example' }), 'p.example:80')
  assert.equal(shown({ HTTPS_PROXY: 'https://p.example' }), 'tls p.example:443')
  assert.equal(shown({ HTTPS_PROXY: 'http://[2001:db8::1]:3128/' }), '[2001:db8::1]:3128')
  assert.equal(shown({ HTTPS_PROXY: 'http://other:1', https_proxy: 'http://p:2' }), 'p:2')
})

test('user and password are decoded, and never shown', () => {
  const proxy = proxyFor({ HTTPS_PROXY: 'http://me:p%40ss%3A@p.example:3128' }, HOST, 443)
  assert.equal(proxy?.authorization, `Basic ${Buffer.from('me:p@ss:').toString('base64')}`)
  for (const text of ['http://me:hunter2%@p', 'socks5://me:hunter2@p:1080', 'http://me:hunter2@']) {
    assert.throws(
      () => proxyFor({ HTTPS_PROXY: text }, HOST, 443),
      error =>
        error instanceof Failure && error.code === 'usage' && !`${error.message}${error.cure}`.includes('hunter2'),
    )
  }
})

test('what NO_PROXY names goes without', () => {
  const cases: [list: string, host: string, isExcepted: boolean][] = [
    ['*', HOST, true],
    ['example.com', HOST, true],
    ['.tunnel.example.com', HOST, true],
    ['*.example.com', HOST, true],
    ['LINK.Tunnel.Example.com', HOST, true],
    ['other.org, tunnel.example.com:443', HOST, true],
    ['tunnel.example.com:8443', HOST, false],
    ['ample.com', HOST, false],
    ['', HOST, false],
    ['10.0.0.0/8 192.0.2.7', '192.0.2.7', true],
    ['10.0.0.0/8', '10.1.2.3', true],
    ['10.0.0.0/8', '11.1.2.3', false],
    ['2001:db8::/32', '2001:db8::7', true],
    ['10.0.0.0/x', '10.1.2.3', false],
  ]
  for (const [list, host, isExcepted] of cases) {
    for (const name of ['NO_PROXY', 'no_proxy']) {
      const env = { HTTPS_PROXY: 'http://p:1', [name]: list }
      assert.equal(shown(env, host), isExcepted ? 'none' : 'p:1', `${list} for ${host}`)
    }
  }
})
