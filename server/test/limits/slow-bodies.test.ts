// Bodies that trickle or are silent: borne while there is room, and ended where it is short, so that others find some.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { placesFor } from '../../../client/src/forward/places.ts'
import { FEW_UNDER_WAY } from '../../src/access/address-use.ts'
import { maxConnectionsFor } from '../../src/access/visitor-limits.ts'
import { DATA, END_HEADERS, END_STREAM, frame, HEADERS, hpack, PREFACE, SETTINGS } from '../support/http2-frames.ts'
import { type RunningServer, startClient, startPbt, startServer } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { http2Visitor, type RawVisitor, rawRequest, rawTlsVisitor, rawVisitor } from '../support/visitors.ts'

/** Beyond the ten seconds of grace and every other time of pbt that counts silence. */
const SLOW_MS = 20_000
const DRIP_MS = 500
/** Ends come some 11 s after the beginning; the machine may be busy. */
const LATEST_MS = 40_000
const GET = 'GET /here HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'
const POST = 'POST /slow HTTP/1.1\r\nHost: app.localhost\r\n'
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`
const UPGRADE = `${POST}Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\n`
const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** Answers `/slow` with the number of bytes once it has come, and everything else at once. */
async function service(t: TestContext): Promise<number> {
  return await httpTarget(t, (request, response) => {
    let bytes = 0
    request.on('error', () => {})
    request.on('data', chunk => {
      bytes += chunk.length
    })
    if (request.url === '/slow') request.on('end', () => response.end(`got ${bytes}`))
    else response.end('here')
  })
}

async function h2cService(t: TestContext): Promise<number> {
  const server = createHttp2()
  server.on('session', session => t.after(() => session.destroy()))
  server.on('stream', (stream: ServerHttp2Stream) => {
    let bytes = 0
    stream.on('error', () => {})
    stream.on('data', chunk => {
      bytes += chunk.length
    })
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.end(`got ${bytes}`)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

/** What goes out a byte at a time, or not at all, for SLOW_MS; the number of bytes. */
async function drip(send: () => unknown, isSilent: boolean): Promise<number> {
  let bytes = 0
  const end = performance.now() + SLOW_MS
  while (performance.now() < end) {
    await sleep(isSilent ? end - performance.now() : DRIP_MS)
    if (isSilent) continue
    send()
    bytes++
  }
  return bytes
}

async function overHttp1(t: TestContext, server: RunningServer, isSilent: boolean, isChunked: boolean): Promise<void> {
  const visitor = await rawVisitor(t, server, '127.0.4.1')
  const length = isSilent ? 1 : SLOW_MS
  visitor.send(isChunked ? CHUNKED : `${POST}Content-Length: ${length}\r\n\r\n`)
  const sent = await drip(() => visitor.send(isChunked ? '1\r\nx\r\n' : 'x'), isSilent)
  visitor.send(isChunked ? '0\r\n\r\n' : 'x'.repeat(length - sent))
  const text = await visitor.until(/got \d+/)
  assert.match(text, /^HTTP\/1\.1 200 /)
  assert.match(text, new RegExp(`got ${isChunked ? sent : length}`))
}

async function overHttp2(t: TestContext, server: RunningServer, host: string, isSilent: boolean): Promise<void> {
  const session = await http2Visitor(t, server, host, '127.0.4.2')
  const stream = session.request({ ':method': 'POST', ':path': '/slow', te: 'trailers' }, { endStream: false })
  const answer = once(stream, 'response')
  answer.catch(() => {})
  const sent = await drip(() => stream.write('x'), isSilent)
  stream.end()
  const [head] = await answer
  assert.equal(head[':status'], 200)
  stream.setEncoding('utf8')
  let body = ''
  for await (const chunk of stream) body += chunk
  assert.equal(body, `got ${sent}`)
}

/** So many requests of an address whose bodies never come. */
async function slowBodies(t: TestContext, server: RunningServer, from: string, count: number): Promise<RawVisitor[]> {
  return await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const visitor = await rawVisitor(t, server, from)
      visitor.socket.on('error', () => {})
      visitor.send(index % 2 === 0 ? CHUNKED : UPGRADE)
      return visitor
    }),
  )
}

const ended = (visitors: readonly RawVisitor[]) => visitors.filter(({ text }) => text !== '')

async function untilEnded(visitors: readonly RawVisitor[], atLeast: number): Promise<void> {
  const deadline = performance.now() + LATEST_MS
  while (ended(visitors).length < atLeast) {
    assert.ok(performance.now() < deadline, `${ended(visitors).length} of ${visitors.length} ended`)
    await sleep(100)
  }
}

async function untilServed(t: TestContext, server: RunningServer): Promise<void> {
  const deadline = performance.now() + LATEST_MS
  while (!(await rawRequest(t, server, GET)).endsWith('here')) {
    assert.ok(performance.now() < deadline, 'nobody is served')
    await sleep(200)
  }
}

// Side by side, since most of what they do is to wait.
describe('slow bodies', { concurrency: true }, () => {
  test('D7, E1: a body that trickles or is silent arrives whole, however long it takes: HTTP/1.1, HTTP/2, a gRPC call', async t => {
    const server = await startServer(t, { serverArgs: ['--response-timeout-seconds', '5'] })
    const grpc = await h2cService(t)
    const specs = [`http:${await service(t)},domain=app`, `http:${grpc},domain=grpc,target-protocol=h2c`]
    const { client } = await startClient(t, server, ['up', ...specs])
    const isOnline = () => client.events.filter(({ event }) => event === 'online').length === specs.length
    await client.until(() => (isOnline() ? true : undefined), 'both tunnels')
    const all: Promise<void>[] = []
    for (const isSilent of [true, false]) {
      for (const isChunked of [true, false]) all.push(overHttp1(t, server, isSilent, isChunked))
      for (const host of ['app.localhost', 'grpc.localhost']) all.push(overHttp2(t, server, host, isSilent))
    }
    await Promise.all(all)
  })

  test('E1: an address with many requests under way loses as many of those with slow bodies as are too many', async t => {
    const { server } = await startPbt(t, await service(t))
    const one = await rawVisitor(t, server, '127.0.4.3')
    one.send(CHUNKED)
    const crowd = await slowBodies(t, server, '127.0.4.4', FEW_UNDER_WAY * 0.75)
    const many = await rawTlsVisitor(t, server, undefined, { from: '127.0.4.5', protocol: 'h2' })
    const fields = { ':method': 'POST', ':scheme': 'https', ':path': '/slow', ':authority': 'app.localhost' }
    const head = hpack(Object.entries(fields))
    many.send(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0)]))
    const last = 2 * FEW_UNDER_WAY + 39
    for (let stream = 1; stream <= last; stream += 2) many.send(frame(HEADERS, END_HEADERS, stream, head))
    await untilEnded(crowd, FEW_UNDER_WAY / 4)
    for (const { text } of ended(crowd)) assert.match(text, /^HTTP\/1\.1 429 [\s\S]*pbt-error: limited/)
    // The last ones stay, and end well.
    await many.until(/429/)
    await sleep(5_000)
    many.send(frame(DATA, END_STREAM, last, Buffer.from('x')))
    await many.until(/got 1/)
    const left = crowd.filter(({ text }) => text === '')
    assert.ok(left.length >= FEW_UNDER_WAY / 4, `${left.length} are left`)
    const chunked = [one, ...left.filter(visitor => crowd.indexOf(visitor) % 2 === 0)]
    for (const visitor of chunked) visitor.send('1\r\nx\r\n0\r\n\r\n')
    for (const visitor of chunked) assert.match(await visitor.until(/got 1/), /^HTTP\/1\.1 200 /)
  })

  test('E1: when few connections are left those with slow bodies end, and others are served', async t => {
    const descriptors = 256
    const { server } = await startPbt(t, await service(t), { descriptors })
    const most = maxConnectionsFor(descriptors)
    const fast = await rawVisitor(t, server, '127.0.4.6')
    fast.send(CHUNKED)
    const pace = setInterval(() => fast.send(`800\r\n${'x'.repeat(2_048)}\r\n`), 1_000)
    t.after(() => clearInterval(pace))
    const each = FEW_UNDER_WAY / 2 - 5
    const attackers: RawVisitor[] = []
    for (let count = 0; attackers.length < most - each; count++) {
      attackers.push(...(await slowBodies(t, server, `127.0.5.${count}`, each)))
    }
    attackers.push(...(await slowBodies(t, server, '127.0.6.1', most - attackers.length - 1)))
    await untilEnded(attackers, attackers.length)
    for (const { text } of attackers) assert.match(text, /^HTTP\/1\.1 503 [\s\S]*pbt-error: overloaded/)
    await untilServed(t, server)
    assert.equal(fast.text, '')
    clearInterval(pace)
    fast.send('0\r\n\r\n')
    await fast.until(/got \d+/)
  })

  test('E1, E5: when a client has no descriptor left requests with slow bodies end, and others are served', async t => {
    const clientDescriptors = 128
    const { server } = await startPbt(t, await service(t), { clientDescriptors })
    const half = placesFor(clientDescriptors) / 2
    const attackers = [
      ...(await slowBodies(t, server, '127.0.7.1', half)),
      ...(await slowBodies(t, server, '127.0.7.2', half)),
    ]
    await sleep(2_000)
    assert.match(await rawRequest(t, server, GET), /^HTTP\/1\.1 503 [\s\S]*pbt-error: overloaded/)
    assert.deepEqual(ended(attackers), [])
    await untilServed(t, server)
    await untilEnded(attackers, 1)
  })

  test('D7: the time for an answer counts once the target has the request, or takes no more of it', async t => {
    const port = await httpTarget(t, request => {
      if (request.url === '/whole') request.resume()
    })
    const { server } = await startPbt(t, port, { serverArgs: ['--response-timeout-seconds', '2'] })
    const whole = await rawVisitor(t, server)
    whole.send(`POST /whole HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 2\r\n\r\nx`)
    await sleep(4_000)
    assert.equal(whole.text, '')
    whole.send('x')
    assert.match(await whole.until(/pbt-error/), /^HTTP\/1\.1 504 [\s\S]*pbt-error: target-timeout/)
    const stuck = await rawVisitor(t, server)
    stuck.socket.on('error', () => {})
    stuck.send(`POST /stuck HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 100000000\r\n\r\n`)
    stuck.send(Buffer.alloc(30_000_000))
    assert.match(await stuck.until(/pbt-error/), /^HTTP\/1\.1 504 [\s\S]*pbt-error: target-timeout/)
  })
})
