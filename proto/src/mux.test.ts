// Two real muxes on a simulated line: what channels promise, in virtual time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { PbtError } from './errors.ts'
import { KIB, LINK_SILENCE_MS, MAX_CHANNELS, MAX_DATAGRAM_CHANNELS, MIB } from './limits.ts'
import type { SessionFrame } from './mux-handler.ts'
import { LinkPair } from './testing/link-pair.ts'
import { OK, open, pairOfMuxes, pump, REQUEST, type Record, TCP, take, UDP } from './testing/mux-pair.ts'
import { NewTokenSchema } from './tunnel-v1.ts'

test('a request and its answer need one batch each way', () => {
  const { clock, server, client } = pairOfMuxes({}, ({ channel, open: what, last }) => {
    assert.equal(last, true)
    assert.deepEqual(what, REQUEST)
    take(channel)
    channel.sendHead(OK)
    channel.write(Buffer.from('hello'))
    channel.end()
  })
  const record = open(server, REQUEST, true)
  clock.advance(1)
  assert.deepEqual(record.heads, [OK])
  assert.equal(record.bytes, 5)
  assert.equal(record.lastData, true)
  assert.equal(record.ends, 1)
  assert.equal(record.channel?.isOpen, false)
  assert.equal(server.received, 1)
  assert.equal(client.received, 1)
  assert.equal(client.stats.channels + server.stats.channels, 0)
  clock.advance(20)
  assert.equal(client.stats.unackedBytes + server.stats.unackedBytes, 0)
})

test('bytes arrive whole and in order both ways, half-closed one after the other', () => {
  let accepted: Record | undefined
  const { clock, server } = pairOfMuxes({ delayMs: 10, bytesPerMs: 50_000 }, ({ channel }) => {
    accepted = take(channel)
  })
  const record = open(server, TCP)
  const sentUp = pump(clock, record, 5 * MIB)
  clock.advanceUntil(() => accepted?.ends === 1)
  assert.equal(accepted?.hash.copy().digest('hex'), sentUp())
  assert.equal(record.channel?.isOpen, true)
  if (accepted === undefined) throw new Error('not accepted')
  const sentDown = pump(clock, accepted, 5 * MIB)
  clock.advanceUntil(() => record.ends === 1)
  assert.equal(record.hash.copy().digest('hex'), sentDown())
  assert.equal(record.channel?.isOpen, false)
})

test('interim heads, trailers and empty bodies keep their order', () => {
  const { clock, server } = pairOfMuxes({}, ({ channel }) => {
    take(channel)
    channel.sendHead({ ...OK, status: 103 })
    channel.sendHead(OK)
    channel.write(Buffer.from('x'))
    channel.sendTrailers(['grpc-status', '0'])
  })
  const record = open(server, REQUEST, true)
  clock.advance(1)
  assert.deepEqual(
    record.heads.map(head => head.status),
    [103, 200],
  )
  assert.deepEqual(record.trailers, ['grpc-status', '0'])
  assert.equal(record.ends, 1)
})

test('a reset reaches the peer with its code and drops what waits', () => {
  let accepted: Record | undefined
  const { clock, server, client } = pairOfMuxes({}, ({ channel }) => {
    accepted = take(channel)
  })
  const record = open(server, TCP)
  clock.advance(1)
  record.channel?.write(Buffer.alloc(1000))
  record.channel?.reset('cancelled', 'the visitor disconnected')
  clock.advance(1)
  assert.equal(accepted?.error?.code, 'cancelled')
  assert.equal(accepted?.error?.message, 'the visitor disconnected')
  assert.equal(accepted?.bytes, 0)
  assert.equal(server.stats.channels + client.stats.channels, 0)
  accepted?.channel?.write(Buffer.alloc(10))
  accepted?.channel?.end()
  clock.advance(1)
})

test('a channel that was reset before its open went out never existed for the peer', () => {
  let opens = 0
  const { clock, server } = pairOfMuxes({}, ({ channel }) => {
    opens++
    take(channel)
  })
  const first = open(server, REQUEST)
  first.channel?.reset('cancelled', 'at once')
  const second = open(server, REQUEST)
  clock.advance(1)
  assert.equal(opens, 1)
  assert.equal(second.channel?.isOpen, true)
})

test('a channel is ended by its number, for its owners at both ends, once', () => {
  const accepted: Record[] = []
  const { clock, server, client } = pairOfMuxes({}, ({ channel }) => accepted.push(take(channel)))
  const [first, second] = [open(server, TCP), open(server, REQUEST)]
  clock.advance(1)
  assert.deepEqual(
    [...server.channels.all()].map(({ id, tunnel, visitor }) => [id, tunnel, visitor]),
    [first, second].map(({ channel }) => [channel?.id, 1, '192.0.2.1:9']),
  )
  const error = new PbtError('killed', 'the owner ended it')
  assert.ok(server.channels.reset(first.channel?.id ?? 0, error))
  assert.ok(!server.channels.reset(first.channel?.id ?? 0, error))
  assert.ok(!server.channels.reset(99, error))
  clock.advance(1)
  assert.deepEqual(
    [first.error?.code, accepted[0]?.error?.code, accepted[0]?.error?.message],
    ['killed', 'killed', 'the owner ended it'],
  )
  assert.deepEqual([second.error, server.stats.channels, client.stats.channels], [undefined, 1, 1])
})

test('session frames arrive in order and survive a cut', () => {
  const { clock, server, client, pair, frames } = pairOfMuxes({ delayMs: 5 })
  const name = (token: string): SessionFrame => ({ case: 'newToken', value: create(NewTokenSchema, { token }) })
  server.sendSessionFrame(name('1'))
  clock.advance(1)
  pair.cut()
  server.sendSessionFrame(name('2'))
  clock.advance(100)
  assert.equal(frames.length, 0)
  new LinkPair(clock, server, client, { delayMs: 5 })
  clock.advance(100)
  assert.deepEqual(
    frames.map(frame => frame.case === 'newToken' && frame.value.token),
    ['1', '2'],
  )
})

test('small things go ahead of bulk and bulk fills the line at 20, 40 and 100 ms', () => {
  for (const roundTrip of [20, 40, 100]) {
    const rate = 62_500
    const { clock, server } = pairOfMuxes(
      { delayMs: roundTrip / 2, bytesPerMs: rate, sendBufferBytes: 64 * KIB },
      ({ channel, open: what }) => {
        const record = take(channel)
        if (what.kind === 'tcp') pump(clock, record, 10_000 * MIB)
        else {
          channel.sendHead(OK)
          channel.write(Buffer.from('hello'))
          channel.end()
        }
      },
    )
    const bulk = open(server, TCP)
    clock.advance(3000)
    const before = bulk.bytes
    const times: number[] = []
    for (let count = 0; count < 50; count++) {
      const asked = clock.now()
      const quick = open(server, REQUEST, true)
      clock.advanceUntil(() => quick.ends === 1, 1000, 0.5)
      times.push(clock.now() - asked)
      clock.advance(100 - (clock.now() % 100))
    }
    const kept = (bulk.bytes - before) / rate / (clock.now() - 3000)
    times.sort((left, right) => left - right)
    assert.ok(kept > 0.95, `bulk keeps ${kept} of a line of ${roundTrip} ms`)
    assert.ok((times[49] ?? 0) < roundTrip * 1.5 + 10, `worst of ${times} at ${roundTrip} ms`)
  }
})

test('bulk channels share the line fairly', () => {
  const { clock, server } = pairOfMuxes({ delayMs: 10, bytesPerMs: 20_000 }, ({ channel }) => {
    pump(clock, take(channel), 1000 * MIB)
  })
  const records = Array.from({ length: 8 }, () => open(server, TCP))
  clock.advance(5000)
  const sizes = records.map(record => record.bytes)
  assert.ok(Math.min(...sizes) > 0.8 * Math.max(...sizes), String(sizes))
})

test('a silent link is found within its time at both ends, and a busy or idle live one never', () => {
  const { clock, server, pair, silent } = pairOfMuxes({ delayMs: 20 }, ({ channel }) => {
    pump(clock, take(channel), 10_000 * MIB)
  })
  clock.advance(60_000)
  assert.deepEqual(silent, [])
  open(server, TCP)
  clock.advance(100)
  pair.blackHole()
  clock.advance(LINK_SILENCE_MS + 50)
  assert.deepEqual([...silent].sort(), ['client', 'server'])
  assert.equal(server.isAttached, false)
})

test('closing the session resets every channel with its code', () => {
  const { clock, server } = pairOfMuxes({}, ({ channel }) => take(channel))
  const records = [open(server, TCP), open(server, REQUEST)]
  clock.advance(1)
  server.close('link-lost', 'the client is gone')
  for (const record of records) assert.equal(record.error?.code, 'link-lost')
  assert.equal(server.stats.channels, 0)
  assert.throws(() => open(server, TCP), { code: 'link-lost' })
})

test('an owner that throws costs its channel only, at both ends', () => {
  const fails = (): never => {
    throw new RangeError('port should be > 0 and < 65536')
  }
  const accepted: Record[] = []
  const { clock, server, client, violations, thrown } = pairOfMuxes({}, ({ channel, open: what }) => {
    if (what.kind === 'http') fails()
    const record = take(channel)
    accepted.push(record)
    if (what.kind === 'udp') record.onDatagram = fails
    channel.write(Buffer.from('hello'))
  })
  const other = open(server, TCP)
  const flow = open(server, UDP)
  const refused = open(server, REQUEST)
  const reader = open(server, TCP)
  const last = open(server, TCP)
  reader.onData = fails
  last.onReset = fails
  flow.channel?.sendDatagram(Buffer.from('?'))
  clock.advance(10)
  assert.deepEqual(
    [flow, refused, reader, other].map(({ error }) => error?.code),
    ['internal', 'internal', 'internal', undefined],
  )
  assert.deepEqual(
    accepted.map(({ error }) => error?.code),
    [undefined, 'internal', 'internal', undefined],
  )
  const full = open(server, TCP)
  full.onDrain = fails
  while (full.channel?.write(Buffer.alloc(64 * KIB)));
  clock.advance(100)
  assert.equal(full.error?.code, 'internal')
  assert.equal(full.error?.message, `the owner of channel ${full.channel?.id} failed`)
  assert.ok(full.error?.cause instanceof RangeError)
  accepted[3]?.channel?.reset('cancelled', 'enough')
  other.channel?.write(Buffer.alloc(1000))
  clock.advance(100)
  assert.deepEqual([accepted[0]?.bytes, server.stats.channels, client.stats.channels], [1000, 1, 1])
  assert.deepEqual(violations, [])
  // The flow's, the refused one's, the reader's, what was told to the last one at its reset, and the full one's.
  assert.deepEqual(
    thrown.map(error => error instanceof RangeError),
    [true, true, true, true, true],
  )
})

test('flows of datagrams take no more than their part of the channels, however they end', () => {
  const { clock, server, violations } = pairOfMuxes({}, ({ channel }) => take(channel))
  const flows = Array.from({ length: MAX_DATAGRAM_CHANNELS }, () => open(server, UDP))
  assert.throws(() => open(server, UDP), { code: 'limit' })
  const others = Array.from({ length: MAX_CHANNELS - MAX_DATAGRAM_CHANNELS }, () => open(server, TCP))
  assert.throws(() => open(server, TCP), { code: 'limit' })
  clock.advance(100)
  flows[0]?.channel?.reset('cancelled', 'idle timeout')
  others[0]?.channel?.reset('cancelled', 'the visitor disconnected')
  open(server, UDP)
  assert.throws(() => open(server, UDP), { code: 'limit' })
  open(server, TCP)
  clock.advance(100)
  assert.deepEqual(violations, [])
})
