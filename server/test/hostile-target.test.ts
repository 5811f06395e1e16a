// Targets that say what Node would rather not write over HTTP/2: the visitor gets it or a refusal, the server lives.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startPbt } from './support/programs.ts'
import { scriptedTarget } from './support/targets.ts'
import { http2Request, http2Visitor } from './support/visitors.ts'

test('C4, D2, D4: fields sent twice in hints and trailers pass over HTTP/2 and harm nobody', async t => {
  const twice = 'Etag: "a"\r\nEtag: "b"\r\n'
  const target = await scriptedTarget(
    t,
    `HTTP/1.1 103 Early Hints\r\n${twice}\r\nHTTP/1.1 200 OK\r\n${twice}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${twice}Content-Length: 9\r\nX-Sum: 1\r\n\r\n`,
  )
  const { server } = await startPbt(t, target)
  const session = await http2Visitor(t, server)
  for (let count = 0; count < 2; count++) {
    const answer = await http2Request(session, {})
    assert.deepEqual([answer.status, answer.body.toString(), answer.interim], [200, 'ok', [103]])
    assert.equal(answer.trailers['x-sum'], '1')
    assert.equal(answer.trailers['content-length'], undefined)
  }
})
