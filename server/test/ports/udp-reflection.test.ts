// Who writes another's address on datagrams cannot make a UDP tunnel flood it: what goes out is bounded by what came, whatever
// came, however often, to however many tunnels, unless a handshake shows that it gets it.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { type TestContext, test } from 'node:test'
import { quicPackets, someId, wireguardMessages } from '../../src/edge/testing/handshakes.ts'
import { Account, ask, droppedDatagrams, LOST_MS, udpSocket, udpTarget } from '../support/datagrams.ts'
import { lastingPort } from '../support/ports.ts'
import { type Cleaner, scratch, startClient, startServer } from '../support/programs.ts'
import { shared, startTunnels } from '../support/shared.ts'

const EXTRA_BYTES = 64 * 1024
const FACTOR = 60
const REPLY = Buffer.alloc(1_000, 1)
/** At one go, far more than the bound: nearly what a socket's buffer holds where net.core.rmem_max is as Linux has it, 184 of them. */
const POURED: readonly Buffer[] = new Array(170).fill(REPLY)
const POURED_BYTES = POURED.length * REPLY.length
const MARK = Buffer.from('mark')

/** Answers a datagram of `n` bytes with `n` times as many of 1,000, and a mark with itself. */
async function amplifier(t: Cleaner, times = 2.8) {
  return await udpTarget(t, datagram =>
    datagram.equals(MARK) ? [MARK] : Array.from({ length: Math.round(datagram.length * times) }, () => REPLY),
  )
}

/** Everything that was under way is through: other sources' questions, which pass the same link, are answered. */
async function settle(t: TestContext, ...ports: readonly number[]): Promise<void> {
  const other = await udpSocket(t, '127.0.0.9')
  for (let round = 0; round < 20; round++) for (const port of ports) await ask(other, port, MARK)
}

function bound(...accounts: readonly Account[]): number {
  return EXTRA_BYTES + FACTOR * accounts.reduce((sum, { sent }) => sum + sent, 0)
}

function assertBounded(...accounts: readonly Account[]): void {
  const received = accounts.reduce((sum, account) => sum + account.received, 0)
  assert.ok(received <= bound(...accounts), `${received} bytes of at most ${bound(...accounts)}`)
  assert.ok(received > 0.9 * EXTRA_BYTES, `${received} bytes`)
}

const { initiation, response, transport } = wireguardMessages
const { initial, serverInitial, short } = quicPackets
const INDEX_AT = 4
/** What a visitor of QUIC says first, and its own. */
const QUIC = { first: someId(8), own: someId(8) }

/** A target that shakes hands as WireGuard does, with the index that `indexFor` makes of the visitor's, and pours for all else. */
async function wireguardAmplifier(t: Cleaner, indexFor: (theirs: Buffer) => Buffer) {
  return await udpTarget(t, datagram => {
    if (datagram.equals(MARK)) return [MARK]
    const theirs = datagram.subarray(INDEX_AT, INDEX_AT + 4)
    return datagram[0] === 1 ? [response(indexFor(theirs), theirs)] : POURED
  })
}

/** Asks, and brings the target to pour once what it was given, or guesses, is said. */
async function pour(visitor: Account, t: TestContext, port: number, guess?: Buffer): Promise<Buffer> {
  const answered = ask(visitor.socket, port, initiation(someId()))
  visitor.sent += 148
  const answer = await answered
  const index = guess ?? answer.subarray(INDEX_AT, INDEX_AT + 4)
  visitor.send(transport(index, 32), port)
  await settle(t, port)
  return index
}

/** A target that answers the first packet of QUIC as a server of it, or with something like it, and pours for all later ones. */
async function quicAmplifier(t: Cleaner, isGenuine: boolean) {
  return await udpTarget(t, datagram => {
    if (datagram.equals(MARK)) return [MARK]
    const ids = { to: QUIC.own, from: someId(8) }
    const isFirst = datagram.length > 1_000 && datagram.subarray(6, 14).equals(QUIC.first)
    if (isFirst) return [isGenuine ? serverInitial(QUIC.first, ids) : initial(ids)]
    return datagram.length > 1_000 ? [] : POURED
  })
}

/** What a source has had is remembered for all of the server's ports, so each test has sources of its own. */
const house = shared(async t => {
  const always = someId()
  const specs: Record<string, string> = {}
  const add = (name: string, { port }: { port: number }, options = '') => {
    specs[name] = `udp:${port}${options}`
  }
  add('sends', await amplifier(t))
  for (const name of ['one', 'two', 'three', 'four']) add(name, await amplifier(t, 30))
  add('random', await wireguardAmplifier(t, () => someId()))
  add('same', await wireguardAmplifier(t, () => always))
  add('echo', await wireguardAmplifier(t, theirs => theirs))
  for (const name of ['quicSeen', 'quicOther']) add(name, await quicAmplifier(t, true))
  add('quicLike', await quicAmplifier(t, false))
  const factored = await amplifier(t, POURED.length / 10)
  for (const factor of ['1', '10000', 'off']) add(`factor ${factor}`, factored, `,reply-factor=${factor}`)
  const echo = await udpTarget(t, datagram => [datagram])
  add('marks', echo)
  add('shut', echo, ',allow=192.0.2.1')
  const silent = await udpSocket(t)
  add('mute', silent.address())
  const metrics = await lastingPort()
  const addresses = '127.0.0.1,127.0.0.2,::1'
  const server = await startServer(t, {
    serverArgs: ['--metrics-port', String(metrics), '--bind-address', addresses],
  })
  const { ports } = await startTunnels(t, server, Object.values(specs))
  const names = Object.keys(specs)
  const portOf = (name: string) => ports[names.indexOf(name)] ?? assert.fail(name)
  return { server, metrics, portOf, always, factored: factored.port, echo: echo.port }
})

test('F11: a source that sends on and on is not believed: 64 KiB and 60 times what it sent, and the rest is counted', async t => {
  const { server, metrics, portOf } = await house()
  const port = portOf('sends')
  const forged = new Account(await udpSocket(t, '127.0.10.1'))
  // 420 bytes for 1,176,000.
  for (let count = 0; count < 42; count++) {
    forged.send(Buffer.alloc(10), port)
    await settle(t, port)
  }
  assert.equal(forged.sent, 420)
  assertBounded(forged)
  assert.ok(forged.received > 80_000, `${forged.received} bytes`)
  assert.equal((await droppedDatagrams(metrics, port)) + forged.datagrams, 1_176)
  assert.match(server.program.stderr, /--reply-factor.*"UDP replies were dropped/)
  // What it sends later earns it as much as ever.
  const before = forged.received
  forged.send(Buffer.alloc(100), port)
  await settle(t, port)
  assert.ok(forged.received > before)
  assertBounded(forged)
})

test('F11: flows from other ports of the source, and new flows after the last has ended, bring no more', async t => {
  const target = await amplifier(t, 30)
  const { server } = await house()
  const home = scratch(t)
  const accounts: Account[] = []
  for (let round = 0; round < 3; round++) {
    const { client, port } = await startClient(t, server, ['udp', String(target.port)], { home })
    for (let visitor = 0; visitor < 4; visitor++) {
      const account = new Account(await udpSocket(t, '127.0.10.2'))
      accounts.push(account)
      account.send(Buffer.alloc(10), port)
      await settle(t, port)
    }
    await client.end() // and with it all flows
  }
  assertBounded(...accounts)
})

test('F11: many tunnels of one server are no more to a source than one', async t => {
  const { portOf } = await house()
  const ports = ['one', 'two', 'three', 'four'].map(portOf)
  const forged = new Account(await udpSocket(t, '127.0.10.3'))
  for (const port of ports) forged.send(Buffer.alloc(10), port)
  await settle(t, ...ports)
  assertBounded(forged)
})

test('F11: a visitor whose handshake shows that it gets what is sent has no bound, also from another port and when pbt has come back', async t => {
  const target = await wireguardAmplifier(t, () => someId())
  const { server } = await house()
  const home = scratch(t)
  const { client, port } = await startClient(t, server, ['udp', String(target.port)], { home })
  const visitor = new Account(await udpSocket(t, '127.0.14.1'))
  const index = await pour(visitor, t, port)
  assert.ok(visitor.received > POURED_BYTES, `${visitor.received} bytes`)
  const sayingFrom = async (address: string, to: number) => {
    const account = new Account(await udpSocket(t, address))
    account.send(transport(index, 32), to)
    await settle(t, to)
    return account
  }
  assert.equal((await sayingFrom('127.0.14.1', port)).received, POURED_BYTES)
  // Whoever was given it can say it with another's address.
  assertBounded(await sayingFrom('127.0.14.2', port))
  await client.end()
  const specs = [target, await amplifier(t, 10)].map(each => `udp:${each.port}`)
  const { ports } = await startTunnels(t, server, specs, { home })
  assert.equal(ports[0], port)
  assert.equal((await sayingFrom('127.0.14.1', port)).received, POURED_BYTES)
  assertBounded(await sayingFrom('127.0.14.3', ports[1] ?? 0))
})

test('F11: who guesses, or knows what a target always answers, is sent no more for a handshake', async t => {
  const { portOf, always } = await house()
  const [randomPort, samePort, echoPort] = [portOf('random'), portOf('same'), portOf('echo')]
  const looking = new Account(await udpSocket(t, '127.0.4.1'))
  await pour(looking, t, samePort)
  for (const [address, port, guess] of [
    ['127.0.4.2', randomPort, always],
    ['127.0.4.3', samePort, always],
    ['127.0.4.4', echoPort, undefined],
  ] as const) {
    const forged = new Account(await udpSocket(t, address))
    for (let count = 0; count < 4; count++) await pour(forged, t, port, guess)
    assertBounded(forged)
  }
})

test('F11: a visitor of QUIC has no bound once it says the id that the target chose, or another one; one of something like it has', async t => {
  const { portOf } = await house()
  for (const [name, isGenuine, isSeen, address] of [
    ['quicSeen', true, true, '127.0.16.1'],
    ['quicOther', true, false, '127.0.16.2'],
    ['quicLike', false, true, '127.0.16.3'],
  ] as const) {
    const port = portOf(name)
    const visitor = new Account(await udpSocket(t, address))
    const answered = ask(visitor.socket, port, initial({ to: QUIC.first, from: QUIC.own }))
    visitor.sent += 1_252
    const answer = await answered
    const id = isSeen ? answer.subarray(15, 23) : someId(8)
    visitor.send(initial({ to: id, from: QUIC.own }), port)
    visitor.send(short(id, 40), port)
    await settle(t, port)
    visitor.send(short(id, 40), port)
    await settle(t, port)
    if (isGenuine) assert.ok(visitor.received > 2 * POURED_BYTES, `${visitor.received} bytes`)
    else assertBounded(visitor)
  }
})

test('F11: --reply-factor and reply-factor= say how many times, or that there is no bound, for that tunnel', async t => {
  const { server, portOf, factored } = await house()
  for (const [factor, least, most] of [
    ['1', EXTRA_BYTES - 1_000, EXTRA_BYTES + 10],
    ['10000', EXTRA_BYTES + 99_000, EXTRA_BYTES + 100_000],
    ['off', POURED_BYTES, POURED_BYTES],
  ] as const) {
    const command = await startClient(t, server, ['udp', String(factored), '--reply-factor', factor])
    for (const [index, port] of [command.port, portOf(`factor ${factor}`)].entries()) {
      const visitor = new Account(await udpSocket(t, `127.0.${20 + factor.length}.${index + 1}`))
      visitor.send(Buffer.alloc(10), port)
      await settle(t, port)
      assert.ok(visitor.received >= least && visitor.received <= most, `${factor}: ${visitor.received} bytes`)
    }
  }
})

test('F11: nothing is sent to a visitor that is not allowed, or where there is no tunnel', async t => {
  const { server, portOf, echo } = await house()
  const [gone, lost] = await Promise.all([1, 2].map(() => startClient(t, server, ['udp', String(echo)])))
  assert.ok(gone !== undefined && lost !== undefined)
  await gone.client.end()
  await lost.client.end('SIGKILL')
  const forged = new Account(await udpSocket(t))
  for (const port of [gone.port, lost.port, portOf('shut'), portOf('mute')])
    for (let count = 0; count < 10; count++) forged.send(Buffer.alloc(100), port)
  await settle(t, portOf('marks'))
  assert.equal(forged.datagrams, 0)
})

test('F10: the flows of one source are counted for a port, not for each address that the server listens on', async t => {
  const { portOf } = await house()
  const port = portOf('marks')
  const sockets = await Promise.all(Array.from({ length: 256 }, () => udpSocket(t, '127.0.3.1')))
  for (const [index, socket] of sockets.entries()) await ask(socket, port, MARK, `127.0.0.${1 + (index % 2)}`)
  for (const host of ['127.0.0.1', '127.0.0.2']) {
    const surplus = await udpSocket(t, '127.0.3.1')
    surplus.on('message', () => assert.fail(`a flow beyond the limit of its source was served at ${host}`))
    surplus.send('?', port, host)
    await ask(await udpSocket(t, '127.0.3.2'), port, MARK, host)
  }
  const v6 = createSocket('udp6')
  t.after(() => v6.close())
  const answered = new Promise((resolve, reject) => {
    v6.once('message', resolve)
    AbortSignal.timeout(LOST_MS).addEventListener('abort', () => reject(new Error('the other family is not served')))
  })
  v6.send(MARK, port, '::1')
  await answered
})
