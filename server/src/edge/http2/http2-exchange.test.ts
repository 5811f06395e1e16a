// What an answer over HTTP/2 makes the edge keep for a visitor that does not read: a real stream that sends nothing.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  connect,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { KIB } from '@pbt/proto'
import { visitorOf } from '../fields/headers.ts'
import { IGNORED, NO_LIMIT } from '../testing/access.ts'
import { Http2Exchange } from './http2-exchange.ts'
import { Http2Watch } from './http2-watch.ts'

test('small pieces that wait for a visitor do not keep their batch: an answer over HTTP/2', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const visitor = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.after(() => {
    visitor.destroy()
    server.close()
  })
  visitor.request({ ':path': '/' })
  const [stream, headers] = (await once(server, 'stream')) as [ServerHttp2Stream, IncomingHttpHeaders]
  const session = stream.session as ServerHttp2Session
  const from = visitorOf('127.0.0.1', 1, 'http', 'c', NO_LIMIT)
  const exchange = new Http2Exchange(IGNORED, stream, headers, from, true, new Http2Watch(session, '127.0.0.1', 0))
  exchange.onHead({ status: 200, reason: '', headers: [], upgrade: '' }, false)
  const batch = Buffer.from(new ArrayBuffer(96 * KIB))
  const [write, end] = [t.mock.method(stream, 'write'), t.mock.method(stream, 'end')]
  // Nothing is taken from here on.
  stream.cork()
  const [small, large] = [batch.subarray(0, 100), batch.subarray(0, 64 * KIB)]
  for (const piece of [small, small, large]) exchange.onData(piece, false)
  exchange.onData(small, true)
  const written = [...write.mock.calls, ...end.mock.calls].map(({ arguments: [what] }) => what as unknown as Buffer)
  assert.deepEqual(
    written.map(({ length }) => length),
    [small, small, large, small].map(({ length }) => length),
  )
  assert.deepEqual(
    written.map(({ buffer }) => buffer === batch.buffer),
    [true, false, true, false],
  )
})
