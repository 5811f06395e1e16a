// Two real muxes on a simulated line: what channels promise, in virtual time.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { Channel, ChannelHandler } from './channel.ts'
import type { PbtError } from './errors.ts'
import type { ChannelOpen, ResponseHead } from './heads.ts'
import {
  CHANNEL_QUEUE_BYTES,
  DATAGRAM_QUEUE_BYTES,
  INITIAL_CREDIT_BYTES,
  KIB,
  LEAST_QUEUE_BYTES,
  LEAST_WINDOW_BYTES,
  LINK_SILENCE_MS,
  MAX_DATA_BYTES,
  MIB,
  SESSION_QUEUE_BYTES,
  SESSION_UNREAD_BYTES,
} from './limits.ts'
import { Mux, type MuxHandler, type SessionFrame } from './mux.ts'
import { FakeClock } from './testing/fake-clock.ts'
import { type LineOptions, LinkPair } from './testing/link-pair.ts'

interface Accepted {
  channel: Channel
  open: ChannelOpen
  last: boolean
}

/** What a channel's owner saw. */
class Record implements ChannelHandler {
  channel: Channel | undefined
  readonly heads: ResponseHead[] = []
  readonly hash = createHash('sha256')
  bytes = 0
  ends = 0
  drains = 0
  lastData = false
  readonly datagrams: Buffer[] = []
  error: PbtError | undefined
  trailers: string[] | undefined
  isReading: boolean

  constructor(isReading = true) {
    this.isReading = isReading
  }
  onHead(head: ResponseHead): void {
    this.heads.push(head)
  }
  onData(chunk: Buffer, last: boolean): void {
    this.bytes += chunk.length
    this.lastData = last
    this.hash.update(chunk)
    if (this.isReading) this.channel?.consumed(chunk.length)
  }
  onDatagram(datagram: Buffer): void {
    this.datagrams.push(datagram)
  }
  onTrailers(trailers: string[]): void {
    this.trailers = trailers
  }
  onEnd(): void {
    this.ends++
  }
  onReset(error: PbtError): void {
    this.error = error
  }
  onDrain(): void {
    this.drains++
  }
}

function pairOfMuxes(options: Partial<LineOptions> = {}, accept: (accepted: Accepted) => void = () => {}) {
  const clock = new FakeClock()
  const violations: PbtError[] = []
  const silent: string[] = []
  const frames: SessionFrame[] = []
  const handler = (name: string): MuxHandler => ({
    onSessionFrame: frame => frames.push(frame),
    onViolation: error => violations.push(error),
    onLinkSilent: () => silent.push(name),
  })
  const server = new Mux({ role: 'server', clock, handler: handler('server') })
  const client = new Mux({
    role: 'client',
    clock,
    handler: { ...handler('client'), onOpen: (channel, open, last) => accept({ channel, open, last }) },
  })
  const pair = new LinkPair(clock, server, client, options)
  return { clock, server, client, pair, violations, silent, frames }
}

const REQUEST: ChannelOpen = {
  kind: 'http',
  head: { tunnel: 1, method: 'GET', target: '/', headers: ['host', 'a'], upgrade: '', visitor: '192.0.2.1:9' },
}
const TCP: ChannelOpen = { kind: 'tcp', tunnel: 1, visitor: '192.0.2.1:9', local: '192.0.2.2:20000' }
const UDP: ChannelOpen = { kind: 'udp', tunnel: 1, visitor: '192.0.2.1:9', local: '192.0.2.2:20000' }
const OK: ResponseHead = { status: 200, reason: 'OK', headers: ['content-type', 'text/plain'], upgrade: '' }

function open(mux: Mux, what: ChannelOpen, end = false, isReading = true): Record {
  const record = new Record(isReading)
  record.channel = mux.open(what, end, record)
  return record
}

function take(channel: Channel, isReading = true): Record {
  const record = new Record(isReading)
  record.channel = channel
  channel.handler = record
  return record
}

/** Writes `total` bytes as fast as the channel takes them, then ends; returns the hash of what was written. */
function pump(clock: FakeClock, record: Record, total: number): () => string {
  const hash = createHash('sha256')
  const { channel } = record
  if (channel === undefined) throw new Error('no channel')
  const piece = randomBytes(64 * KIB)
  let left = total
  const go = () => {
    while (left > 0) {
      const chunk = piece.subarray(0, Math.min(left, piece.length))
      left -= chunk.length
      hash.update(chunk)
      if (!channel.write(chunk)) {
        record.onDrain = () => clock.after(0.01, go)
        return
      }
    }
    channel.end()
  }
  go()
  return () => hash.copy().digest('hex')
}

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

test('who does not read gets the initial credit and holds up nobody', () => {
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
  const most = SESSION_QUEUE_BYTES + COUNT * (LEAST_QUEUE_BYTES + MAX_DATA_BYTES)
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

test('a reset reaches the peer with its code and drops what waits', () => {
  let accepted: Record | undefined
  const { clock, server, client } = pairOfMuxes({}, ({ channel }) => {
    accepted = take(channel)
  })
  const record = open(server, TCP)
  clock.advance(1)
  record.channel?.write(Buffer.alloc(1000))
  record.channel?.reset('cancelled', 'the visitor went away')
  clock.advance(1)
  assert.equal(accepted?.error?.code, 'cancelled')
  assert.equal(accepted?.error?.message, 'the visitor went away')
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

test('session frames arrive in order and survive a cut', () => {
  const { clock, server, client, pair, frames } = pairOfMuxes({ delayMs: 5 })
  const name = (text: string): SessionFrame =>
    ({ case: 'newToken', value: { $typeName: 'pbt.tunnel.v1.NewToken', token: text } }) as SessionFrame
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
