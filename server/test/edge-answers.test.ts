// The edge's own answers, each by its code, for browsers and for programs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startPbt } from './support/programs.ts'
import { httpTarget, rawTarget, scriptedTarget } from './support/targets.ts'
import { http2Request, http2Visitor, rawRequest } from './support/visitors.ts'

const get = (host: string, more = '') => `GET / HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\n\r\n`

test('B11: unknown names, in the form the visitor reads', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('ok'))
  const { server } = await startPbt(t, target)
  const plain = await rawRequest(t, server, get('nobody.localhost'))
  assert.match(plain, /^HTTP\/1\.1 404 [\s\S]*content-type: text\/plain[\s\S]*pbt-error: unknown-host/i)
  assert.match(await rawRequest(t, server, get('nobody.localhost', 'Accept: text/html\r\n')), /<!doctype html>/)
  const json = await rawRequest(t, server, get('nobody.localhost', 'Accept: application/json\r\n'))
  assert.equal(JSON.parse(json.slice(json.indexOf('\r\n\r\n'))).error, 'unknown-host')
  for (const host of ['a.app.localhost', 'xapp.localhost', 'localhost', '127.0.0.1', 'admin.localhost']) {
    assert.match(await rawRequest(t, server, get(host)), /^HTTP\/1\.1 404 /, host)
  }
  assert.match(await rawRequest(t, server, get('APP.localhost.:8080')), /^HTTP\/1\.1 200 /)
})

test('C9, D2: a target that is not there, breaks off, or speaks nonsense', async t => {
  const unreachable = await startPbt(t, 1)
  const answer = await rawRequest(t, unreachable.server, get('app.localhost'))
  assert.match(answer, /^HTTP\/1\.1 502 [\s\S]*pbt-error: target-unreachable[\s\S]*connection refused/)
  for (const nonsense of [
    'hello\r\n\r\n',
    'HTTP/1.1 99 No\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    'HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n',
    `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`,
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n',
    'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(40),
  ]) {
    const { server } = await startPbt(t, await scriptedTarget(t, nonsense))
    const broken = await rawRequest(t, server, get('app.localhost'))
    assert.match(broken, /HTTP\/1\.1 502 [\s\S]*pbt-error: target-broke/, nonsense.slice(0, 60))
  }
  const closes = await startPbt(t, await rawTarget(t, socket => socket.once('data', () => socket.destroy())))
  assert.match(await rawRequest(t, closes.server, get('app.localhost')), /502 [\s\S]*pbt-error: target-broke/)
})

test('B7: a target can never send pbt-error, nor keep a hop-by-hop field', async t => {
  const target = await scriptedTarget(
    t,
    'HTTP/1.1 200 OK\r\nPBT-Error: offline\r\nKeep-Alive: timeout=9\r\nConnection: X-Gone\r\nX-Gone: 1\r\nX-Stays: 1\r\nContent-Length: 2\r\n\r\nok',
  )
  const { server } = await startPbt(t, target)
  const answer = await rawRequest(t, server, get('app.localhost'))
  assert.doesNotMatch(answer, /pbt-error|x-gone|timeout=9/i)
  assert.match(answer, /X-Stays: 1/)
})

test('B4: a connection is shared by names that its certificate stands for, and by no others', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('ok'))
  const { server } = await startPbt(t, target)
  const session = await http2Visitor(t, server, 'other.localhost')
  assert.equal((await http2Request(session, { ':authority': `app.localhost:${server.https}` })).status, 200)
  for (const authority of ['app.example.com', 'admin.localhost']) {
    const answer = await http2Request(session, { ':authority': authority })
    assert.equal(answer.status, 421)
    assert.equal(answer.headers['pbt-error'], 'misdirected')
  }
})
