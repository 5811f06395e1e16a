// A request whose body is not as long as it says: what the target gets of it. The channel is a stand-in, the target a real socket.
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { PbtError, systemClock } from '@pbt/proto'
import { channelStub } from '@pbt/proto/testing'
import { parseTarget } from '../config/target.ts'
import { Http1Exchange } from './exchange.ts'
import { Places } from './places.ts'
import { Pool } from './pool.ts'

/** Only a failure waits for it. */
const WAIT_MS = 60_000

/** A request with `Content-Length: 4`, its channel, and what the target got and how its connection ended. */
async function posted(t: TestContext, isWhole: boolean) {
  const target = { text: '', over: new EventEmitter() }
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', chunk => {
      target.text += chunk
      target.over.emit('data')
    })
    socket.on('close', () => target.over.emit('close'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const dialer = { target: parseTarget(`127.0.0.1:${port}`), alpn: 'http/1.1', clock: systemClock }
  const pool = new Pool({ ...dialer, places: new Places(10) })
  const ended = new EventEmitter()
  const channel = channelStub({ kind: 'http', reset: code => ended.emit('reset', code) })
  const signal = AbortSignal.timeout(WAIT_MS)
  const reset = once(ended, 'reset', { signal })
  const closed = once(target.over, 'close', { signal })
  const headers = ['host', 'a', 'content-length', '4']
  const about = { tunnel: 1, method: 'POST', target: '/', headers, upgrade: '', visitor: '', connection: '' }
  const exchange = new Http1Exchange(channel, about, isWhole, pool, () => {})
  t.after(() => {
    exchange.onReset(new PbtError('cancelled', 'the test is over'))
    pool.close()
  })
  const seen = async (pattern: RegExp) => {
    while (!pattern.test(target.text)) await once(target.over, 'data', { signal })
  }
  return { exchange, target, reset, closed, seen }
}

test('C8: bytes beyond a Content-Length do not reach the target, where they would be another request', async t => {
  const { exchange, target, reset, closed, seen } = await posted(t, false)
  exchange.onData(Buffer.from('ab'))
  await seen(/\r\n\r\nab$/)
  exchange.onData(Buffer.from('cdGET /smuggled HTTP/1.1\r\n\r\n'))
  assert.deepEqual(await reset, ['protocol'])
  await closed
  assert.match(target.text, /\r\n\r\nab$/)
})

test('C8: a body that ends before its Content-Length is cut, and so is one that never begins', async t => {
  const short = await posted(t, false)
  short.exchange.onData(Buffer.from('abc'))
  await short.seen(/\r\n\r\nabc$/)
  short.exchange.onEnd()
  assert.deepEqual(await short.reset, ['protocol'])
  await short.closed

  const none = await posted(t, true)
  assert.deepEqual(await none.reset, ['protocol'])
  await none.closed
  assert.equal(none.target.text, '')
})
