// Connections to a target over HTTP/2: how many, who waits, who is asked whether it is there. Real sockets, a clock of the test's.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { Places } from '../places.ts'
import { forwarderTo, pass, service, settled, until } from './testing/service.ts'

/** As in pool.ts and connection.ts. */
const [MAX_CONNECTIONS, MAX_WAITING, WAIT_MS] = [8, 4_096, 20_000]
const [SETTINGS_MS, FRESH_MS, PROBE_MS, SILENCE_MS, DEAD_MS, PROBE_INTERVAL_MS, IDLE_MS] = [
  5_000, 2_500, 2_000, 15_000, 45_000, 330_000, 60_000,
]

test('a target that says nothing, or speaks no HTTP/2, fails those who wait with what to look at', async t => {
  const sockets: Socket[] = []
  let says = ''
  const silent = createTcpServer(socket => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', () => says !== '' && socket.end(says))
    t.after(() => socket.destroy())
  })
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const { clock, ask } = forwarderTo((silent.address() as AddressInfo).port)
  const waiting = [ask(), ask(), ask()]
  waiting[2]?.leave()
  await until(() => sockets.length === 1)
  clock.advance(SETTINGS_MS)
  for (const each of waiting.slice(0, 2)) {
    assert.match(
      await each.over(),
      /^target-broke: .*did not answer in HTTP\/2 \(--target-protocol h2c\): it sent nothing/,
    )
  }
  assert.equal(waiting[2]?.outcome, '')
  says = 'HTTP/1.1 400 Bad Request\r\n\r\n'
  assert.match(await ask().over(), /^target-broke: .*did not answer in HTTP\/2/)
  says = ''
  const closed = ask()
  await until(() => sockets.length === 3)
  sockets[2]?.end()
  assert.match(await closed.over(), /^target-broke: .*it closed the connection/)
})

test('a target whose limit of streams is reached gets up to eight connections, then requests wait in their order', async t => {
  const { port, held, sockets, answer } = await service(t, { maxConcurrentStreams: 2 })
  const { clock, ask } = forwarderTo(port)
  const first = Array.from({ length: 2 * MAX_CONNECTIONS }, () => ask('/held'))
  await until(() => held.length === first.length)
  assert.equal(sockets.length, MAX_CONNECTIONS)
  const waiting = Array.from({ length: 5 }, () => ask())
  waiting[0]?.leave()
  answer(held[3])
  // One after the other through the stream that is free.
  for (const each of waiting.slice(1)) assert.equal(await each.over(), 'whole')
  assert.equal(waiting[0]?.status, 0)
  const more = ask('/held')
  await until(() => held.length === first.length)
  const [late, later] = [ask(), ask()]
  await pass(clock, WAIT_MS - 2_000)
  const last = ask()
  await pass(clock, 2_000)
  for (const each of [late, later]) {
    assert.match(await each.over(), /^target-timeout: .*had none of its 16 streams free for 20 s/)
  }
  assert.equal(sockets.length, MAX_CONNECTIONS)
  more.leave()
  assert.equal(await last.over(), 'whole')
})

test('so many requests wait, and one more is told at once', async t => {
  const { port, sockets } = await service(t, { maxConcurrentStreams: 0 })
  const { forwarder, clock, ask } = forwarderTo(port)
  const waiting = Array.from({ length: MAX_WAITING }, () => ask())
  const more = ask()
  clock.settle()
  assert.match(await more.over(), /^limit: .*4096 wait for it already/)
  waiting[7]?.leave()
  const inTime = ask()
  await pass(clock, WAIT_MS + 1_000)
  assert.ok(sockets.length <= MAX_CONNECTIONS)
  assert.match(await inTime.over(), /^target-timeout: /)
  assert.equal(waiting[7]?.outcome, '')
  forwarder.close()
})

test('a target that cannot be reached fails all who wait, and is tried again for the next', async t => {
  const { port, sockets } = await service(t)
  const { ask } = forwarderTo(1)
  for (let round = 0; round < 2; round++) {
    const waiting = [ask(), ask()]
    for (const each of waiting) assert.match(await each.over(), /^target-unreachable: .*connection refused/)
  }
  const places = new Places(1)
  const one = forwarderTo(port, places)
  const other = forwarderTo(port, places)
  assert.equal(await one.ask().over(), 'whole')
  await settled()
  // The other's connection idles, and makes room.
  assert.equal(await other.ask().over(), 'whole')
  await until(() => sockets[0]?.destroyed === true)
  await settled()
  const stays = other.ask('/held')
  const refused = one.ask()
  one.clock.settle()
  assert.match(await refused.over(), /^limit: /)
  stays.leave()
})

test('a connection that has been silent is asked before it is used again, and replaced when it does not answer', async t => {
  const { port, sockets, pings } = await service(t)
  const { clock, ask } = forwarderTo(port)
  assert.equal(await ask().over(), 'whole')
  clock.advance(FRESH_MS + 2_000)
  assert.equal(await ask().over(), 'whole')
  assert.deepEqual([sockets.length, pings()], [1, 1])
  sockets[0]?.pause()
  clock.advance(FRESH_MS + 2_000)
  const [first, second] = [ask(), ask()]
  clock.advance(PROBE_MS)
  for (const each of [first, second]) assert.equal(await each.over(), 'whole')
  assert.equal(sockets.length, 2)
})

for (const wakesUp of [true, false]) {
  const end = wakesUp ? 'all is well when it goes on' : 'they fail'
  test(`requests on a connection that is silent wait for a minute, new ones go elsewhere, and then ${end}`, async t => {
    const { port, held, sockets, answer } = await service(t)
    const { clock, ask } = forwarderTo(port)
    const waits = ask('/held')
    await until(() => held.length === 1)
    sockets[0]?.pause()
    await pass(clock, SILENCE_MS + PROBE_MS + 1_000)
    assert.equal(await ask().over(), 'whole')
    assert.equal(sockets.length, 2)
    await pass(clock, DEAD_MS - PROBE_MS - 3_000)
    assert.equal(waits.outcome, '')
    if (wakesUp) {
      sockets[0]?.resume()
      answer(held[0])
      assert.equal(await waits.over(), 'whole')
      sockets[1]?.destroy()
      await settled()
      assert.equal(await ask().over(), 'whole')
      assert.equal(sockets.length, 2)
    } else {
      await pass(clock, 4_000)
      assert.match(await waits.over(), /^target-broke: .*it has sent nothing for 45 s, and did not answer a ping/)
    }
  })
}

test('a target that answers nothing but pings is asked seldom, as gRPC wants it, and in between another connection is used', async t => {
  const { port, held, sockets, pings } = await service(t)
  const { clock, ask } = forwarderTo(port)
  const waits = ask('/held')
  await until(() => held.length === 1)
  await pass(clock, SILENCE_MS + 1_000)
  assert.equal(pings(), 1)
  for (let round = 1; round <= 2; round++) {
    await pass(clock, PROBE_INTERVAL_MS - 10_000)
    assert.equal(pings(), round)
    await pass(clock, 12_000)
    assert.equal(pings(), round + 1)
  }
  const before = sockets.length
  assert.equal(await ask().over(), 'whole')
  assert.deepEqual([sockets.length, waits.outcome], [before + 1, ''])
})

test('a connection without requests is closed after a minute, and all of them with the forwarder', async t => {
  const { port, held, sockets, answer } = await service(t)
  const { forwarder, clock, ask } = forwarderTo(port)
  assert.equal(await ask().over(), 'whole')
  const isOver = once(sockets[0] ?? process, 'close')
  clock.advance(IDLE_MS + 1_000)
  await isOver
  const waits = ask('/held')
  await until(() => held.length === 1)
  clock.advance(FRESH_MS + 1_000)
  forwarder.close()
  answer(held[0])
  assert.equal(await waits.over(), 'whole')
  await until(() => sockets[1]?.destroyed === true)
  assert.equal(sockets.length, 2)
})
