// What HTTP means stays what it means through the tunnel, over HTTP/1.1 and over HTTP/2.
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { ClientHttp2Stream } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { scratch } from '../support/programs.ts'
import { sharedPbt, untilIdle } from '../support/shared.ts'
import { httpTarget, rawTarget, scriptedTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawRequest, rawTlsVisitor, rawVisitor } from '../support/visitors.ts'

const { pbt } = sharedPbt()

const get = (path: string, more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: app.localhost\r\n${more}Connection: close\r\n\r\n`
const FILE = Buffer.from('0123456789abcdef')

function serve(request: IncomingMessage, response: ServerResponse): void {
  switch (request.url) {
    case '/204':
      response.writeHead(204).end()
      return
    case '/304':
      response.writeHead(304, { etag: '"x"', 'content-length': '16' }).end()
      return
    case '/range': {
      const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []
      const part = FILE.subarray(Number(from), Number(to) + 1)
      response.writeHead(206, { 'content-range': `bytes ${from}-${to}/16`, 'content-length': part.length }).end(part)
      return
    }
    case '/trailers':
      response.writeHead(200, { trailer: 'x-sum' })
      response.write('body')
      response.addTrailers({ 'x-sum': 'abc', 'x-other': 'def' })
      response.end()
      return
    case '/echo':
      response.writeHead(200, { 'content-type': 'application/octet-stream' })
      request.on('data', chunk => response.write(chunk))
      request.on('end', () => {
        response.addTrailers(request.trailers as OutgoingHttpHeaders)
        response.end()
      })
      return
    case '/early':
      response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      response.end('after the hints')
      return
    case '/large':
      response.writeHead(413, { 'content-type': 'text/plain' }).end('too large')
      return
    default:
      response.writeHead(200, { 'content-length': FILE.length }).end(request.method === 'HEAD' ? undefined : FILE)
  }
}

test('D3: HEAD, 204, 304 and ranges have the body they should', async t => {
  const { server } = await pbt(await httpTarget(t, serve))
  const head = await rawRequest(t, server, get('/').replace('GET', 'HEAD'))
  assert.match(head, /^HTTP\/1\.1 200 OK[\s\S]*content-length: 16\r\n[\s\S]*\r\n\r\n$/i)
  assert.match(
    await rawRequest(t, server, get('/204')),
    /^HTTP\/1\.1 204 No Content\r\n(?!.*content-length)[\s\S]*\r\n\r\n$/i,
  )
  assert.match(await rawRequest(t, server, get('/304')), /^HTTP\/1\.1 304 [\s\S]*content-length: 16[\s\S]*\r\n\r\n$/i)
  assert.match(await rawRequest(t, server, get('/range', 'Range: bytes=2-5\r\n')), /206 [\s\S]*\r\n\r\n2345$/)
  const session = await http2Visitor(t, server)
  const head2 = await http2Request(session, { ':method': 'HEAD' })
  assert.deepEqual([head2.status, head2.headers['content-length'], head2.body.length], [200, '16', 0])
  for (const [path, status] of [
    ['/204', 204],
    ['/304', 304],
  ] as const) {
    const answer = await http2Request(session, { ':path': path })
    assert.deepEqual([answer.status, answer.body.length], [status, 0])
  }
  const part = await http2Request(session, { ':path': '/range', range: 'bytes=2-5' })
  assert.deepEqual([part.status, part.body.toString()], [206, '2345'])
})

test('D4: trailers pass both ways', async t => {
  const { server } = await pbt(await httpTarget(t, serve))
  assert.match(await rawRequest(t, server, get('/trailers')), /4\r\nbody\r\n0\r\nx-sum: abc\r\nx-other: def\r\n\r\n$/)
  const upload = 'POST /echo HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'
  const echoed = await rawRequest(t, server, `${upload}3\r\nabc\r\n0\r\nx-sum: 123\r\n\r\n`)
  assert.match(echoed, /3\r\nabc\r\n0\r\nx-sum: 123\r\n\r\n$/)
  const session = await http2Visitor(t, server)
  assert.equal((await http2Request(session, { ':path': '/trailers' })).trailers['x-sum'], 'abc')
  const echo = await http2Request(session, { ':path': '/echo', ':method': 'POST' }, Buffer.from('abc'), {
    'x-sum': '123',
  })
  assert.equal(echo.body.toString(), 'abc')
  assert.equal(echo.trailers['x-sum'], '123')
})

test('D2: 103 comes before the answer', async t => {
  const { server } = await pbt(await httpTarget(t, serve))
  const answer = await rawRequest(t, server, get('/early'))
  assert.match(answer, /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK/i)
  const session = await http2Visitor(t, server)
  assert.deepEqual((await http2Request(session, { ':path': '/early' })).interim, [103])
})

test('D1: whether a body may come is for the target to say', async t => {
  const target = await httpTarget(t, serve, server =>
    server.on('checkContinue', (request, response) => {
      if (request.url === '/no') response.writeHead(417).end('no')
      else if (request.url === '/who') response.writeHead(401).end('who?')
      else {
        response.writeContinue()
        serve(request, response)
      }
    }),
  )
  const { server } = await pbt(target)
  const ask = (path: string) =>
    `POST ${path} HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`
  const visitor = await rawVisitor(t, server)
  visitor.send(ask('/echo'))
  await visitor.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
  visitor.send('hello')
  await visitor.until(/200 OK[\s\S]*hello/)
  for (const [path, status] of [
    ['/no', 417],
    ['/who', 401],
  ] as const) {
    const refused = await rawVisitor(t, server)
    refused.send(ask(path))
    await refused.until(new RegExp(`^HTTP/1\\.1 ${status} `))
    assert.doesNotMatch(refused.text, /100 Continue/)
  }
  assert.match(await rawRequest(t, server, get('/', 'Expect: something\r\n')), /^HTTP\/1\.1 417/)
})

test('an early refusal reaches a visitor who is still sending', async t => {
  const { server } = await pbt(await httpTarget(t, serve))
  const visitor = await rawVisitor(t, server)
  visitor.send('POST /large HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 1000000000\r\n\r\n')
  const piece = Buffer.alloc(64 * 1024)
  let isAnswered = false
  const flood = () => {
    while (!isAnswered && !visitor.socket.destroyed && visitor.socket.write(piece));
  }
  visitor.socket.on('drain', flood)
  flood()
  await visitor.until(/^HTTP\/1\.1 413 [\s\S]*too large/)
  isAnswered = true
  const session = await http2Visitor(t, server)
  const stream = session.request({ ':method': 'POST', ':path': '/large' })
  stream.on('error', () => {})
  const flood2 = () => {
    while (!stream.destroyed && stream.writable && stream.write(piece));
  }
  stream.on('drain', flood2)
  flood2()
  const [headers] = await once(stream, 'response')
  assert.equal(headers[':status'], 413)
  stream.resume()
  await once(stream, 'end')
  stream.destroy()
})

test('D5: an event is with the visitor within 100 ms, whatever the version', async t => {
  let write: ((text: string) => void) | undefined
  const target = await httpTarget(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    write = text => response.write(text)
  })
  const { server } = await pbt(target)
  const visitor = await rawTlsVisitor(t, server)
  visitor.send('GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
  await visitor.until(/^HTTP\/1\.1 200 OK[\s\S]*\r\n\r\n/)
  const session = await http2Visitor(t, server)
  const late: number[] = []
  for (let count = 0; count < 20; count++) {
    const sent = performance.now()
    write?.(`data: ${count}\n\n`)
    await visitor.until(new RegExp(`data: ${count}\n\n`))
    late.push(performance.now() - sent)
  }
  const stream = session.request({ ':path': '/' })
  let text = ''
  stream.on('data', chunk => {
    text += chunk
  })
  await once(stream, 'response')
  for (let count = 0; count < 20; count++) {
    const sent = performance.now()
    write?.(`data: ${count}\n\n`)
    while (!text.includes(`data: ${count}\n\n`)) await once(stream, 'data')
    late.push(performance.now() - sent)
  }
  late.sort((left, right) => left - right)
  assert.ok((late[Math.floor(late.length / 2)] ?? 0) < 100, `${late}`)
  stream.destroy()
})

test('C7: a target that dies in mid-body is a cut for the visitor, never a clean end', async t => {
  const cases = ['Content-Length: 100', 'Transfer-Encoding: chunked'].flatMap(framing => {
    const body = framing.startsWith('Content') ? 'half' : '4\r\nhalf\r\n'
    const answer = `HTTP/1.1 200 OK\r\n${framing}\r\n\r\n${body}`
    return (['destroy', 'resetAndDestroy', 'end'] as const).map(end => ({ answer, end }))
  })
  const asked: string[] = []
  const target = await rawTarget(t, socket => {
    socket.once('data', head => {
      const path = /^GET (\S+)/.exec(String(head))?.[1] ?? ''
      asked.push(path)
      const { answer, end } = cases[Number(path.slice(1))] ?? { answer: '', end: 'destroy' }
      socket.write(answer, () => socket[end]())
    })
  })
  const { server } = await pbt(target)
  for (const index of cases.keys()) {
    const visitor = await rawVisitor(t, server)
    visitor.send(`GET /${index} HTTP/1.1\r\nHost: app.localhost\r\n\r\n`)
    await visitor.over()
    assert.match(visitor.text, /^HTTP\/1\.1 200 OK/)
    assert.doesNotMatch(visitor.text, /\r\n0\r\n\r\n$/)
    const session = await http2Visitor(t, server)
    await assert.rejects(http2Request(session, { ':path': `/${index}` }), /cut|NGHTTP2|Stream closed/)
  }
  assert.deepEqual(
    asked,
    [...cases.keys()].flatMap(index => [`/${index}`, `/${index}`]),
  )
})

test('C7: a body that ends with its connection is whole when the end was clean, and cut when it was reset', async t => {
  const clean = await pbt(await scriptedTarget(t, 'HTTP/1.1 200 OK\r\n\r\nwhole', socket => socket.end()))
  assert.match(await rawRequest(t, clean.server, get('/')), /5\r\nwhole\r\n0\r\n\r\n$/)
  const reset = await pbt(await scriptedTarget(t, 'HTTP/1.1 200 OK\r\n\r\nhalf', socket => socket.resetAndDestroy()))
  const visitor = await rawVisitor(t, reset.server)
  visitor.send(get('/'))
  await visitor.over()
  assert.doesNotMatch(visitor.text, /0\r\n\r\n$/)
})

/** A target that notes how each request's body ended. */
async function watchingTarget(t: TestContext) {
  const ends: string[] = []
  const noted = new EventEmitter()
  const port = await httpTarget(t, request => {
    request.resume()
    request.on('error', () => {})
    noted.emit('arrived')
    request.on('close', () => {
      ends.push(request.complete ? 'whole' : 'cut')
      noted.emit('end')
    })
  })
  return { ends, noted, port }
}

test('C6: an upload that breaks off is a cut for the target', async t => {
  const { ends, noted, port } = await watchingTarget(t)
  const { server } = await pbt(port)
  for (const framing of ['Content-Length: 1000', 'Transfer-Encoding: chunked']) {
    for (const end of ['destroy', 'resetAndDestroy', 'end'] as const) {
      const visitor = await rawVisitor(t, server)
      visitor.send(`POST / HTTP/1.1\r\nHost: app.localhost\r\n${framing}\r\n\r\n5\r\nhello\r\n`)
      await once(noted, 'arrived')
      visitor.socket[end]()
    }
  }
  // Node's own close() ends the body before it resets the stream; destroying the stream, or the connection, does not.
  const session = await http2Visitor(t, server)
  for (const end of [(stream: ClientHttp2Stream) => stream.destroy(), () => session.destroy()]) {
    const stream = session.request({ ':method': 'POST', ':path': '/' })
    stream.on('error', () => {})
    stream.write('hello')
    await once(noted, 'arrived')
    end(stream)
  }
  while (ends.length < 8) await once(noted, 'end')
  assert.deepEqual(ends, new Array(8).fill('cut'))
})

test('C8: a keep-alive connection to the target is used again, and not after an answer with surplus bytes', async t => {
  const connections: number[] = []
  const target = await rawTarget(t, socket => {
    const index = connections.push(0) - 1
    socket.on('data', chunk => {
      connections[index] = (connections[index] ?? 0) + 1
      const isPoisoned = chunk.toString().includes('/poison')
      const head = 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60\r\nContent-Length: 2\r\n\r\n'
      socket.write(`${head}ok${isPoisoned ? 'HTTP/1.1 200 OK\r\n\r\nevil' : ''}`)
    })
  })
  const { server, client, home } = await pbt(target)
  for (const path of ['/1', '/2', '/poison', '/3']) {
    assert.match(await rawRequest(t, server, get(path)), /\r\n\r\nok$/, path)
    await untilIdle(home, client)
  }
  assert.deepEqual(connections, [3, 1])
})

test('C8: a connection whose answer had to wait for the visitor is not used again: it may be about to close', async t => {
  const served = new Map<Socket, string[]>()
  let taken = 0
  const target = await httpTarget(t, (request, response) => {
    served.set(request.socket, [...(served.get(request.socket) ?? []), request.url ?? ''])
    if (request.url !== '/waits') {
      response.end('ok')
      return
    }
    // 64 MiB, more than any buffer on the way, and each piece when the one before was taken.
    const pieces = Array.from({ length: 1_024 }, () => Buffer.alloc(64 * 1024))
    Readable.from(pieces)
      .on('data', () => taken++)
      .pipe(response)
  })
  const { server, client, home } = await pbt(target)
  const socket = connect({ port: server.http, host: '127.0.0.1' })
  t.after(() => socket.destroy())
  socket.write(get('/waits'))
  // Nobody reads: what the target can send stands still, for longer than any program is held up for.
  for (let [before, looks] = [0, 0]; looks < 10; before = taken) {
    await new Promise(resolve => setTimeout(resolve, 100))
    looks = taken > 0 && taken === before ? looks + 1 : 0
  }
  assert.ok(taken < 1_024)
  socket.resume()
  await once(socket, 'end')
  for (const path of ['/1', '/2']) {
    assert.match(await rawRequest(t, server, get(path)), /\r\n\r\nok$/, path)
    await untilIdle(home, client)
  }
  assert.deepEqual([...served.values()], [['/waits'], ['/1', '/2']])
})

test('a target on a unix socket is served', async t => {
  const path = join(scratch(t), 'service.sock')
  const { createServer } = await import('node:http')
  const target = createServer((_request, response) => response.end('from the socket'))
  target.listen(path)
  await once(target, 'listening')
  t.after(() => target.close())
  const { server } = await pbt(`unix:${path}`)
  assert.match(await rawRequest(t, server, get('/')), /from the socket$/)
})
