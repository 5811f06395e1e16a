// The edge's own answers, each by its code, for browsers and for programs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTunnel, sharedPbt } from '../support/shared.ts'
import { httpTarget, rawTarget, scriptedTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawRequest, rawTlsVisitor } from '../support/visitors.ts'
import { upgradeRequest } from '../support/websocket.ts'

const { house, pbt } = sharedPbt()

const get = (host: string, more = '') => `GET / HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\n\r\n`

test('B11: unknown names, in the form the visitor reads', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('ok'))
  const { server } = await pbt(target)
  const plain = await rawRequest(t, server, get('nobody.localhost'))
  assert.match(plain, /^HTTP\/1\.1 404 [\s\S]*content-type: text\/plain[\s\S]*pbt-error: unknown-host/i)
  assert.match(await rawRequest(t, server, get('nobody.localhost', 'Accept: text/html\r\n')), /<!doctype html>/)
  const json = await rawRequest(t, server, get('nobody.localhost', 'Accept: application/json\r\n'))
  assert.equal(JSON.parse(json.slice(json.indexOf('\r\n\r\n'))).error, 'unknown-host')
  for (const host of ['a.app.localhost', 'xapp.localhost', 'localhost', '127.0.0.1']) {
    assert.match(await rawRequest(t, server, get(host)), /^HTTP\/1\.1 404 /, host)
  }
  assert.match(await rawRequest(t, server, get('APP.localhost.:8080')), /^HTTP\/1\.1 200 /)
})

test('a target that is not there, or closes without an answer', async t => {
  const unreachable = await pbt(1)
  const answer = await rawRequest(t, unreachable.server, get('app.localhost'))
  assert.match(answer, /^HTTP\/1\.1 502 [\s\S]*pbt-error: target-unreachable/)
  const closes = await pbt(await rawTarget(t, socket => socket.once('data', () => socket.destroy())))
  assert.match(await rawRequest(t, closes.server, get('app.localhost')), /502 [\s\S]*pbt-error: target-broke/)
})

test('B7: a target can never send pbt-error, nor keep a hop-by-hop field', async t => {
  const target = await scriptedTarget(
    t,
    'HTTP/1.1 200 OK\r\nPBT-Error: offline\r\nKeep-Alive: timeout=9\r\nConnection: X-Gone\r\nX-Gone: 1\r\nX-Stays: 1\r\nContent-Length: 2\r\n\r\nok',
  )
  const { server } = await pbt(target)
  const answer = await rawRequest(t, server, get('app.localhost'))
  assert.doesNotMatch(answer, /pbt-error|x-gone|timeout=9/i)
  assert.match(answer, /X-Stays: 1/)
})

test('B4: a connection is shared by names that its certificate stands for, and by no others', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('ok'))
  const { server } = await pbt(target)
  const session = await http2Visitor(t, server, 'other.localhost')
  assert.equal((await http2Request(session, { ':authority': `app.localhost:${server.https}` })).status, 200)
  for (const authority of ['app.example.com', 'admin.localhost']) {
    const answer = await http2Request(session, { ':authority': authority })
    assert.equal(answer.status, 421)
    assert.equal(answer.headers['pbt-error'], 'misdirected')
  }
})

test('B4, B5: the allowlist of the tunnel that a request is for decides, whatever name its connection was made for', async t => {
  const target = await httpTarget(t, (request, response) => response.end(`for ${request.headers.host}`))
  const { server, home, client } = await house()
  await openTunnel(home, client, { http: target, domain: 'everybody' })
  await openTunnel(home, client, { http: target, domain: 'nobody', allow: '192.0.2.0/24' })
  await openTunnel(home, client, { http: target, domain: 'friends', allow: '127.0.9.1' })
  const expected = (from: string): Record<string, number> => {
    return { everybody: 200, nobody: 403, friends: from === '127.0.9.1' ? 200 : 403 }
  }
  for (const from of ['127.0.9.1', '127.0.9.2']) {
    for (const made of ['everybody', 'nobody', 'friends']) {
      const session = await http2Visitor(t, server, `${made}.localhost`, from)
      const kept = await rawTlsVisitor(t, server, `${made}.localhost`, { from })
      for (const asked of ['everybody', 'nobody', 'friends', 'everybody', made]) {
        const status = expected(from)[asked]
        const what = `from ${from}, made for ${made}, asked for ${asked}`
        // What a visitor claims of itself is nothing that an allowlist looks at.
        const claims = { 'x-forwarded-for': '192.0.2.1', 'x-real-ip': '127.0.9.1' }
        const answer = await http2Request(session, { ':authority': `${asked}.localhost`, ...claims })
        assert.equal(answer.status, status, what)
        assert.equal(answer.headers['pbt-error'], status === 403 ? 'not-allowed' : undefined, what)
        kept.text = ''
        kept.send(`GET / HTTP/1.1\r\nHost: ${asked}.localhost\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n`)
        await kept.until(/\r\n\r\n[\s\S]*(pbt-error: not-allowed|for \w+\.localhost)/)
        assert.match(kept.text, new RegExp(`^HTTP/1\\.1 ${status} `), what)
        // A WebSocket is judged likewise.
        const upgrading = await rawTlsVisitor(t, server, `${made}.localhost`, { from })
        upgrading.send(upgradeRequest('/', `${asked}.localhost`))
        await upgrading.until(/^HTTP\/1\.1 \d\d\d /)
        assert.match(upgrading.text, new RegExp(`^HTTP/1\\.1 ${status} `), what)
        upgrading.socket.destroy()
      }
      session.destroy()
      kept.socket.destroy()
    }
  }
})
