// Requests and WebSockets to a target over HTTP/2, with the channel's side played by the test.
import assert from 'node:assert/strict'
import { constants, type Http2Session } from 'node:http2'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { forwarderTo, type OnStream, pass, service, settled, until } from './testing/service.ts'

/** As in connection.ts and upload.ts. */
const [WINDOW_BYTES, KEPT_BYTES] = [256 * 1024, 64 * 1024]
const KEY = ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ==']
const WEBSOCKET = { upgrade: 'websocket', headers: KEY } as const

test('C7: a whole answer that waits for its visitor is kept when the connection ends, and one that is not whole is cut', async t => {
  for (const isWhole of [true, false]) {
    for (const way of ['FIN', 'GOAWAY'] as const) {
      const bytes = WINDOW_BYTES - 10_000
      let session: Http2Session | undefined
      const { port, sockets } = await service(t, {}, stream => {
        session = stream.session
        stream.respond({ ':status': 200 })
        if (isWhole) stream.end(Buffer.alloc(bytes, 'x'))
        else stream.write(Buffer.alloc(bytes, 'x'))
      })
      const { ask } = forwarderTo(port)
      const asked = ask('/', { isStuck: true })
      await until(() => asked.body !== '')
      await settled()
      const come = asked.body.length
      assert.ok(come < bytes, `${come} bytes at once`)
      // Everything is at this end, and nothing more was asked for.
      if (way === 'FIN') sockets[0]?.end()
      else session?.destroy(new Error('of the test'), constants.NGHTTP2_INTERNAL_ERROR)
      const outcome = await asked.over()
      if (isWhole) assert.deepEqual([outcome, asked.body.length], ['whole', bytes], way)
      else assert.match(outcome, /^target-broke: /, way)
    }
  }
})

test('C7: a whole answer that waits for its visitor waits on when the target ends its connection in order', async t => {
  const bytes = WINDOW_BYTES - 10_000
  let session: Http2Session | undefined
  const { port } = await service(t, {}, stream => {
    session = stream.session
    stream.respond({ ':status': 200 })
    stream.end(Buffer.alloc(bytes, 'x'))
  })
  const { ask } = forwarderTo(port)
  const asked = ask('/', { isStuck: true })
  await until(() => asked.body !== '')
  session?.destroy()
  await settled()
  while (asked.outcome === '') {
    asked.channel.handler.onDrain?.()
    await new Promise(setImmediate)
  }
  assert.deepEqual([asked.outcome, asked.body.length], ['whole', bytes])
})

test('C7: a request whose target says that all is over before the visitor is', async t => {
  const { port, open } = await service(t, {}, stream => {
    stream.respond({ ':status': 200 })
    stream.end('early')
  })
  const { ask } = forwarderTo(port)
  const asked = ask('/', { hasBody: true })
  asked.send(Buffer.from('some'))
  assert.equal(await asked.over(), 'whole')
  // Whatever becomes of the stream, the visitor's bytes do not pile up.
  for (let count = 0; count < 100; count++) asked.send(Buffer.alloc(10_000))
  await settled()
  asked.leave()
  await until(() => open.size === 0)
})

test('credit is given for each byte of a body once, also when it is sent again', async t => {
  let refusals = 0
  const whole: OnStream = stream => {
    let bytes = 0
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (refusals > 0 && bytes > 20_000) {
        refusals--
        stream.close(constants.NGHTTP2_REFUSED_STREAM)
      }
    })
    stream.on('end', () => {
      if (stream.destroyed || stream.closed) return
      stream.respond({ ':status': 200 })
      stream.end(String(bytes))
    })
  }
  const { port } = await service(t, {}, whole)
  const { ask } = forwarderTo(port)
  for (refusals of [0, 1, 3]) {
    const asked = ask('/', { hasBody: true })
    let sent = 0
    for (const piece of [1, 10_000, 30_000, 15_000, 7]) {
      asked.send(Buffer.alloc(piece))
      sent += piece
      await settled()
    }
    assert.ok(sent < KEPT_BYTES)
    await until(() => asked.credit === sent)
    await settled()
    for (let count = 0; count < 20; count++) asked.send(Buffer.alloc(20_000))
    sent += 400_000
    asked.channel.handler.onEnd?.()
    assert.equal(await asked.over(), 'whole', asked.outcome)
    assert.deepEqual([asked.body, asked.credit], [String(sent), sent])
  }
})

test('trailers that HTTP/2 has not cost their request, and not the process', async t => {
  const { port } = await service(t, {}, stream => stream.resume())
  const { ask } = forwarderTo(port)
  const asked = ask('/', { hasBody: true })
  asked.send(Buffer.from('body'))
  asked.channel.handler.onTrailers?.(['connection', 'close'])
  asked.channel.handler.onEnd?.()
  assert.match(await asked.over(), /^target-broke: the trailers could not be sent/)
})

test('D9, D10: visitors who leave while their WebSocket waits, or is open, leave nothing at the target', async t => {
  const { port, open } = await service(t, { enableConnectProtocol: true }, (stream, headers) => {
    if (headers[':path'] === '/open') stream.respond({ ':status': 200 })
  })
  const { ask, clock } = forwarderTo(port)
  // Before there is a connection, and while it is made.
  const early = [ask('/', WEBSOCKET), ask('/open', WEBSOCKET)]
  for (const each of early) each.leave()
  for (const path of ['/', '/open']) {
    const asked = ask(path, WEBSOCKET)
    await until(() => open.size === 1 && (path === '/' || asked.status === 101))
    asked.leave()
    await until(() => open.size === 0)
  }
  await pass(clock, 2_000)
  for (const each of early) assert.deepEqual([each.status, each.outcome], [0, ''])
})

test('D9: a visitor who leaves while an upgrade over HTTP/1.1 waits leaves no connection, one who stays is told in time', async t => {
  const sockets = new Set<Socket>()
  const silent = createTcpServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', () => {})
    socket.once('close', () => sockets.delete(socket))
    t.after(() => socket.destroy())
  })
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  t.after(() => silent.close())
  const address = silent.address()
  const { ask, clock } = forwarderTo(typeof address === 'object' ? (address?.port ?? 0) : 0)
  ask('/', { upgrade: 'chess/2' }).leave()
  const leaves = ask('/', { upgrade: 'chess/2' })
  await until(() => sockets.size === 1)
  leaves.leave()
  await until(() => sockets.size === 0)
  const stays = ask('/', { upgrade: 'chess/2' })
  await until(() => sockets.size === 1)
  await pass(clock, 15_000)
  assert.match(await stays.over(), /^target-timeout: .*within 15 s; it speaks HTTP\/2/)
  await until(() => sockets.size === 0)
})
