// The ways to a server: several addresses, a name service that is away, a proxy.
import assert from 'node:assert/strict'
import { promises as dns } from 'node:dns'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate as immediate } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import { type Clock, systemClock } from '@pbt/proto'
import { FakeClock } from '@pbt/proto/testing'
import { stopwatch } from '../../../server/test/support/process.ts'
import type { HttpProxy } from '../config/proxy.ts'
import type { Failure } from '../failure.ts'
import { dial } from './dial.ts'
import { ASK_AGAIN_EVERY_MS, LOOKUP_MS, Lookup } from './lookup.ts'
import { TEST_CERTIFICATE, TEST_KEY } from './testing/certificate.ts'
import { ConnectProxy } from './testing/connect-proxy.ts'
import { startLinkServer, welcomeBatch } from './testing/link-server.ts'

const HELLO = { major: 1, minor: 0, agent: 'pbt/test', machineId: 'm', clientId: 'm.1', generation: 7n, label: 'test' }
/** In capitals it is not the name that needs no name service, and the certificate fits all the same. */
const BASE = 'LOCALHOST'
const CA = TEST_CERTIFICATE

interface Ways {
  readonly port: number
  readonly clock?: Clock
  readonly proxy?: HttpProxy | undefined
  readonly lookup?: Lookup
}

/** Resolves with nothing when the server has said welcome, else with why not. */
async function outcome(t: TestContext, { port, clock = systemClock, proxy, lookup = new Lookup(clock) }: Ways) {
  const { promise, resolve } = Promise.withResolvers<Failure | undefined>()
  const line = dial({ server: { base: BASE, port }, token: 'secret', ca: CA, clock, proxy, lookup }, HELLO, {
    onWelcome: () => resolve(undefined),
    onBatch: () => {},
    onOver: resolve,
  })
  t.after(() => line.hangUp())
  return await promise
}

async function welcoming(t: TestContext): Promise<number> {
  const server = await startLinkServer(call => call.write(welcomeBatch()))
  t.after(() => server.close())
  return server.port
}

/** What the name service answers to the system; to the client's own question nothing, unless a test says more. */
function answering(t: TestContext, answer: () => Promise<string[]>) {
  for (const method of ['resolve4', 'resolve6'] as const)
    t.mock.method(dns.Resolver.prototype, method, () => new Promise(() => {}))
  const found = async () => (await answer()).map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
  return t.mock.method(dns, 'lookup', found as unknown as typeof dns.lookup)
}

test('an IPv6 address that leads nowhere does not keep the link away from the IPv4 one (RFC 8305)', async t => {
  const port = await welcoming(t)
  const silent: Socket[] = []
  // It takes connections and says nothing, which is worse than a packet lost.
  const hole = createServer(socket => silent.push(socket)).listen(port, '::1')
  t.after(() => {
    for (const socket of silent) socket.destroy()
    hole.close()
  })
  await once(hole, 'listening')
  answering(t, async () => ['::1', '::1', '127.0.0.1'])
  const passed = stopwatch()
  assert.equal(await outcome(t, { port }), undefined)
  // The next address is tried after 250 ms; without that it would be the 6 s of a dial.
  assert.ok(passed() < 3_000, `${passed()} ms`)
  assert.ok(silent.length > 0)
})

test('a server that waits for its first certificate is told from one that cannot be reached', async t => {
  const server = createTlsServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  answering(t, async () => ['127.0.0.1'])
  const { port } = server.address() as AddressInfo
  const failure = await outcome(t, { port })
  assert.equal(failure?.code, 'unreachable')
  assert.equal(failure.message, `the server has no certificate for link.LOCALHOST:${port} yet`)
  assert.match(failure.cure ?? '', /sudo pbt-server doctor/)
})

test('a name service that is away, or says nothing, does not keep a link away that was there before', async t => {
  const port = await welcoming(t)
  const lookup = new Lookup(systemClock)
  const away = () => Promise.reject(Object.assign(new Error('getaddrinfo EAI_AGAIN link.t'), { code: 'EAI_AGAIN' }))
  const answers: (() => Promise<string[]>)[] = [away, async () => ['127.0.0.1'], away]
  answering(t, () => answers.shift()?.() ?? new Promise(() => {}))
  const first = await outcome(t, { port, lookup })
  assert.match(first?.message ?? '', /link\.LOCALHOST:\d+ cannot be reached: getaddrinfo EAI_AGAIN/)
  assert.match(first?.cure ?? '', /DNS records/)
  assert.equal(await outcome(t, { port, lookup }), undefined)
  assert.equal(await outcome(t, { port, lookup }), undefined, 'by the address that served')
  assert.equal(await outcome(t, { port, lookup }), undefined, 'also when no answer comes at all')
})

test('a name is asked for once at a time, and an answer that comes late is for the next dial', async t => {
  const clock = new FakeClock()
  const lookup = new Lookup(clock)
  const late = Promise.withResolvers<string[]>()
  const calls = answering(t, () => late.promise)
  lookup.served('link.t', ['192.0.2.1'])
  const both = [lookup.addresses('link.t'), lookup.addresses('link.t')]
  clock.advance(LOOKUP_MS)
  assert.deepEqual(await Promise.all(both), [['192.0.2.1'], ['192.0.2.1']])
  assert.equal(calls.mock.callCount(), 1)
  const third = lookup.addresses('link.t')
  late.resolve(['192.0.2.2'])
  assert.deepEqual(await third, ['192.0.2.2'])
})

test('a name service that said nothing and is back is heard within a second, while the system still waits', async t => {
  const clock = new FakeClock()
  const lookup = new Lookup(clock)
  const calls = answering(t, () => new Promise(() => {}))
  let isBack = false
  const asked = { resolve4: 0, resolve6: 0 }
  const question = (method: 'resolve4' | 'resolve6', addresses: string[]) =>
    t.mock.method(dns.Resolver.prototype, method, async () => {
      asked[method]++
      if (!isBack) throw Object.assign(new Error('queryA ETIMEOUT'), { code: 'ETIMEOUT' })
      return addresses
    })
  question('resolve4', ['192.0.2.1'])
  question('resolve6', ['2001:db8::1'])
  const found = lookup.addresses('link.t')
  clock.advance(ASK_AGAIN_EVERY_MS - 1)
  assert.deepEqual(asked, { resolve4: 0, resolve6: 0 }, 'one that is well is asked once')
  clock.advance(8_001)
  assert.deepEqual(asked, { resolve4: 9, resolve6: 9 })
  isBack = true
  clock.advance(1_000)
  assert.deepEqual(await found, ['2001:db8::1', '192.0.2.1'])
  clock.advance(60_000)
  assert.deepEqual(asked, { resolve4: 10, resolve6: 10 })
  // The system still waits, and is not asked twice.
  const next = lookup.addresses('link.t')
  clock.advance(ASK_AGAIN_EVERY_MS)
  assert.deepEqual(await next, ['2001:db8::1', '192.0.2.1'])
  assert.equal(calls.mock.callCount(), 1)
})

test('a name service that is away is told from a server that is, and from a name that does not exist', async t => {
  const clock = new FakeClock()
  answering(t, () => new Promise(() => {}))
  const waiting = outcome(t, { port: 1, clock })
  clock.advance(6_001)
  const silent = await waiting
  assert.match(silent?.message ?? '', /the name service did not answer for link\.LOCALHOST within 6 s/)
  assert.equal(silent?.isNear, true)
  const refusing = (code: string) => Promise.reject(Object.assign(new Error(`getaddrinfo ${code} link.t`), { code }))
  for (const [code, isNear] of [
    ['EAI_AGAIN', true],
    ['ENOTFOUND', false],
  ] as const) {
    answering(t, () => refusing(code))
    assert.equal((await outcome(t, { port: 1 }))?.isNear, isNear, code)
  }
  answering(t, async () => ['127.0.0.1'])
  assert.equal((await outcome(t, { port: 1 }))?.isNear, false)
})

test('a link goes through a proxy, with the user and password that it asks for', async t => {
  const port = await welcoming(t)
  const proxy = await new ConnectProxy(port).start(t)
  proxy.credentials = 'user:pass:word'
  const way = { host: '127.0.0.1', port: proxy.port, isTls: false, authorization: undefined }
  const none = await outcome(t, { port, proxy: way })
  assert.match(none?.message ?? '', /^the proxy 127\.0\.0\.1:\d+ asks for a user and a password \(407\)$/)
  const wrong = await outcome(t, { port, proxy: { ...way, authorization: 'Basic bm9ib2R5OngK' } })
  assert.match(wrong?.message ?? '', /refused the user and the password/)
  assert.equal(`${wrong?.stack} ${wrong?.cure} ${String(wrong?.cause)}`.includes('bm9ib2R5'), false)
  const authorization = `Basic ${Buffer.from('user:pass:word').toString('base64')}`
  assert.equal(await outcome(t, { port, proxy: { ...way, authorization } }), undefined)
  assert.deepEqual(new Set(proxy.asked), new Set([`CONNECT link.LOCALHOST:${port} HTTP/1.1`]))
})

test('a proxy that does not connect is named, with what to do', async t => {
  const port = await welcoming(t)
  const proxy = await new ConnectProxy(port).start(t)
  const way = { host: '127.0.0.1', port: proxy.port, isTls: false, authorization: undefined }
  const cases: [answer: string, message: RegExp, cure: RegExp][] = [
    ['HTTP/1.1 403 Forbidden\r\n\r\n', /does not allow connections to link\.LOCALHOST:\d+ \(403\)/, /NO_PROXY/],
    ['HTTP/1.0 503 Service Unavailable\r\n\r\n', /did not reach link\.LOCALHOST:\d+ \(503\)/, /pbt-server runs/],
    ['HTTP/1.1 302 Found\r\n\r\n', /answered CONNECT with status 302/, /HTTPS_PROXY/],
    ['SSH-2.0-OpenSSH_9.2\r\n\r\n', /what it answered is not HTTP\/1\.1/, /HTTPS_PROXY/],
    [`HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(5_000)}`, /what it answered is not HTTP/, /HTTPS_PROXY/],
    ['', /closed the connection without an answer/, /HTTPS_PROXY/],
  ]
  for (const [answer, message, cure] of cases) {
    proxy.answer = answer
    const failure = await outcome(t, { port, proxy: way })
    assert.equal(failure?.code, 'unreachable')
    assert.match(failure?.message ?? '', message)
    assert.match(failure?.cure ?? '', cure)
  }
  const nobody = await outcome(t, { port, proxy: { ...way, port: 1 } })
  assert.match(nobody?.message ?? '', /^the proxy 127\.0\.0\.1:1 cannot be reached: connect ECONNREFUSED/)
  const plain = await outcome(t, { port, proxy: { ...way, isTls: true } })
  assert.match(plain?.message ?? '', /cannot be spoken to with TLS/)
})

test('a proxy that says nothing is given up with the dial, and named', async t => {
  const clock = new FakeClock()
  const proxy = await new ConnectProxy(1).start(t)
  proxy.isSilent = true
  const way = { host: '127.0.0.1', port: proxy.port, isTls: false, authorization: undefined }
  const waiting = outcome(t, { port: 1, proxy: way, clock })
  await immediate()
  clock.advance(6_001)
  assert.match((await waiting)?.message ?? '', /through the proxy 127\.0\.0\.1:\d+ did not connect within 6 s/)
})

test('a proxy that speaks TLS itself has to have a certificate of the usual authorities', async t => {
  const port = await welcoming(t)
  const proxy = await new ConnectProxy(port).start(t, { key: TEST_KEY, cert: TEST_CERTIFICATE })
  const way = { host: 'link.localhost', port: proxy.port, isTls: true, authorization: undefined }
  answering(t, async () => ['127.0.0.1'])
  // The server's own authority, which is trusted for the server, does not count.
  const failure = await outcome(t, { port, proxy: way })
  assert.match(
    failure?.message ?? '',
    /^the proxy link\.localhost:\d+ cannot be spoken to with TLS: self-signed certificate/,
  )
  assert.match(failure?.cure ?? '', /NODE_EXTRA_CA_CERTS/)
})
