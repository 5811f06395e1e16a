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
import { type TestContext, test } from 'node:test'
import { KIB } from '@pbt/proto'
import { type Visitor, visitorOf } from '../fields/headers.ts'
import { IGNORED, NO_LIMIT } from '../testing/access.ts'
import { Http2Exchange } from './http2-exchange.ts'
import { Http2Watch } from './http2-watch.ts'

/** A stream whose visitor takes nothing from now on, and its exchange. `from.use` counts what is held. */
async function stalled(t: TestContext, from: Visitor): Promise<{ stream: ServerHttp2Stream; exchange: Http2Exchange }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const visitor = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.after(() => {
    visitor.destroy()
    server.close()
  })
  visitor.request({ ':path': '/' }).resume()
  const [stream, headers] = (await once(server, 'stream')) as [ServerHttp2Stream, IncomingHttpHeaders]
  const session = stream.session as ServerHttp2Session
  const exchange = new Http2Exchange(IGNORED, stream, headers, from, true, new Http2Watch(session, '127.0.0.1', 0))
  exchange.onHead({ status: 200, reason: '', headers: [], upgrade: '' }, false)
  stream.cork()
  return { stream, exchange }
}

test('what waits for a visitor is held for its address from 16 KiB on, and no more once it was taken', async t => {
  let held = 0
  const use = {
    ...NO_LIMIT,
    hold: (bytes: number) => {
      held += bytes
      return true
    },
    release: (bytes: number) => {
      held -= bytes
    },
  }
  const { stream, exchange } = await stalled(t, visitorOf('127.0.0.1', 1, 'http', 'c', use))
  exchange.onData(Buffer.alloc(10 * KIB), false)
  assert.equal(held, 0)
  exchange.onData(Buffer.alloc(10 * KIB), false)
  assert.equal(held, 10 * KIB)
  exchange.onData(Buffer.alloc(60 * KIB), false)
  assert.equal(held, 70 * KIB)
  stream.uncork()
  await once(stream, 'drain', { signal: AbortSignal.timeout(60_000) })
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(held, 0)
})

test('small pieces that wait for a visitor do not keep their batch: an answer over HTTP/2', async t => {
  const { stream, exchange } = await stalled(t, visitorOf('127.0.0.1', 1, 'http', 'c', NO_LIMIT))
  const batch = Buffer.from(new ArrayBuffer(96 * KIB))
  const [write, end] = [t.mock.method(stream, 'write'), t.mock.method(stream, 'end')]
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

test('of an address with much under way not even the first small piece keeps its batch', async t => {
  const use = { ...NO_LIMIT, isCrowded: true }
  const { stream, exchange } = await stalled(t, visitorOf('127.0.0.1', 1, 'http', 'c', use))
  const batch = Buffer.from(new ArrayBuffer(96 * KIB))
  const write = t.mock.method(stream, 'write')
  exchange.onData(batch.subarray(0, 20 * KIB), false)
  const [written] = write.mock.calls.map(({ arguments: [what] }) => what as unknown as Buffer)
  assert.equal(written?.length, 20 * KIB)
  assert.notEqual(written?.buffer, batch.buffer)
})
