// Two real muxes on a simulated line: what peers that do not read may cost, in virtual time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CHANNEL_QUEUE_BYTES,
  DATAGRAM_OVERHEAD_BYTES,
  DATAGRAM_QUEUE_BYTES,
  INITIAL_CREDIT_BYTES,
  KIB,
  LEAST_QUEUE_BYTES,
  LEAST_WINDOW_BYTES,
  MIB,
  SESSION_DATAGRAM_BYTES,
  SESSION_QUEUE_BYTES,
  SESSION_UNREAD_BYTES,
} from './limits.ts'
import { OK, open, pairOfMuxes, pump, REQUEST, type Record, TCP, take, UDP } from './testing/mux-pair.ts'

test('a peer that does not read gets the initial credit and holds up no other', () => {
  const stuck: Record[] = []
  const { clock, server } = pairOfMuxes({}, ({ channel, open: what }) => {
    if (what.kind === 'tcp') {
      const record = take(channel)
      stuck.push(record)
      pump(clock, record, 50 * MIB)
    } else {
      take(channel)
      channel.sendHead(OK)
      channel.end()
    }
  })
  const readers = Array.from({ length: 20 }, () => open(server, TCP, false, false))
  clock.advance(100)
  for (const reader of readers) assert.equal(reader.bytes, INITIAL_CREDIT_BYTES)
  const quick = open(server, REQUEST, true)
  clock.advance(1)
  assert.equal(quick.ends, 1)
  for (const record of stuck) assert.ok(record.channel?.isOpen)
})

test('a thousand channels that are not read hold a bounded part at both ends, and lose nothing when they are', () => {
  const COUNT = 1_000
  const BYTES = 400 * KIB
  const { clock, server, client } = pairOfMuxes({}, ({ channel }) => {
    pump(clock, take(channel), BYTES)
  })
  const readers = Array.from({ length: COUNT }, () => open(server, TCP, false, false))
  const received = () => readers.reduce((sum, { bytes }) => sum + bytes, 0)
  clock.advance(2_000)
  assert.ok(received() >= COUNT * LEAST_WINDOW_BYTES)
  assert.ok(received() <= SESSION_UNREAD_BYTES + COUNT * LEAST_WINDOW_BYTES, `${received()} bytes wait to be read`)
  const { queuedBytes } = client.stats
  // Each took one more when the budget was not yet used up.
  const most = SESSION_QUEUE_BYTES + COUNT * (LEAST_QUEUE_BYTES + 64 * KIB)
  assert.ok(queuedBytes <= most, `${queuedBytes} bytes wait to be sent`)
  const late = open(server, TCP)
  clock.advanceUntil(() => late.ends === 1)
  assert.equal(late.bytes, BYTES)
  for (const reader of readers) {
    reader.isReading = true
    reader.channel?.consumed(reader.bytes)
  }
  clock.advanceUntil(() => readers.every(({ ends }) => ends === 1))
  assert.equal(received(), COUNT * BYTES)
  assert.deepEqual(
    [client.sending, server.sending].map(({ dataBytes }) => dataBytes),
    [0, 0],
  )
})

test('a body that was read after its end is not counted as unread', () => {
  let accepted: Record | undefined
  const { clock, server } = pairOfMuxes({}, ({ channel }) => {
    accepted = take(channel, false)
  })
  const record = open(server, TCP)
  record.channel?.write(Buffer.alloc(200 * KIB))
  record.channel?.end()
  clock.advance(10)
  assert.equal(server.sending.unreadBytes, 200 * KIB)
  accepted?.channel?.consumed(200 * KIB)
  clock.advance(10)
  assert.equal(server.sending.unreadBytes, 0)
  assert.equal(record.channel?.isOpen, true)
})

test('a writer that ignores the answer of write still holds a bounded part in flight', () => {
  const { clock, server, client } = pairOfMuxes({}, ({ channel }) => take(channel, false))
  const record = open(server, TCP)
  let writes = 0
  while (record.channel?.write(Buffer.alloc(64 * KIB))) writes++
  assert.ok(writes * 64 * KIB <= CHANNEL_QUEUE_BYTES)
  clock.advance(100)
  assert.equal(client.stats.bytesReceived >= INITIAL_CREDIT_BYTES, true)
  assert.ok(client.stats.bytesReceived < INITIAL_CREDIT_BYTES + 8 * KIB)
  assert.equal(record.drains, 1)
  assert.equal(server.stats.creditStalls, 0)
  record.channel?.write(Buffer.alloc(1))
  record.channel?.write(Buffer.alloc(1))
  assert.equal(server.stats.creditStalls, 1)
  record.channel?.reset('cancelled', 'enough')
  assert.equal(server.stats.creditStalls, 1)
})

test('datagrams stay whole, empty and largest ones too, and too many are dropped and counted', () => {
  let accepted: Record | undefined
  const { clock, server } = pairOfMuxes({ bytesPerMs: 1000, sendBufferBytes: 0 }, ({ channel }) => {
    accepted = take(channel)
  })
  const record = open(server, UDP)
  const sizes = [0, 1, 1400, 65_507]
  for (const size of sizes) assert.equal(record.channel?.sendDatagram(Buffer.alloc(size, 7)), true)
  assert.equal(record.channel?.sendDatagram(Buffer.alloc(65_508)), false)
  clock.advance(1000)
  assert.deepEqual(
    accepted?.datagrams.map(datagram => datagram.length),
    sizes,
  )
  let sent = 0
  for (let count = 0; count < 2000; count++) if (record.channel?.sendDatagram(Buffer.alloc(1000))) sent++
  assert.ok(sent < 2000 && sent * 1000 <= DATAGRAM_QUEUE_BYTES + 64 * KIB)
  assert.equal(server.stats.datagramsDropped, 2000 - sent)
  clock.advance(5000)
  assert.equal(accepted?.datagrams.length, sizes.length + sent)
})

test('empty datagrams on a line that stands still are bounded like others, for one flow and for all, and counted', () => {
  const COUNT = 20_000
  const { clock, server, pair } = pairOfMuxes({ sendBufferBytes: 0 }, ({ channel }) => take(channel))
  const flows = Array.from({ length: 20 }, () => open(server, UDP))
  clock.advance(100)
  pair.blackHole()
  const [first, ...others] = flows
  const sent = (flow: Record | undefined) => {
    let taken = 0
    for (let count = 0; count < COUNT; count++) if (flow?.channel?.sendDatagram(Buffer.alloc(0))) taken++
    return taken
  }
  const ofOne = sent(first)
  assert.ok(ofOne <= DATAGRAM_QUEUE_BYTES / DATAGRAM_OVERHEAD_BYTES, `${ofOne} of one flow wait`)
  const ofAll = others.reduce((sum, flow) => sum + sent(flow), ofOne)
  assert.ok(ofAll <= SESSION_DATAGRAM_BYTES / DATAGRAM_OVERHEAD_BYTES, `${ofAll} of all flows wait`)
  assert.equal(server.stats.datagramsDropped, flows.length * COUNT - ofAll)
  for (const { channel } of flows) channel?.reset('cancelled', 'enough')
  assert.equal(server.sending.datagramBytes, 0)
})
