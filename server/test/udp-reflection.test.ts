// Who writes another's address on datagrams cannot make a UDP tunnel flood it: what goes out is bounded by what came, whatever
// came, however often, to however many tunnels.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { type TestContext, test } from 'node:test'
import { Account, ask, droppedDatagrams, LOST_MS, udpSocket, udpTarget } from './support/datagrams.ts'
import { type Program, scratch, startClient, startServer } from './support/programs.ts'

const EXTRA_BYTES = 64 * 1024
const FACTOR = 60
const REPLY = Buffer.alloc(1_000, 1)
const MARK = Buffer.from('mark')

/** Answers a datagram of `n` bytes with `n` times as many of 1,000, and a mark with itself. */
async function amplifier(t: TestContext, times = 2.8) {
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

/** The ports of a client's tunnels, in the order of its specs. */
async function portsOf(client: Program, count: number): Promise<number[]> {
  const online = await client.until(() => {
    const events = client.events.filter(({ event }) => event === 'online')
    return events.length < count ? undefined : events
  }, 'all tunnels online')
  return online.map(({ urls }) => Number(new URL(String((urls as string[])[0])).port))
}

test('F11: a source that sends on and on is not believed: 64 KiB and 60 times what it sent, and the rest is counted', async t => {
  const target = await amplifier(t)
  const metrics = 10_000 + Math.floor(Math.random() * 10_000)
  const server = await startServer(t, { serverArgs: ['--metrics-port', String(metrics)] })
  const { port } = await startClient(t, server, ['udp', String(target.port)])
  const forged = new Account(await udpSocket(t))
  // 420 bytes for 1,176,000.
  for (let count = 0; count < 42; count++) {
    forged.send(Buffer.alloc(10), port)
    await settle(t, port)
  }
  assert.equal(forged.sent, 420)
  assertBounded(forged)
  assert.ok(forged.received > 80_000, `${forged.received} bytes`)
  assert.equal((await droppedDatagrams(metrics)) + forged.datagrams, 1_176)
  assert.match(server.program.stderr, /--reply-factor.*"UDP replies were withheld/)
  // What it sends later earns it as much as ever.
  const before = forged.received
  forged.send(Buffer.alloc(100), port)
  await settle(t, port)
  assert.ok(forged.received > before)
  assertBounded(forged)
})

test('F11: flows from other ports of the source, and new flows after the last has ended, bring no more', async t => {
  const target = await amplifier(t, 30)
  const server = await startServer(t)
  const home = scratch(t)
  const accounts: Account[] = []
  for (let round = 0; round < 3; round++) {
    const { client, port } = await startClient(t, server, ['udp', String(target.port)], { home })
    for (let visitor = 0; visitor < 4; visitor++) {
      const account = new Account(await udpSocket(t))
      accounts.push(account)
      account.send(Buffer.alloc(10), port)
      await settle(t, port)
    }
    await client.end() // and with it all flows
  }
  assertBounded(...accounts)
})

test('F11: many tunnels of one server are no more to a source than one', async t => {
  const targets = await Promise.all([1, 2, 3, 4].map(() => amplifier(t, 30)))
  const server = await startServer(t)
  const { client } = await startClient(t, server, ['up', ...targets.map(({ port }) => `udp:${port}`)])
  const ports = await portsOf(client, targets.length)
  const forged = new Account(await udpSocket(t))
  for (const port of ports) forged.send(Buffer.alloc(10), port)
  await settle(t, ...ports)
  assertBounded(forged)
})

test('F11: --reply-factor and reply-factor= say how many times, or that there is no bound, for that tunnel', async t => {
  const target = await amplifier(t, 30)
  const server = await startServer(t)
  for (const [factor, least, most] of [
    ['1', EXTRA_BYTES - 1_000, EXTRA_BYTES + 10],
    ['10000', EXTRA_BYTES + 99_000, EXTRA_BYTES + 100_000],
    ['off', 300_000, 300_000],
  ] as const) {
    const command = await startClient(t, server, ['udp', String(target.port), '--reply-factor', factor])
    const spec = await startClient(t, server, ['up', `udp:${target.port},reply-factor=${factor}`])
    for (const [index, { port }] of [command, spec].entries()) {
      const visitor = new Account(await udpSocket(t, `127.0.${factor.length}.${index + 1}`))
      visitor.send(Buffer.alloc(10), port)
      await settle(t, port)
      assert.ok(visitor.received >= least && visitor.received <= most, `${factor}: ${visitor.received} bytes`)
    }
  }
})

test('F11: nothing is sent to who may not come, or where nobody is', async t => {
  const target = await udpTarget(t, datagram => [datagram])
  const server = await startServer(t)
  const { port: marks } = await startClient(t, server, ['udp', String(target.port)])
  const gone = await startClient(t, server, ['udp', String(target.port)])
  await gone.client.end()
  const lost = await startClient(t, server, ['udp', String(target.port)])
  await lost.client.end('SIGKILL')
  const shut = await startClient(t, server, ['udp', String(target.port), '--allow', '192.0.2.1'])
  const silent = await udpSocket(t)
  const mute = await startClient(t, server, ['udp', String(silent.address().port)])
  const forged = new Account(await udpSocket(t))
  for (const { port } of [gone, lost, shut, mute])
    for (let count = 0; count < 10; count++) forged.send(Buffer.alloc(100), port)
  await settle(t, marks)
  assert.equal(forged.datagrams, 0)
})

test('F10: the flows of one source are counted for a port, not for each address that the server listens on', async t => {
  const target = await udpTarget(t, datagram => [datagram])
  const server = await startServer(t, { serverArgs: ['--bind-address', '127.0.0.1,127.0.0.2,::1'] })
  const { port } = await startClient(t, server, ['udp', String(target.port)])
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
