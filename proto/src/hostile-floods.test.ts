// A peer that costs more than it brings: floods, lies about what it has, and never reading end with a code, in bounds.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import {
  type Batch,
  BatchWriter,
  bufferOf,
  encodeControl,
  encodeCredit,
  encodeOpen,
  encodeReset,
} from './codec/encode.ts'
import type { ChannelOpen } from './codec/heads.ts'
import type { PbtError } from './errors.ts'
import {
  IDLE_FRAMES_A_SECOND,
  LINK_SILENCE_MS,
  MAX_CONTROL_FRAMES,
  MAX_HEAD_BYTES,
  MAX_IDLE_FRAMES,
  MIB,
  PING_INTERVAL_MS,
} from './limits.ts'
import { Mux } from './mux.ts'
import { FakeClock } from './testing/fake-clock.ts'
import { type Frame, PingSchema, PongSchema } from './tunnel-v1.ts'

const TCP: ChannelOpen = { kind: 'tcp', tunnel: 1, visitor: '192.0.2.1:9', local: '' }
const HTTP: ChannelOpen = {
  kind: 'http',
  head: { tunnel: 1, method: 'GET', target: '/', headers: [], upgrade: '', visitor: '', connection: '' },
}

/** A mux whose peer is the test; `isRead` false: what it sends stays in the pipe. */
function victim(role: 'server' | 'client', isRead = true) {
  const clock = new FakeClock()
  const violations: PbtError[] = []
  const sent: Buffer[] = []
  let isSilent = false
  const mux = new Mux({
    role,
    clock,
    handler: {
      onOpen: channel => channel.reset('tunnel-closed', 'no such tunnel'),
      onSessionFrame: () => {},
      onLinkSilent: () => {
        isSilent = true
      },
      onViolation: error => violations.push(error),
    },
  })
  mux.attach(
    {
      write: (batch: Batch, taken: () => void) => {
        sent.push(Buffer.from(bufferOf(batch)))
        if (isRead) clock.soon(taken)
      },
      close: () => {},
    },
    0,
  )
  let number = 0
  const say = (fill: (writer: BatchWriter) => void, isCounted = true, ack = 0) => {
    const writer = new BatchWriter()
    fill(writer)
    mux.receive(bufferOf(writer.finish(ack, isCounted ? ++number : 0)))
    clock.settle()
  }
  const many = (count: number, frame: (writer: BatchWriter, index: number) => void, isCounted = true) => {
    for (let done = 0; done < count && !mux.isClosed; done += 4096) {
      say(writer => {
        for (let index = done; index < Math.min(count, done + 4096); index++) frame(writer, index)
      }, isCounted)
    }
  }
  return { mux, clock, say, many, sent, code: () => violations[0]?.code, isSilent: () => isSilent }
}

function linkFrame(body: Frame['body']): (writer: BatchWriter) => void {
  return writer => writer.add(0, false, encodeControl(body))
}

const pong = (id: bigint) => linkFrame({ case: 'pong', value: create(PongSchema, { id }) })
const ping = (id: bigint) => linkFrame({ case: 'ping', value: create(PingSchema, { id }) })

test('a flood of frames that bring nothing ends the session, a trickle of them does not', () => {
  const floods: Readonly<Record<string, (writer: BatchWriter) => void>> = {
    'empty data': writer => writer.add(1, false, Buffer.alloc(0)),
    'no body': writer => writer.add(1, false, ''),
    'a grant of nothing': writer => writer.add(1, false, encodeCredit(0)),
    'a kind of a newer version': writer => writer.add(1, false, '\xaa\x01\x00'),
  }
  for (const [name, frame] of Object.entries(floods)) {
    const { mux, many, clock, code } = victim('server')
    mux.open(TCP, false, { onReset: () => {} })
    for (let second = 0; second < 10; second++) {
      many(IDLE_FRAMES_A_SECOND, frame)
      clock.advance(1000)
    }
    assert.equal(code(), undefined, name)
    many(MAX_IDLE_FRAMES + 1, frame)
    assert.equal(code(), 'limit', name)
  }
})

test('a flood of late frames or of tiny data ends the session only when no honest peer could send it', () => {
  const late = victim('server')
  const channel = late.mux.open(HTTP, true, { onReset: () => {} })
  channel.reset('cancelled', '')
  late.many(20 * MAX_IDLE_FRAMES, writer => writer.add(1, false, Buffer.alloc(20)))
  assert.equal(late.code(), undefined)
  late.many(20 * MAX_IDLE_FRAMES, writer => writer.add(1, false, Buffer.alloc(20)))
  assert.equal(late.code(), 'limit')

  const tiny = victim('server')
  tiny.mux.open(TCP, false, { onReset: () => {} })
  tiny.many(20 * MAX_IDLE_FRAMES, writer => writer.add(1, false, Buffer.alloc(1)))
  assert.equal(tiny.code(), undefined)
  tiny.many(20 * MAX_IDLE_FRAMES, writer => writer.add(1, false, Buffer.alloc(1)))
  assert.equal(tiny.code(), 'limit')
})

test('a flood of pings or of empty batches ends the session', () => {
  const pings = victim('client')
  for (let count = 0; count <= MAX_IDLE_FRAMES; count++) pings.say(ping(1n), false)
  assert.equal(pings.code(), 'limit')
  const empty = victim('server')
  for (let count = 0; count <= MAX_IDLE_FRAMES; count++) empty.say(() => {}, false)
  assert.equal(empty.code(), 'limit')
})

test('pings of a peer that reads nothing do not make answers pile up', () => {
  const { mux, say, sent, clock } = victim('server', false)
  for (let count = 0; count < 2; count++) mux.open(TCP, false, { onReset: () => {} }).write(Buffer.alloc(8 * MIB))
  clock.settle()
  const before = sent.length
  for (let count = 0; count < 1000; count++) say(ping(BigInt(count)), false)
  for (let count = 0; count < 1000; count++) {
    say(writer => writer.add(1, false, Buffer.alloc(200)))
    clock.advance(6)
  }
  assert.ok(sent.length - before <= 2, `${sent.length - before} batches more`)
})

test('opens without end that are all refused make a bounded number of refusals wait', () => {
  const { mux, many, code } = victim('client', false)
  many(3 * MAX_CONTROL_FRAMES, (writer, index) => writer.add(index + 1, false, encodeOpen(TCP)))
  assert.equal(code(), 'limit')
  assert.ok(mux.stats.unackedBytes < MIB)
})

test('only the answer to the ping under way proves that the link is alive', () => {
  const { clock, say, isSilent } = victim('client')
  for (let second = 0; second < LINK_SILENCE_MS / 1000; second++) {
    clock.advance(1000)
    if (!isSilent()) say(pong(77n), false)
  }
  assert.ok(isSilent())
})

test('a peer that answers pings and never acknowledges what came before them ends the session', () => {
  const { mux, clock, say, code } = victim('server')
  mux.open(HTTP, true, { onReset: () => {} })
  clock.advance(PING_INTERVAL_MS)
  say(pong(1n), false)
  assert.equal(code(), 'protocol')

  const honest = victim('server')
  honest.mux.open(HTTP, true, { onReset: () => {} })
  honest.clock.advance(PING_INTERVAL_MS)
  honest.say(pong(1n), false, 1)
  honest.clock.advance(LINK_SILENCE_MS - 1000)
  assert.equal(honest.code(), undefined)
  assert.ok(!honest.isSilent())
})

test('a head that is too large ends its channel and leaves the session', () => {
  const { mux, say, code } = victim('server')
  let seen = ''
  mux.open(HTTP, true, { onReset: error => (seen = error.code) })
  const other = mux.open(HTTP, true, { onReset: () => {} })
  say(writer => writer.add(1, false, `\x2a\x80\x80\x05${'\0'.repeat(MAX_HEAD_BYTES)}`))
  assert.equal(seen, 'target-broke')
  assert.ok(other.isOpen)
  assert.equal(code(), undefined)
})

test('every case of a wrong channel id: what ends the channel, what ends the session, what is ignored', () => {
  const raw = (channel: Buffer) => {
    const frame = Buffer.concat([Buffer.from([0x08]), channel, Buffer.from([0x1a, 1, 0x78])])
    return Buffer.concat([Buffer.from([0x10, 1, 0x1a, frame.length]), frame])
  }
  const cases: readonly [name: string, batch: Buffer, code: string | undefined][] = [
    ['2^32 + 1, never opened', raw(Buffer.from([0x81, 0x80, 0x80, 0x80, 0x10])), 'protocol'],
    ['-1', raw(Buffer.from([...Array<number>(9).fill(0xff), 1])), 'protocol'],
    ['2^53', raw(Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10])), 'protocol'],
    ['a number of eleven bytes', raw(Buffer.from([...Array<number>(10).fill(0xff), 1])), 'protocol'],
    ['data on channel 0, that of the session: a frame without a known body', raw(Buffer.from([0])), 'protocol'],
    ['no number at all', Buffer.from([0x10, 1, 0x1a, 3, 0x1a, 1, 0x78]), 'protocol'],
  ]
  for (const [name, batch, expected] of cases) {
    const { mux, code, clock } = victim('server')
    mux.open(HTTP, true, { onReset: () => {} })
    mux.receive(batch)
    clock.settle()
    assert.equal(code(), expected, name)
  }
  const late = victim('server')
  late.mux.open(HTTP, true, { onReset: () => {} }).reset('cancelled', '')
  late.say(writer => {
    writer.add(1, false, encodeReset('cancelled', ''))
    writer.add(1, false, encodeCredit(1000))
    writer.add(1, true, '')
    writer.add(1, true, '')
  })
  assert.equal(late.code(), undefined)
})
