// Flows between real sockets: the channel is a stand-in, visitor and target are the test.
import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { type Clock, PbtError } from '@pbt/proto'
import { channelStub, FakeClock } from '@pbt/proto/testing'
import { lastingPort } from '../../../server/test/support/ports.ts'
import { parsePortTarget, type Target } from '../config/target.ts'
import { Places } from './places.ts'
import { datagramHeader } from './proxy-protocol.ts'
import type { RequestRecord } from './record.ts'
import type { Resolve } from './target-name.ts'
import { createUdpForwarder } from './udp.ts'

/** Tells when a place is given back. */
class WatchedPlaces extends Places {
  readonly events = new EventEmitter()

  override give(): void {
    super.give()
    this.events.emit('given')
  }
}

async function listen(t: TestContext, address: string, port = 0): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  t.after(() => socket.close())
  socket.bind(port, address)
  await once(socket, 'listening')
  return socket
}

/** What happens to the sockets that are made from now on, such as `0 connect`; `until` waits for one of these. */
function watchSockets(t: TestContext) {
  const seen: string[] = []
  const events = new EventEmitter()
  let made = 0
  const watch = (message: unknown) => {
    const { socket } = message as { socket: Socket }
    const number = made++
    for (const name of ['connect', 'error', 'close']) {
      socket.on(name, () => {
        seen.push(`${number} ${name}`)
        events.emit('seen')
      })
    }
  }
  subscribe('udp.socket', watch)
  t.after(() => unsubscribe('udp.socket', watch))
  const until = async (what: string) => {
    while (!seen.includes(what)) await once(events, 'seen')
  }
  return { seen, until }
}

/** A flow to a target, perhaps as the command line names it, with one place for all its sockets. */
function flowTo(
  t: TestContext,
  named: string | Target,
  isLinkBehind = () => false,
  more: { clock?: Clock; resolve?: Resolve; isIntroduced?: boolean } = {},
) {
  const places = new WatchedPlaces(1)
  const records: RequestRecord[] = []
  const answers = new EventEmitter()
  const channel = channelStub({
    sendDatagram: datagram => {
      answers.emit('datagram', String(datagram))
      return !isLinkBehind()
    },
  })
  const onRequest = (record: RequestRecord) => records.push(record)
  const target = typeof named === 'string' ? parsePortTarget(named, 'udp') : named
  const forwarder = createUdpForwarder({ target, places, onRequest, isIntroduced: false, ...more })
  forwarder.accept(channel, { kind: 'udp', tunnel: 1, visitor: '192.0.2.1:1', local: '[::]:53' }, false)
  t.after(() => channel.handler.onReset(new PbtError('cancelled', 'the test is over')))
  return {
    answers,
    places,
    records,
    send: (text: string) => channel.handler.onDatagram?.(Buffer.from(text)),
    /** Ends as one that was silent; its record, once its place is free again. */
    end: async () => {
      assert.equal(places.take(), false, 'its place is taken')
      const given = once(places.events, 'given')
      channel.handler.onReset(new PbtError('cancelled', 'it was silent'))
      await given
      assert.deepEqual([places.take(), places.take()], [true, false], 'its place was given back once')
      const [record] = records
      assert.ok(record !== undefined)
      return record
    },
  }
}

function echo(target: Socket): void {
  target.on('message', (datagram, from) => target.send(datagram, from.port, from.address))
}

test('a target that listens on the other loopback address gets what the visitor sent first, in order', async t => {
  const target = await listen(t, '::1')
  const got: string[] = []
  target.on('message', datagram => got.push(String(datagram)))
  echo(target)
  const flow = flowTo(t, String(target.address().port))
  const answered = once(flow.answers, 'datagram')
  for (const text of ['one', 'two', 'three']) flow.send(text)
  assert.deepEqual(await answered, ['one'])
  flow.send('four')
  while (got.length < 4) await once(flow.answers, 'datagram')
  assert.deepEqual(got, ['one', 'two', 'three', 'four'])
  assert.equal((await flow.end()).fault, '')
})

test('a target that was at none of its addresses is found when it comes', async t => {
  const port = await lastingPort()
  const { seen, until } = watchSockets(t)
  const flow = flowTo(t, String(port))
  flow.send('anybody?')
  // Its sockets for 127.0.0.1, for ::1 and for 127.0.0.1 again: the flow goes on when all have refused.
  await until('2 connect')
  const moves = ['0 connect', '0 error', '0 close', '1 connect', '1 error', '1 close', '2 connect']
  assert.deepEqual(seen, moves)
  echo(await listen(t, '127.0.0.1', port))
  const answered = once(flow.answers, 'datagram')
  flow.send('again')
  assert.deepEqual(await answered, ['again'])
  assert.equal((await flow.end()).fault, '')
})

test('a flow whose target refused and never answered ends with that fault', async t => {
  const port = await lastingPort()
  const cases = [
    [`127.0.0.1:${port}`, '0 error', 'target-unreachable'],
    [`[::1]:${port}`, '0 error', 'target-unreachable'],
    [String(port), '2 connect', 'target-unreachable'],
    // Between its addresses, one of which was not asked.
    [String(port), '0 error', ''],
  ] as const
  for (const [target, moment, fault] of cases) {
    const { until } = watchSockets(t)
    const flow = flowTo(t, target)
    flow.send('anybody?')
    await until(moment)
    assert.equal((await flow.end()).fault, fault, `${target} at ${moment}`)
  }
})

test('a target that never answers is none that refused because its other address did', async t => {
  const target = await listen(t, '::1')
  const flow = flowTo(t, String(target.address().port))
  const got = once(target, 'message')
  flow.send('a line of a log')
  assert.equal(String((await got)[0]), 'a line of a log')
  assert.equal((await flow.end()).fault, '')
})

test('an address that no socket can be connected to is passed over, and a flow without any other is over', async t => {
  const target = await listen(t, '127.0.0.1')
  echo(target)
  const { port } = target.address()
  // Only a socket that may broadcast can be connected to it.
  const nowhere = '255.255.255.255'
  const flow = flowTo(t, {
    ...parsePortTarget(String(port), 'udp'),
    endpoint: { kind: 'tcp', hosts: [nowhere, '127.0.0.1'], port },
  })
  const answered = once(flow.answers, 'datagram')
  flow.send('one')
  assert.deepEqual(await answered, ['one'])
  assert.equal((await flow.end()).fault, '')
  const lost = flowTo(t, {
    ...parsePortTarget(String(port), 'udp'),
    endpoint: { kind: 'tcp', hosts: [nowhere, nowhere], port },
  })
  await once(lost.places.events, 'given')
  assert.deepEqual(
    lost.records.map(({ fault }) => fault.split(':')[0]),
    ['target-unreachable'],
  )
})

test('a flow that has answered waits for its target at that address and ends without a fault', async t => {
  const target = createSocket('udp4').bind(0, '127.0.0.1')
  await once(target, 'listening')
  echo(target)
  const { port } = target.address()
  const { until } = watchSockets(t)
  const flow = flowTo(t, String(port))
  const answered = once(flow.answers, 'datagram')
  flow.send('one')
  await answered
  target.close()
  await once(target, 'close')
  flow.send('two')
  await until('0 error')
  echo(await listen(t, '127.0.0.1', port))
  const again = once(flow.answers, 'datagram')
  flow.send('three')
  assert.deepEqual(await again, ['three'])
  assert.equal((await flow.end()).fault, '')
})

test('H15: a flow follows its target to another address and is answered from there, also when it was answered before', async t => {
  const first = await listen(t, '127.0.0.1')
  echo(first)
  const { port } = first.address()
  const second = await listen(t, '127.0.0.2', port)
  second.on('message', (_, from) => second.send('from the other', from.port, from.address))
  const clock = new FakeClock()
  let addresses = ['127.0.0.1']
  const resolve: Resolve = (_, call) =>
    call(
      null,
      addresses.map(address => ({ address })),
    )
  const flow = flowTo(t, `game.test:${port}`, undefined, { clock, resolve })
  const ask = async () => {
    const answered = once(flow.answers, 'datagram')
    flow.send('where?')
    return String((await answered)[0])
  }
  assert.equal(await ask(), 'where?')
  addresses = ['127.0.0.2', '127.0.0.1']
  clock.advance(31_000)
  assert.equal(await ask(), 'where?', 'the address it has is one of them still')
  addresses = ['127.0.0.2']
  clock.advance(31_000)
  assert.equal(await ask(), 'from the other')
  assert.equal((await flow.end()).fault, '')
})

test('datagrams without room, here or on the link, are told at the end of their flow', async t => {
  const target = await listen(t, '127.0.0.1')
  echo(target)
  const flow = flowTo(t, String(target.address().port), () => true)
  let answers = 0
  flow.answers.on('datagram', () => answers++)
  // 64 wait for the socket, six do not; of the answers none finds room.
  for (let count = 0; count < 70; count++) flow.send('?')
  while (answers < 64) await once(flow.answers, 'datagram')
  assert.equal((await flow.end()).dropped, 6 + 64)
})

test('what waits until the target can be reached is bounded by bytes, and keeps no batch', async t => {
  const { send, end, records } = flowTo(t, 'localhost:9')
  for (let count = 0; count < 10; count++) send('x'.repeat(65_000))
  await end()
  assert.equal(records[0]?.dropped, 6)
})

/** Of the flow that `flowTo` makes. */
const HEADER = datagramHeader('192.0.2.1:1', '[::]:53').toString('latin1')

test('F14: the first datagram of a flow brings its visitor to the target, and no other', async t => {
  const target = await listen(t, '127.0.0.1')
  const got: string[] = []
  target.on('message', datagram => got.push(datagram.toString('latin1')))
  echo(target)
  const flow = flowTo(t, `127.0.0.1:${target.address().port}`, undefined, { isIntroduced: true })
  // Together with its header it is more than a datagram can be.
  flow.send('x'.repeat(65_507))
  for (const text of ['', 'two', 'three']) flow.send(text)
  while (got.length < 3) await once(flow.answers, 'datagram')
  assert.deepEqual(got, [HEADER, 'two', 'three'])
  assert.equal((await flow.end()).dropped, 1)
})

test('F14: at another address, and after the target refused, its first datagram brings the visitor again', async t => {
  const target = await listen(t, '::1')
  const { port } = target.address()
  const got: string[] = []
  const note = (datagram: Buffer) => got.push(datagram.toString('latin1'))
  target.on('message', note)
  echo(target)
  const { until } = watchSockets(t)
  const flow = flowTo(t, String(port), undefined, { isIntroduced: true })
  // To 127.0.0.1, which refuses, and then to ::1.
  for (const text of ['one', 'two']) flow.send(text)
  while (got.length < 2) await once(flow.answers, 'datagram')
  assert.deepEqual(got, [`${HEADER}one`, 'two'])

  const at = await lastingPort()
  const known = createSocket('udp4').bind(at, '127.0.0.1')
  await once(known, 'listening')
  echo(known)
  const here = flowTo(t, `127.0.0.1:${at}`, undefined, { isIntroduced: true })
  here.send('before')
  await once(here.answers, 'datagram')
  known.close()
  await once(known, 'close')
  here.send('lost')
  await until('3 error')
  const again = await listen(t, '127.0.0.1', at)
  again.on('message', note)
  echo(again)
  for (const text of ['three', 'four']) here.send(text)
  while (got.length < 4) await once(here.answers, 'datagram')
  assert.deepEqual(got.slice(2), [`${HEADER}three`, 'four'])
})
