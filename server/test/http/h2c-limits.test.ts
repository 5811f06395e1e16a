// Targets over HTTP/2 (`--target-protocol h2c`) that take few requests at once, or fall silent: others are served.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { beginsRequest, frameTarget, MAX_STREAMS } from '../support/frame-target.ts'
import { sharedPbt } from '../support/shared.ts'
import { http2Request, http2Visitor } from '../support/visitors.ts'

const { pbt } = sharedPbt()

const H2C = { 'target-protocol': 'h2c' }
/**
 * A visitor who waits no longer for one answer. No part of the two seconds that the target has to answer a question: one who leaves in
 * the moment when another connection is made gives that up too.
 */
const PATIENCE_MS = 900
/** The time of an idle connection, a question to it and another connection. */
const REPLACED_MS = 15_000

test('E3, H10: more requests than a target takes at once are served one after the other, on few connections', async t => {
  let [connections, open, most] = [0, 0, 0]
  const target = createServer({ settings: { maxConcurrentStreams: 5 } })
  target.on('session', session => {
    connections++
    t.after(() => session.destroy())
  })
  target.on('stream', (stream: ServerHttp2Stream) => {
    most = Math.max(most, ++open)
    stream.once('close', () => open--)
    setImmediate(() => {
      stream.respond({ ':status': 200 })
      stream.end('fine')
    })
  })
  target.listen(0, '127.0.0.1')
  await once(target, 'listening')
  t.after(() => target.close())
  const { server } = await pbt((target.address() as AddressInfo).port, H2C)
  const sessions = await Promise.all(Array.from({ length: 5 }, () => http2Visitor(t, server)))
  const answers = await Promise.all(
    Array.from({ length: 400 }, (_, index) => http2Request(sessions[index % 5] ?? assert.fail(), {})),
  )
  for (const { status, body } of answers) assert.deepEqual([status, String(body)], [200, 'fine'])
  assert.ok(connections <= 8 && most <= 40, `${connections} connections, ${most} at once`)
})

test('H10: an h2c target that takes no request is told as too slow, on few connections', {
  timeout: 60_000,
}, async t => {
  const target = await frameTarget(t, () => {}, [[MAX_STREAMS, 0]])
  const { server } = await pbt(target.port, H2C)
  const session = await http2Visitor(t, server)
  const answers = await Promise.all(Array.from({ length: 20 }, () => http2Request(session, {})))
  for (const { status, headers } of answers) assert.deepEqual([status, headers['pbt-error']], [504, 'target-timeout'])
  assert.ok(target.connections.length <= 20, `${target.connections.length} connections`)
})

test('H10: a connection to an h2c target that answers nothing any more is replaced', async t => {
  const target = await frameTarget(t, (connection, frame) => {
    if (connection.answers && beginsRequest(connection, frame)) connection.answer(frame.stream, 'fine')
  })
  const { server } = await pbt(target.port, H2C)
  const session = await http2Visitor(t, server)
  assert.equal(String((await http2Request(session, {})).body), 'fine')
  const [deaf] = target.connections
  if (deaf !== undefined) deaf.answers = false
  const since = performance.now()
  for (let isServed = false; !isServed; ) {
    const stream = session.request({ ':path': '/' })
    stream.on('error', () => {})
    stream.setTimeout(PATIENCE_MS, () => stream.close())
    stream.on('response', headers => {
      isServed = headers[':status'] === 200
    })
    stream.resume()
    await once(stream, 'close')
    assert.ok(performance.now() - since < REPLACED_MS, 'it was not replaced')
  }
  assert.equal(target.connections.length, 2)
})
