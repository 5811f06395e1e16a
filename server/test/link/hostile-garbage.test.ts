// Peers of the link that speak no protocol at all, or nearly the right one: a call or a connection ends, nothing else.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Reason, TunnelKind } from '@pbt/proto/tunnel/v1'
import { withClient } from '../support/beside.ts'
import { batchOf, type FrameInit, grpcMessage } from '../support/handmade-link.ts'
import { hostilePeer, linkSocket } from '../support/hostile-peer.ts'
import {
  DATA,
  END_HEADERS,
  frame,
  HEADERS,
  hpack,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  uint32,
  WINDOW_UPDATE,
} from '../support/http2-frames.ts'
import { mutated, type Random, seeded } from '../support/mutations.ts'

const [RESOURCE_EXHAUSTED, UNIMPLEMENTED] = [8, 12]
const EMPTY = batchOf(0, 0, [])

test('G1: garbage below the protocol ends its call, and nobody else notices', async t => {
  const { server, isWell } = await withClient(t)
  const gzip = { 'grpc-encoding': 'gzip' }
  const ends: readonly [name: string, bytes: Buffer, status: number, headers?: Record<string, string>][] = [
    ['garbage that claims to be gzip', grpcMessage(Buffer.from('no gzip at all'), 1), UNIMPLEMENTED, gzip],
    ['gzip, which is not taken', grpcMessage(gzipSync(EMPTY), 1), UNIMPLEMENTED, gzip],
    ['a thousandfold bomb', grpcMessage(gzipSync(Buffer.alloc(200 * 1024 * 1024)), 1), UNIMPLEMENTED, gzip],
    ['an unknown encoding', grpcMessage(EMPTY, 1), UNIMPLEMENTED, { 'grpc-encoding': 'x' }],
    ['a declared length of 4 GiB', grpcMessage(Buffer.from('x'), 0, 0xffffffff), RESOURCE_EXHAUSTED],
    ['a message over the limit', grpcMessage(Buffer.alloc(300 * 1024)), RESOURCE_EXHAUSTED],
  ]
  for (const [name, bytes, status, headers = {}] of ends) {
    for (const isGreeted of [false, true]) {
      const peer = await hostilePeer(t, server, { headers })
      if (isGreeted) await peer.welcome({ clientId: 'bad' })
      peer.stream.write(bytes)
      assert.equal(await peer.over(), status, name)
      peer.cut()
      await isWell()
    }
  }
  // Taken as messages, and these are no batches.
  for (const flag of [1, 2, 0xff]) {
    const peer = await hostilePeer(t, server)
    await peer.welcome({ clientId: 'bad' })
    peer.stream.write(grpcMessage(Buffer.from('x'), flag))
    assert.equal((await peer.goAway()).reason, Reason.PROTOCOL, `flag ${flag}`)
    await peer.over()
  }
  await isWell()
})

test('G1: calls that are none of the link, and HTTP/1.1 on its name, are refused', async t => {
  const { server, isWell } = await withClient(t)
  const refused: readonly [name: string, headers: Record<string, string>][] = [
    ['an unknown method', { ':path': '/pbt.tunnel.v1.TunnelService/Nothing' }],
    ['another service', { ':path': '/' }],
    ['another content type', { 'content-type': 'text/plain' }],
    ['no content type', { 'content-type': '' }],
    ['a deadline that is none', { 'grpc-timeout': 'soon' }],
    ['a deadline that is over at once', { 'grpc-timeout': '1n' }],
  ]
  for (const [name, headers] of refused) {
    const peer = await hostilePeer(t, server, { headers })
    await peer.over()
    assert.notEqual(peer.status, 0, name)
    assert.deepEqual(peer.frames, [], name)
    peer.cut()
  }
  // Neither is needed to understand the call.
  for (const [name, value] of [
    ['te', ''],
    [':method', 'PUT'],
  ] as const) {
    const peer = await hostilePeer(t, server, { headers: { [name]: value } })
    await peer.welcome({ clientId: 'odd' })
    peer.cut()
  }
  for (const alpn of ['http/1.1', '']) {
    const socket = await linkSocket(t, server, { alpn })
    socket.write('GET / HTTP/1.1\r\nHost: link.localhost\r\n\r\n')
    socket.resume()
    await once(socket, 'close')
  }
  await isWell()
})

const SEED = 20_261_124
const ROUNDS = 400
const FRAMES_A_BATCH = 16

test('G2: thousands of mutated frames and messages end their session, and nothing else', async t => {
  const { server, isWell } = await withClient(t)
  t.diagnostic(`seed ${SEED}`)
  const random = seeded(SEED)
  let frames = 0
  let ends = 0
  const round = async (index: number) => {
    // Strangers are limited by address, and some of these never show a token.
    const peer = await hostilePeer(t, server, { localAddress: `127.0.0.${2 + (index % 200)}` })
    const name = `app-${index % 4}`
    await peer.open(name, { machineId: name, clientId: name, generation: BigInt(index) })
    const bodies = templates(random, name)
    for (let batch = 0; batch < 4 && !peer.isOver; batch++) {
      const message = batchOf(
        peer.number++,
        peer.received,
        Array.from({ length: FRAMES_A_BATCH }, () => bodies[random(bodies.length)] ?? {}),
      )
      frames += FRAMES_A_BATCH
      if (index % 8 === 0) peer.stream.write(mutated(random, grpcMessage(message)))
      else peer.send(mutated(random, message))
    }
    // Whatever the server made of it: it still reads, and says so or has ended the call.
    if (!peer.isOver) peer.stream.end()
    await peer.over()
    if (peer.frames.some(({ body }) => body.case === 'goAway')) ends++
    peer.cut()
  }
  for (let index = 0; index < ROUNDS; index += 4) {
    await Promise.all([0, 1, 2, 3].map(offset => round(index + offset)))
    if (index % 40 === 0) await isWell()
  }
  await isWell()
  t.diagnostic(`${frames} frames, ${ends} of ${ROUNDS} sessions ended for cause`)
  assert.ok(frames > 10_000 && ends > ROUNDS / 4, `${frames} frames, ${ends} of ${ROUNDS} sessions ended for cause`)
})

test('G1: mutated HTTP/2 ends its connection, and nothing else', async t => {
  const { server, isWell } = await withClient(t)
  t.diagnostic(`seed ${SEED}`)
  const random = seeded(SEED)
  const fields = [
    [':method', 'POST'],
    [':scheme', 'https'],
    [':path', '/pbt.tunnel.v1.TunnelService/Link'],
    [':authority', 'link.localhost'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ['authorization', `Bearer ${server.token}`],
  ] as const
  const hello = { major: 1, agent: 'x', machineId: 'm', clientId: 'm', generation: 1n }
  const talk = Buffer.concat([
    frame(SETTINGS, 0, 0),
    frame(HEADERS, END_HEADERS, 1, hpack(fields)),
    frame(WINDOW_UPDATE, 0, 0, uint32(1 << 20)),
    frame(DATA, 0, 1, grpcMessage(batchOf(0, 0, [{ body: { case: 'hello', value: hello } }]))),
    frame(DATA, 0, 1, grpcMessage(batchOf(1, 0, [{ body: { case: 'closeTunnel', value: { tunnel: 1 } } }]))),
    frame(RST_STREAM, 0, 1, uint32(0)),
  ])
  const round = async (index: number) => {
    const socket = await linkSocket(t, server, { localAddress: `127.0.0.${2 + (index % 200)}` })
    socket.resume()
    socket.end(Buffer.concat([PREFACE, mutated(random, talk)]))
    await once(socket, 'close')
  }
  for (let index = 0; index < ROUNDS; index += 4) {
    await Promise.all([0, 1, 2, 3].map(offset => round(index + offset)))
  }
  await isWell()
})

/** What a client says in its life, each with something of chance. */
function templates(random: Random, domain: string): readonly FrameInit[] {
  const channel = BigInt(random(4))
  const tunnel = random(3)
  const kind = [TunnelKind.HTTP, TunnelKind.TCP, TunnelKind.UDP][random(3)] ?? TunnelKind.UNSPECIFIED
  const value = Buffer.alloc(random(2_000), 'x')
  const headers = [{ name: 'x-a', value: Buffer.from('b') }]
  return [
    { channel, body: { case: 'data', value } },
    { channel, body: { case: 'httpResponse', value: { status: 200, headers } } },
    { channel, end: true, body: { case: 'httpTrailers', value: { headers } } },
    { channel, body: { case: 'credit', value: BigInt(random(1 << 20)) } },
    { channel, body: { case: 'datagram', value } },
    { channel, body: { case: 'reset', value: { reason: 1, message: 'x' } } },
    { channel, end: true },
    { body: { case: 'openTunnel', value: { tunnel, kind, domains: [domain] } } },
    { body: { case: 'closeTunnel', value: { tunnel } } },
    { body: { case: 'ping', value: { id: 7n } } },
    { body: { case: 'pong', value: { id: 7n } } },
    { body: { case: 'goAway', value: { reason: 3, message: 'x', reconnect: true } } },
  ]
}
