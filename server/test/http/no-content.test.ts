// Requests without content: what the target is told of their length.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startPbt } from '../support/programs.ts'
import { rawTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawRequest } from '../support/visitors.ts'

/** A target that wants to know a length where there should be one, and tells which fields of framing it saw. */
function strictTarget(t: Parameters<typeof rawTarget>[0]): Promise<number> {
  return rawTarget(t, socket => {
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end)
        text = text.slice(end + 4)
        const framing = head.match(/^(content-length|transfer-encoding): .*$/gim) ?? []
        const isMissing = /^(POST|PUT|PATCH|QUERY) /.test(head) && framing.length === 0
        const body = framing.join(', ').toLowerCase()
        const status = isMissing ? '411 Length Required' : '200 OK'
        socket.write(`HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
      }
    })
  })
}

test('D12: POST, PUT, PATCH and QUERY without content say so to the target, other methods say nothing', async t => {
  const { server } = await startPbt(t, await strictTarget(t))
  const session = await http2Visitor(t, server)
  const cases = [
    ...['POST', 'PUT', 'PATCH', 'QUERY'].map(method => [method, {}, 'content-length: 0'] as const),
    ...['GET', 'HEAD', 'DELETE', 'OPTIONS', 'PROPFIND'].map(method => [method, {}, ''] as const),
    // What the visitor says is not said twice.
    ['POST', { 'content-length': '0' }, 'content-length: 0'],
    ['GET', { 'content-length': '0' }, 'content-length: 0'],
  ] as const
  for (const [method, fields, expected] of cases) {
    const { status, body } = await http2Request(session, { ':method': method, ...fields })
    assert.equal(status, 200, method)
    if (method !== 'HEAD') assert.equal(body.toString(), expected, method)
    const lines = Object.entries({ host: 'app.localhost', connection: 'close', ...fields })
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const answer = await rawRequest(t, server, `${method} / HTTP/1.1\r\n${head}\r\n`)
    assert.match(answer, /^HTTP\/1\.1 200 /, method)
    if (method !== 'HEAD') assert.ok(answer.endsWith(`\r\n\r\n${expected}`), `${method}: ${answer}`)
  }
})
