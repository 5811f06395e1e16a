// WebSocket and other upgrades to a target that speaks HTTP/2 (`--target-protocol h2c`): as an extended CONNECT where it takes
// one, over HTTP/1.1 where it speaks that too, and refused at once elsewhere.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { constants, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { startTalkingClient } from '../support/programs.ts'
import { sharedPbt } from '../support/shared.ts'
import { rawTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawTlsVisitor, rawVisitor } from '../support/visitors.ts'
import { acceptOf, acceptUpgrade, FrameReader, frame, upgradeRequest, WEBSOCKET_KEY } from '../support/websocket.ts'

const { pbt } = sharedPbt()

const H2C = { 'target-protocol': 'h2c' }
/** More than Node lets wait on one connection, a hundred, when nobody says how many there may be. */
const LEAVING = 150

type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => unknown

/** A service over HTTP/2; `takesConnect`: it offers extended CONNECT. */
async function http2Target(t: TestContext, onStream: OnStream, takesConnect: boolean) {
  const server = createServer({ settings: { enableConnectProtocol: takesConnect } })
  const open = new Set<ServerHttp2Stream>()
  server.on('session', session => t.after(() => session.destroy()))
  server.on('sessionError', () => {})
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    open.add(stream)
    stream.on('error', () => {})
    stream.once('close', () => open.delete(stream))
    onStream(stream, headers)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { port: (server.address() as AddressInfo).port, open, server }
}

function echo(stream: NodeJS.ReadWriteStream): void {
  const reader = new FrameReader()
  stream.on('data', (chunk: Buffer) => {
    for (const payload of reader.push(chunk)) stream.write(frame(payload, false))
  })
  stream.on('end', () => stream.end())
}

/** Both protocols on one port, told apart by the first bytes, as some servers do. */
async function bothTarget(t: TestContext, onHttp1: (server: ReturnType<typeof createHttpServer>) => void) {
  const http2 = createServer((_request, response) => response.end('over HTTP/2'))
  http2.on('session', session => t.after(() => session.destroy()))
  const http1 = createHttpServer((_request, response) => response.writeHead(426).end('upgrade, please'))
  onHttp1(http1)
  t.after(() => http1.closeAllConnections())
  const server = createTcpServer(socket => {
    t.after(() => socket.destroy())
    socket.on('error', () => {})
    socket.once('data', chunk => {
      socket.pause()
      const isHttp2 = chunk.toString('latin1').startsWith('PRI')
      if (isHttp2) socket.unshift(chunk)
      ;(isHttp2 ? http2 : http1).emit('connection', socket)
      if (isHttp2) return
      socket.unshift(chunk)
      process.nextTick(() => socket.resume())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

test('D9: a WebSocket to an h2c target that offers extended CONNECT echoes, and each side ends by itself', async t => {
  const asked: IncomingHttpHeaders[] = []
  const { port, open } = await http2Target(
    t,
    (stream, headers) => {
      asked.push(headers)
      if (headers[':method'] !== 'CONNECT') return stream.respond({ ':status': 404 }, { endStream: true })
      stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat', 'x-more': 'one' })
      stream.write(frame(Buffer.from('hello'), false))
      echo(stream)
    },
    true,
  )
  const { server } = await pbt(port, H2C)
  for (const visit of [rawVisitor, rawTlsVisitor]) {
    const visitor = await visit(t, server)
    const glued = frame(Buffer.from('glued by the visitor'), true)
    visitor.send(Buffer.concat([Buffer.from(upgradeRequest('/chat?room=1')), glued]))
    await visitor.until(/glued by the visitor$/)
    assert.match(visitor.text, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
    assert.match(visitor.text, /\r\nupgrade: websocket\r\n/i)
    const accept = acceptOf(WEBSOCKET_KEY)
    assert.ok(visitor.text.toLowerCase().includes(`\r\nsec-websocket-accept: ${accept}\r\n`.toLowerCase()))
    assert.match(visitor.text, /sec-websocket-protocol: chat[\s\S]*x-more: one[\s\S]*hello/)
    const before = visitor.bytes
    const big = Buffer.alloc(3_000_000, 'x')
    visitor.send(frame(big, true))
    await visitor.until(() => visitor.bytes - before === frame(big, false).length)
    visitor.socket.end()
    assert.equal(await visitor.over(), 'end')
  }
  assert.equal(open.size, 0)
  for (const headers of asked) {
    assert.deepEqual(
      [headers[':method'], headers[':protocol'], headers[':path'], headers[':scheme'], headers[':authority']],
      ['CONNECT', 'websocket', '/chat?room=1', 'http', 'app.localhost'],
    )
    assert.equal(headers['sec-websocket-version'], '13')
    assert.equal(headers['sec-websocket-protocol'], 'chat')
    assert.equal(headers['x-forwarded-host'], 'app.localhost')
    for (const name of ['sec-websocket-key', 'upgrade', 'connection', 'host']) assert.equal(headers[name], undefined)
  }
})

test('D9, D10: what an h2c target says to an extended CONNECT and how it ends reaches the visitor', async t => {
  let serve: OnStream = () => {}
  const { port, open } = await http2Target(t, (stream, headers) => serve(stream, headers), true)
  const { server } = await pbt(port, H2C)
  const says =
    (headers: Record<string, string | number>, body = ''): OnStream =>
    stream => {
      stream.respond(headers, { endStream: body === '' })
      if (body !== '') stream.end(body)
    }
  const broke = /^HTTP\/1\.1 502 [\s\S]*target-broke/
  for (const [expected, refuse] of [
    [/^HTTP\/1\.1 403 [\s\S]*\r\n\r\nno entry$/, says({ ':status': 403, 'content-length': 8 }, 'no entry')],
    [/^HTTP\/1\.1 401 [\s\S]*www-authenticate: Basic/, says({ ':status': 401, 'www-authenticate': 'Basic' })],
    [/^HTTP\/1\.1 302 [\s\S]*location: \/login/, says({ ':status': 302, location: '/login' })],
    [broke, (stream: ServerHttp2Stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR)],
    [broke, (stream: ServerHttp2Stream) => stream.close(constants.NGHTTP2_NO_ERROR)],
    [broke, (stream: ServerHttp2Stream) => stream.session?.destroy()],
  ] as const) {
    serve = refuse
    const visitor = await rawVisitor(t, server)
    visitor.send(upgradeRequest())
    await visitor.over()
    assert.match(visitor.text, expected)
    visitor.socket.destroy()
  }
  serve = says({ ':status': 403, 'content-length': 8 }, 'no')
  const short = await rawVisitor(t, server)
  short.send(upgradeRequest())
  const how = await short.over()
  assert.ok(how === 'cut' || broke.test(short.text), short.text)

  for (const [name, end, expected] of [
    ['END_STREAM', (stream: ServerHttp2Stream) => stream.end(), 'end'],
    // Node ends what it has written before it resets.
    ['CANCEL', (stream: ServerHttp2Stream) => stream.close(constants.NGHTTP2_CANCEL), 'end or cut'],
    ['destroyed', (stream: ServerHttp2Stream) => stream.destroy(), 'cut'],
    ['connection lost', (stream: ServerHttp2Stream) => stream.session?.destroy(), 'cut'],
  ] as const) {
    let taken: ServerHttp2Stream | undefined
    serve = stream => {
      taken = stream
      stream.resume()
      stream.respond({ ':status': 200 })
      stream.write(frame(Buffer.from('hello'), false))
    }
    const visitor = await rawVisitor(t, server)
    visitor.send(upgradeRequest())
    await visitor.until(/hello$/)
    if (taken !== undefined) end(taken)
    assert.match(expected, new RegExp(await visitor.over()), name)
    // What comes after an end is only noticed by who writes.
    if (name === 'CANCEL') {
      while (visitor.error === undefined)
        await new Promise(resolve => visitor.socket.write('x', () => setImmediate(resolve)))
    }
    visitor.socket.end()
    if (!visitor.socket.destroyed) await once(visitor.socket, 'close')
  }

  serve = stream => {
    stream.respond({ ':status': 200 })
    stream.write(frame(Buffer.from('hello'), false))
  }
  const leaving = await rawVisitor(t, server)
  leaving.send(upgradeRequest())
  await leaving.until(/hello$/)
  const [stream] = open
  assert.ok(stream !== undefined)
  leaving.socket.resetAndDestroy()
  await once(stream, 'close')
  assert.equal(stream.rstCode, constants.NGHTTP2_CANCEL)
})

test('D9: upgrades to an h2c target that speaks HTTP/1.1 too go there on a connection of their own', async t => {
  const port = await bothTarget(t, http1 =>
    http1.on('upgrade', (request, socket, head) => {
      if (request.headers.upgrade === 'websocket') {
        acceptUpgrade(request, socket)
        socket.unshift(head)
        echo(socket)
      } else
        socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chess/2\r\n\r\nyour move`)
      socket.on('error', () => {})
    }),
  )
  const { server } = await pbt(port, H2C)
  const session = await http2Visitor(t, server)
  assert.equal(String((await http2Request(session, {})).body), 'over HTTP/2')
  const visitor = await rawVisitor(t, server)
  visitor.send(Buffer.concat([Buffer.from(upgradeRequest()), frame(Buffer.from('glued'), true)]))
  await visitor.until(/^HTTP\/1\.1 101 [\s\S]*glued$/)
  const chess = await rawVisitor(t, server)
  chess.send('GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade\r\nUpgrade: chess/2\r\n\r\n')
  await chess.until(/^HTTP\/1\.1 101 [\s\S]*your move$/)
  assert.equal(String((await http2Request(session, {})).body), 'over HTTP/2')
})

test('D9: an h2c target that takes no upgrade refuses it at once, and 150 visitors who try and leave hold up nobody', async t => {
  const { port } = await http2Target(
    t,
    stream => {
      stream.respond({ ':status': 200 })
      stream.end('fine')
    },
    false,
  )
  const { server, client } = await pbt(port, H2C)
  const session = await http2Visitor(t, server)
  const other = upgradeRequest().replace('Upgrade: websocket', 'Upgrade: chess/2')
  for (const request of [upgradeRequest(), other, upgradeRequest().replace(/Sec-WebSocket-Key: .*\r\n/, '')]) {
    const began = performance.now()
    const visitor = await rawVisitor(t, server)
    visitor.send(request)
    await visitor.over()
    assert.match(visitor.text, /^HTTP\/1\.1 502 [\s\S]*pbt-error: target-broke/)
    assert.ok(performance.now() - began < 2_000, `${performance.now() - began} ms`)
  }
  for (let count = 0; count < LEAVING; count++) {
    const visitor = await rawVisitor(t, server)
    visitor.send(upgradeRequest())
    visitor.socket.resetAndDestroy()
  }
  for (let count = 0; count < 3; count++) assert.equal(String((await http2Request(session, {})).body), 'fine')
  assert.ok(!client.events.some(({ event }) => event === 'reconnecting'))
  const talking = await startTalkingClient(t, server, [
    'http',
    String(port),
    '--domain',
    'talking',
    '--target-protocol',
    'h2c',
  ])
  const visitor = await rawVisitor(t, server)
  visitor.send(upgradeRequest().replace('app.localhost', 'talking.localhost'))
  await visitor.until(/^HTTP\/1\.1 502 /)
  await talking.until(() => /HTTP\/2.*RFC 8441/.exec(talking.said) ?? undefined, 'the reason')
})

test('D9: an h2c target that takes HTTP/1.1 for a beginning and waits is given up', { timeout: 60_000 }, async t => {
  // Says that it speaks HTTP/2 only to those who say so first.
  const port = await rawTarget(t, (socket: Socket) => {
    let text = ''
    socket.on('data', chunk => {
      const isFirst = text === ''
      text += chunk.toString('latin1')
      if (isFirst && text.startsWith('PRI')) socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    })
  })
  const { server } = await pbt(port, H2C)
  const visitor = await rawVisitor(t, server)
  visitor.send(upgradeRequest())
  await visitor.over()
  assert.match(visitor.text, /^HTTP\/1\.1 504 [\s\S]*pbt-error: target-timeout/)
})
