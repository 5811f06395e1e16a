import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { type ClientHttp2Stream, connect } from 'node:http2'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type TestContext, test } from 'node:test'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { decodeLinkFrames, encodeLinkFrame, HANDSHAKE_MS, type LinkFrame, PbtError } from '@pbt/proto'
import { FakeClock } from '@pbt/proto/testing'
import { HelloSchema, PingSchema, type ResumeSchema } from '@pbt/proto/tunnel/v1'
import type { Log } from '../observe/log.ts'
import { NO_NEWS } from './news.ts'
import { LinkService, type LinkServiceOptions } from './service.ts'
import { Sessions, type SessionsOptions } from './sessions.ts'

/** A peer that was told that its call is over is cut after this. */
const LINGER_MS = 1_000

/** A service on a port without TLS, which the edge has taken off by then; `words` tells what is logged. */
async function serve(t: TestContext, overrides: Partial<LinkServiceOptions> = {}, listen = '127.0.0.1', dial = listen) {
  const clock = new FakeClock()
  const words = new EventEmitter()
  const say = (text: string) => void words.emit(text)
  const log: Log = { error: say, warn: say, info: say, debug: say, child: () => log }
  // Sessions without tunnels need none of the rooms that serve tunnels.
  const options = { clock, log, random: Math.random, baseDomain: 'localhost', agent: 'test', news: NO_NEWS }
  const sessions = new Sessions(options as unknown as SessionsOptions)
  const service = new LinkService({
    ...{ clock, log, tokens: { check: () => ({ verdict: 'accepted' as const, tokenId: 1 }) } },
    join: (hello, tokenId) => sessions.join(hello, tokenId),
    news: NO_NEWS,
    ...overrides,
  })
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket)
    service.accept(socket)
  }).listen(0, listen)
  await once(server, 'listening')
  t.after(() => {
    service.close()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const call = (authorization = 'Bearer x') => {
    const client = connect(`http://${dial.includes(':') ? `[${dial}]` : dial}:${port}`)
    client.on('error', () => {})
    t.after(() => client.destroy())
    const stream = client.request({
      ...{ ':method': 'POST', ':path': '/pbt.tunnel.v1.TunnelService/Link' },
      ...{ 'content-type': 'application/grpc', te: 'trailers', authorization },
    })
    stream.on('error', () => {})
    return stream
  }
  return { clock, words, sessions, service, sockets, call }
}

function say(stream: ClientHttp2Stream, frame: LinkFrame): void {
  const batch = encodeLinkFrame(frame)
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(batch.length, 1)
  stream.write(Buffer.concat([prefix, batch]))
}

function helloOf(resume?: MessageInitShape<typeof ResumeSchema>): LinkFrame {
  const value = create(HelloSchema, {
    major: 1,
    clientId: 'c',
    machineId: 'm',
    generation: 1n,
    ...(resume && { resume }),
  })
  return { case: 'hello', value }
}

/** The first `count` frames that the server says. */
async function heard(stream: ClientHttp2Stream, count = 1): Promise<LinkFrame[]> {
  const frames: LinkFrame[] = []
  let input = Buffer.alloc(0)
  while (frames.length < count) {
    // Read, not listened to: of two messages in one turn none is missed.
    const chunk: unknown = stream.read()
    if (!Buffer.isBuffer(chunk)) {
      await once(stream, 'readable')
      continue
    }
    input = Buffer.concat([input, chunk])
    while (input.length >= 5 && input.length >= 5 + input.readUInt32BE(1)) {
      const end = 5 + input.readUInt32BE(1)
      frames.push(...decodeLinkFrames(input.subarray(5, end)))
      input = input.subarray(end)
    }
  }
  return frames
}

test('what comes after hello is for the session, and the end of the connection is a lost link', async t => {
  const { words, sessions, service, clock, call } = await serve(t)
  const stream = call()
  say(stream, helloOf())
  say(stream, { case: 'ping', value: create(PingSchema, { id: 7n }) })
  assert.deepEqual(
    (await heard(stream, 2)).map(frame => frame.case),
    ['welcome', 'pong'],
  )
  // Who has shown a token is no stranger any more.
  clock.advance(HANDSHAKE_MS)
  assert.equal(service.connectionCount, 1)
  const lost = once(words, 'link lost')
  stream.session?.destroy()
  await lost
  assert.equal(sessions.size, 1)
})

const hasIpv6 = Object.values(networkInterfaces()).some(all => all?.some(({ address }) => address === '::1'))

test('a client is known by its address, and stays, also over IPv6 and where a port takes both', {
  skip: !hasIpv6,
}, async t => {
  const addresses: string[] = []
  const tokens = {
    check: (_authorization: readonly unknown[], address: string | undefined) => {
      addresses.push(String(address))
      return { verdict: 'accepted' as const, tokenId: 1 }
    },
  }
  for (const [listen, dial] of [
    ['::', '127.0.0.1'],
    ['::1', '::1'],
  ] as const) {
    const { service, clock, call } = await serve(t, { tokens }, listen, dial)
    const stream = call()
    say(stream, helloOf())
    await heard(stream)
    clock.advance(HANDSHAKE_MS)
    assert.equal(service.connectionCount, 1)
    assert.ok(!stream.destroyed)
  }
  assert.deepEqual(addresses, ['::ffff:127.0.0.1', '::1'])
})

test('a link that is closed has its connection cut when the peer does not end it', async t => {
  const { sessions, clock, sockets, call } = await serve(t)
  const stream = call()
  say(stream, helloOf())
  await heard(stream)
  sessions.keepTokens({ has: () => false })
  const [socket] = sockets
  assert(socket !== undefined)
  clock.advance(LINGER_MS - 1)
  assert.ok(!socket.destroyed)
  clock.advance(1)
  assert.ok(socket.destroyed)
})

test('a hello that cannot be served is told why, and what follows it is not read', async t => {
  const joins: string[] = []
  const { clock, sockets, call } = await serve(t, {
    join: ({ clientId }) => {
      joins.push(clientId)
      throw new PbtError('limit', 'too many')
    },
  })
  const stream = call()
  say(stream, helloOf())
  say(stream, helloOf())
  const [frame] = await heard(stream)
  assert(frame?.case === 'goAway')
  assert.deepEqual([frame.value.message, frame.value.reconnect], ['too many', false])
  stream.resume()
  await once(stream, 'end')
  clock.advance(LINGER_MS)
  assert.ok(sockets[0]?.destroyed)
  assert.deepEqual(joins, ['c'])
})

test('a client that claims what cannot be loses the session that it resumes', async t => {
  const { sessions, call } = await serve(t)
  const honest = call()
  say(honest, helloOf())
  const [welcome] = await heard(honest)
  assert(welcome?.case === 'welcome')
  const { sessionId, secret } = welcome.value
  const lying = call()
  say(lying, helloOf({ sessionId, secret, received: 5n }))
  assert.deepEqual(
    (await heard(lying, 2)).map(frame => frame.case),
    ['welcome', 'goAway'],
  )
  assert.equal(sessions.size, 0)
})

test('the token is judged by its values and the address, before anything is read', async t => {
  const asked: unknown[] = []
  const { sessions, clock, sockets, call } = await serve(t, {
    tokens: {
      check: (...args) => {
        asked.push(args)
        return { verdict: asked.length === 1 ? 'refused' : 'limited' }
      },
    },
  })
  for (const status of ['16', '8']) {
    const stream = call('Bearer wrong')
    say(stream, helloOf())
    const [fields] = await once(stream, 'response')
    assert.equal(fields['grpc-status'], status)
  }
  assert.deepEqual(asked, Array(2).fill([['Bearer wrong'], '127.0.0.1']))
  clock.advance(LINGER_MS)
  assert.deepEqual([sockets.map(({ destroyed }) => destroyed), sessions.size], [[true, true], 0])
})

test('a service that is closed cuts its connections and takes no more', async t => {
  const { words, service, sockets, call } = await serve(t)
  const stream = call()
  say(stream, helloOf())
  await heard(stream)
  const lost = once(words, 'link lost')
  service.close()
  await lost
  const late = call()
  await once(late, 'close')
  assert.deepEqual(
    sockets.map(({ destroyed }) => destroyed),
    [true, true],
  )
})
