// Clients that break the rules of the link: each pays for itself, the process and everybody else go on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Reason } from '@pbt/proto/tunnel/v1'
import { asked, withClient } from '../support/beside.ts'
import { type HostilePeer, hostilePeer, linkSocket } from '../support/hostile-peer.ts'
import { stopwatch } from '../support/process.ts'
import { startServer } from '../support/programs.ts'

test('G2: a message that is no batch, or breaks its limits, ends that session with a code', async t => {
  const { server, isWell } = await withClient(t)
  const bad: readonly [name: string, bytes: Buffer][] = [
    ['junk', Buffer.from('junk that is no protobuf')],
    ['a wrong wire type', Buffer.from([0x0d, 1, 2, 3, 4, 0x13])],
    ['a length beyond the end', Buffer.from([0x10, 1, 0x1a, 0x7f, 0x08, 0x01])],
    ['a group', Buffer.from([0x10, 1, 0x1b])],
    ['field number 0', Buffer.from([0x10, 1, 0x02, 0x00])],
  ]
  for (const [name, bytes] of bad) {
    const peer = await hostilePeer(t, server)
    await peer.welcome({ clientId: 'bad' })
    peer.send(bytes)
    const { reason, reconnect } = await peer.goAway()
    assert.equal(reason, Reason.PROTOCOL, name)
    assert.ok(!reconnect)
    await peer.over()
    const first = await hostilePeer(t, server)
    first.send(bytes)
    assert.equal((await first.goAway()).reason, Reason.PROTOCOL, `${name} instead of hello`)
  }
  const newer = await hostilePeer(t, server)
  await newer.welcome({ clientId: 'newer' })
  // Field 200 of the batch, and a frame with body 40 that has field 99: what a newer version may say.
  newer.send(Buffer.from([0xc0, 0x0c, 1, 0x10, 1, 0x1a, 6, 0xc2, 0x02, 3, 0x98, 0x06, 1]))
  newer.number = 2
  newer.say({ body: { case: 'openTunnel', value: { tunnel: 1, kind: 1, domains: ['newer'], target: 'n' } } })
  await newer.frame('tunnelOpened')
  await isWell()
})

test('G3: wrong channels end the channel or the session, never that of another client', async t => {
  const { server, isWell } = await withClient(t)
  const data = { case: 'data', value: Buffer.from('x') } as const
  const head = { case: 'httpResponse', value: { status: 200 } } as const
  const ends: readonly [name: string, (peer: HostilePeer, channel: bigint) => void][] = [
    ['a channel never opened', peer => peer.say({ channel: 9n, body: data })],
    ['2^32', peer => peer.say({ channel: 2n ** 32n, body: data })],
    ['the largest number', peer => peer.say({ channel: 2n ** 64n - 1n, body: data })],
    ['an open from the client', peer => peer.say({ channel: 99n, body: { case: 'tcpOpen', value: { tunnel: 1 } } })],
    ['the open of an open channel', (peer, channel) => peer.say({ channel, body: { case: 'tcpOpen', value: {} } })],
  ]
  for (const [name, act] of ends) {
    const peer = await hostilePeer(t, server)
    await peer.open('app', { clientId: 'bad' })
    const { channel, visitor } = await asked(t, server, peer)
    act(peer, channel)
    assert.equal((await peer.goAway()).reason, Reason.PROTOCOL, name)
    assert.match(await visitor.until(/pbt-error/i), /502/, name)
    peer.cut()
  }
  const resets: readonly [name: string, (peer: HostilePeer, channel: bigint) => void][] = [
    ['data before the head', (peer, channel) => peer.say({ channel, body: data })],
    ['an end before the head', (peer, channel) => peer.say({ channel, end: true })],
    ['a datagram', (peer, channel) => peer.say({ channel, body: { case: 'datagram', value: Buffer.alloc(1) } })],
  ]
  const peer = await hostilePeer(t, server)
  await peer.open('app', { clientId: 'bad' })
  for (const [index, [name, act]] of resets.entries()) {
    const { channel, visitor } = await asked(t, server, peer, index)
    act(peer, channel)
    assert.match(await visitor.until(/pbt-error/i), /502/, name)
    peer.say({ channel, end: true, body: data }, { channel, end: true }, { channel, body: head })
  }
  const last = await asked(t, server, peer, resets.length)
  peer.say({ channel: last.channel, end: true, body: head }, { channel: last.channel, body: data })
  assert.match(await last.visitor.until(/\r\n\r\n/), /^HTTP\/1\.1 200/)
  await isWell()
})

test('G5: names of others are refused, the own predecessor is replaced, and old words change nothing', async t => {
  const server = await startServer(t)
  const first = await hostilePeer(t, server)
  const welcome = await first.open('app', { machineId: 'one', clientId: 'one', label: 'desk' })
  const other = await hostilePeer(t, server)
  await other.welcome({ machineId: 'two', clientId: 'two' })
  other.say({ body: { case: 'openTunnel', value: { tunnel: 1, kind: 1, domains: ['app'], target: 't' } } })
  const { value: refused } = await other.frame('tunnelRefused')
  assert.equal(refused.reason, Reason.NAME_TAKEN)
  assert.match(refused.message, /desk/)
  // The first still has it.
  await asked(t, server, first)

  const foreign = await hostilePeer(t, server)
  const resume = { sessionId: welcome.sessionId, secret: Buffer.alloc(32), received: 0n }
  assert.equal((await foreign.welcome({ machineId: 'two', clientId: 'three', resume })).resumed, false)
  const stolen = await hostilePeer(t, server)
  const right = { sessionId: welcome.sessionId, secret: welcome.secret, received: 0n }
  assert.equal((await stolen.welcome({ machineId: 'two', clientId: 'four', resume: right })).resumed, false)
  await asked(t, server, first, 1)

  const newer = await hostilePeer(t, server)
  await newer.open('app', { machineId: 'one', clientId: 'one', generation: 2n })
  assert.equal((await first.goAway()).reason, Reason.REPLACED)
  first.cut()
  const older = await hostilePeer(t, server)
  older.hello({ machineId: 'one', clientId: 'one', generation: 1n, resume: right })
  assert.equal((await older.goAway()).reason, Reason.REPLACED)
  older.hello({ machineId: 'one', clientId: 'one', generation: 3n })
  await older.over()
  await asked(t, server, newer)
  assert.ok(!newer.isOver)
})

test('G5: a client that lies when it resumes loses its session and no other', async t => {
  const { server, isWell } = await withClient(t)
  for (const received of [99n, 2n ** 64n - 1n]) {
    const first = await hostilePeer(t, server)
    const { sessionId, secret } = await first.open('app', { clientId: 'liar' })
    first.cut()
    const again = await hostilePeer(t, server)
    again.hello({ clientId: 'liar', resume: { sessionId, secret, received } })
    assert.equal((await again.goAway()).reason, Reason.PROTOCOL)
    const third = await hostilePeer(t, server)
    assert.equal(
      (await third.welcome({ clientId: 'liar', resume: { sessionId, secret, received: 0n } })).resumed,
      false,
    )
    third.cut()
  }
  const forgetful = await hostilePeer(t, server)
  const { sessionId, secret } = await forgetful.open('app', { clientId: 'forgetful' })
  forgetful.say({ body: { case: 'closeTunnel', value: { tunnel: 1 } } })
  forgetful.say({ body: { case: 'openTunnel', value: { tunnel: 2, kind: 1, domains: ['app'], target: 't' } } })
  await forgetful.frame('tunnelOpened', 1)
  forgetful.cut()
  const again = await hostilePeer(t, server)
  again.hello({ clientId: 'forgetful', resume: { sessionId, secret, received: 0n } })
  assert.equal((await again.goAway()).reason, Reason.PROTOCOL)
  const lying = await hostilePeer(t, server)
  await lying.welcome({ clientId: 'ack' })
  lying.received = 1_000_000
  lying.say()
  assert.equal((await lying.goAway()).reason, Reason.PROTOCOL)
  await isWell()
})

test('G6: peers without a token have 5 s, and eight places an address', async t => {
  const server = await startServer(t)
  const began = performance.now()
  const passed = stopwatch(server.program.pid)
  const first = await linkSocket(t, server)
  first.resume()
  const sockets = await Promise.all(Array.from({ length: 7 }, () => linkSocket(t, server)))
  // Whoever closed its side has no place any more, though it never said a word.
  const leaving = await linkSocket(t, server, { localAddress: '127.0.0.4' })
  leaving.end()
  leaving.resume()
  await once(leaving, 'close')
  assert.ok(!first.closed)
  // The ninth may be a client, and the one that has taken longest is none.
  sockets.push(await linkSocket(t, server))
  await once(first, 'close')
  assert.ok(passed() < 4500)
  // Elsewhere there is room, also for a call that never says hello.
  const mute = await hostilePeer(t, server, { localAddress: '127.0.0.2' })
  const client = await hostilePeer(t, server, { localAddress: '127.0.0.3' })
  await client.welcome()
  await Promise.all(
    [...sockets, mute.session].map(async each => {
      if ('resume' in each) each.resume()
      await once(each, 'close')
    }),
  )
  const elapsed = performance.now() - began
  assert.ok(elapsed > 4500 && elapsed < 15_000, `closed after ${elapsed} ms`)
  assert.ok(!client.isOver)
})

test('G6: strangers do not keep a client out, neither 64 from elsewhere nor 8 from where it is', async t => {
  const server = await startServer(t)
  await Promise.all(Array.from({ length: 8 }, () => linkSocket(t, server)))
  const first = await hostilePeer(t, server)
  await first.welcome({ clientId: 'first' })
  for (let address = 10; address < 20; address++) {
    await Promise.all(Array.from({ length: 8 }, () => linkSocket(t, server, { localAddress: `127.0.0.${address}` })))
  }
  const client = await hostilePeer(t, server)
  await client.welcome()
  assert.ok(!first.isOver)
})

test('G7: answers that would split or steer the edge are 502, and the session goes on', async t => {
  const server = await startServer(t)
  const peer = await hostilePeer(t, server)
  await peer.open('app')
  const header = (name: string, value: string) => ({ name, value: Buffer.from(value, 'latin1') })
  const many = Array.from({ length: 300 }, (_, index) => header(`x-${index}`, 'y'))
  const heads: readonly [name: string, object][] = [
    ['status 0', { status: 0 }],
    ['status 99', { status: 99 }],
    ['status 1000', { status: 1000 }],
    ['101 without being asked', { status: 101, upgrade: 'websocket' }],
    ['CRLF in a value', { status: 200, headers: [header('a', 'b\r\nc: d')] }],
    ['LF in a reason', { status: 200, reason: Buffer.from('OK\nx: y') }],
    ['NUL in a value', { status: 200, headers: [header('a', '\0')] }],
    ['a name that is a pseudo-field', { status: 200, headers: [header(':status', '204')] }],
    ['an empty name', { status: 200, headers: [header('', 'x')] }],
    ['a name with a colon', { status: 200, headers: [header('a:b', 'x')] }],
    ['two lengths', { status: 200, headers: [header('content-length', '1'), header('content-length', '2')] }],
    ['a length with a sign', { status: 200, headers: [header('content-length', '+1')] }],
    ['too many fields', { status: 200, headers: many }],
    ['a head of 90 KiB', { status: 200, headers: [header('a', 'b'.repeat(90 * 1024))] }],
  ]
  for (const [index, [name, value]] of heads.entries()) {
    const { channel, visitor } = await asked(t, server, peer, index)
    peer.say({ channel, body: { case: 'httpResponse', value } })
    const text = await visitor.until(/pbt-error: [a-z-]+/i)
    assert.match(text, /^HTTP\/1\.1 502/, name)
    assert.match(text, /target-broke/, name)
  }
  const hop = await asked(t, server, peer, heads.length)
  const fields = [
    header('Transfer-Encoding', 'gzip'),
    header('Connection', 'x-a'),
    header('X-A', '1'),
    header('X-B', '2'),
  ]
  peer.say({ channel: hop.channel, body: { case: 'httpResponse', value: { status: 200, headers: fields } } })
  peer.say({ channel: hop.channel, end: true, body: { case: 'data', value: Buffer.from('whole') } })
  const text = await hop.visitor.until(/whole/)
  assert.match(text, /^HTTP\/1\.1 200/)
  assert.doesNotMatch(text, /gzip|x-a/i)
  assert.match(text, /x-b: 2/i)
  const long = await asked(t, server, peer, heads.length + 1)
  peer.say(
    {
      channel: long.channel,
      body: { case: 'httpResponse', value: { status: 200, headers: [header('content-length', '3')] } },
    },
    { channel: long.channel, end: true, body: { case: 'data', value: Buffer.from('abcHTTP/1.1 200 smuggled') } },
  )
  await long.visitor.over()
  assert.doesNotMatch(long.visitor.text, /smuggled/)
  const short = await asked(t, server, peer, heads.length + 2)
  peer.say(
    {
      channel: short.channel,
      body: { case: 'httpResponse', value: { status: 200, headers: [header('content-length', '9')] } },
    },
    { channel: short.channel, body: { case: 'data', value: Buffer.from('abc') } },
    { channel: short.channel, end: true, body: { case: 'httpTrailers', value: { headers: [header('x-t', '1')] } } },
  )
  await short.visitor.over()
  assert.ok(!peer.isOver)
})

test('G8: another major version is refused with the side to upgrade, another minor one is served', async t => {
  const server = await startServer(t)
  for (const [major, side] of [
    [0, /upgrade pbt on this machine/],
    [2, /upgrade pbt-server/],
  ] as const) {
    const peer = await hostilePeer(t, server)
    peer.hello({ major })
    const { reason, message } = await peer.goAway()
    assert.equal(reason, Reason.VERSION)
    assert.match(message, side)
  }
  const minor = await hostilePeer(t, server)
  await minor.open('app', { minor: 99 })
})
