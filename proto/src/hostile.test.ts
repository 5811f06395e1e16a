// A peer that does what the protocol forbids: the channel or the session ends with a code, the process never.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import {
  type Batch,
  BatchWriter,
  type Body,
  bufferOf,
  DATA_TAG,
  encodeControl,
  encodeCredit,
  encodeOpen,
  encodeRequestHead,
  encodeReset,
  encodeResponseHead,
} from './codec/encode.ts'
import type { ChannelOpen } from './codec/heads.ts'
import type { PbtError } from './errors.ts'
import { INITIAL_CREDIT_BYTES, KIB, MAX_CHANNELS, MAX_CREDIT_BYTES, MAX_UNACKED_BATCHES, MIB } from './limits.ts'
import { Mux } from './mux.ts'
import { FakeClock } from './testing/fake-clock.ts'
import { type Frame, HelloSchema } from './tunnel-v1.ts'

const TCP: ChannelOpen = { kind: 'tcp', tunnel: 1, visitor: '192.0.2.1:9', local: '' }
const HTTP: ChannelOpen = {
  kind: 'http',
  head: { tunnel: 1, method: 'GET', target: '/', headers: [], upgrade: '', visitor: '', connection: '' },
}

/** A mux whose peer is the test: `say` sends it frames in counted batches. */
function victim(role: 'server' | 'client') {
  const clock = new FakeClock()
  const violations: PbtError[] = []
  const sent: Buffer[] = []
  let isLinkClosed = false
  let opens = 0
  const mux = new Mux({
    role,
    clock,
    handler: {
      onOpen: channel => {
        opens++
        channel.handler = { onData: () => {}, onReset: () => {} }
      },
      onSessionFrame: () => {},
      onLinkSilent: () => {},
      onViolation: error => violations.push(error),
    },
  })
  const link = {
    write: (batch: Batch, taken: () => void) => {
      sent.push(Buffer.from(bufferOf(batch)))
      clock.soon(taken)
    },
    close: () => {
      isLinkClosed = true
    },
  }
  mux.attach(link, 0)
  let number = 0
  const say = (fill: (writer: BatchWriter) => void, overrides: { ack?: number; number?: number } = {}) => {
    const writer = new BatchWriter()
    fill(writer)
    mux.receive(bufferOf(writer.finish(overrides.ack ?? 0, overrides.number ?? ++number)))
    clock.settle()
  }
  const code = () => violations[0]?.code
  return { mux, clock, say, code, sent, opens: () => opens, isLinkClosed: () => isLinkClosed }
}

test('faults of a session end it with a code', () => {
  type Say = ReturnType<typeof victim>['say']
  const faults: [string, 'server' | 'client', string, (say: Say, mux: Mux) => void][] = [
    ['a number out of order', 'server', 'protocol', say => say(() => {}, { number: 2 })],
    [
      'a number twice',
      'server',
      'protocol',
      say => {
        say(() => {}, { number: 1 })
        say(() => {}, { number: 1 })
      },
    ],
    ['an acknowledgement of what was never sent', 'server', 'protocol', say => say(() => {}, { ack: 9, number: 0 })],
    ['a channel the server never opened', 'server', 'protocol', say => say(writer => writer.add(5, true, ''))],
    ['an open from the client', 'server', 'protocol', say => say(writer => writer.add(5, false, encodeOpen(TCP)))],
    [
      'a channel frame without number',
      'client',
      'protocol',
      say => say(w => w.add(1, false, encodeOpen(TCP)), { number: 0 }),
    ],
    [
      'data on a channel that was never opened',
      'client',
      'protocol',
      say => say(w => w.add(1, false, Buffer.alloc(3))),
    ],
    ['a hello in mid-session', 'server', 'protocol', say => say(w => w.add(0, false, encodeControl(hello())))],
    [
      'an id opened twice',
      'client',
      'protocol',
      say =>
        say(writer => {
          writer.add(7, false, encodeOpen(TCP))
          writer.add(7, false, encodeOpen(TCP))
        }),
    ],
    [
      'data beyond the credit',
      'client',
      'flow-control',
      say => {
        say(writer => writer.add(1, false, encodeOpen(HTTP)))
        for (let sent = 0; sent <= INITIAL_CREDIT_BYTES; sent += 64 * KIB) {
          say(writer => writer.add(1, false, Buffer.alloc(64 * KIB), DATA_TAG))
        }
      },
    ],
    [
      'more credit than any window',
      'client',
      'flow-control',
      say => {
        say(writer => writer.add(1, false, encodeOpen(TCP)))
        say(writer => writer.add(1, false, encodeCredit(2 * MAX_CREDIT_BYTES)))
      },
    ],
    [
      'more channels than a session may have',
      'client',
      'limit',
      say => {
        for (let id = 1; id <= MAX_CHANNELS + 1; id += 1000) {
          say(writer => {
            for (let next = id; next < id + 1000; next++) writer.add(next, false, encodeOpen(TCP))
          })
        }
      },
    ],
  ]
  for (const [name, role, expected, act] of faults) {
    const { mux, say, code, isLinkClosed } = victim(role)
    act(say, mux)
    assert.equal(code(), expected, name)
    assert.ok(isLinkClosed() && mux.isClosed, name)
  }
})

function hello(): Frame['body'] {
  return { case: 'hello', value: create(HelloSchema, { major: 1 }) }
}

test('faults of a channel end the channel and leave the session', () => {
  const faults: [string, string, (writer: BatchWriter) => void][] = [
    ['data before the head', 'protocol', writer => writer.add(1, false, Buffer.from('x'))],
    ['an answer without a head', 'target-broke', writer => writer.add(1, true, '')],
    [
      'two final heads',
      'protocol',
      writer => {
        writer.add(1, false, head(200))
        writer.add(1, false, head(200))
      },
    ],
    ['a status that is none', 'target-broke', writer => writer.add(1, false, head(99))],
    ['a header that splits the answer', 'target-broke', writer => writer.add(1, false, head(200, ['a', 'b\r\nc: d']))],
    ['a field name that is no token', 'target-broke', writer => writer.add(1, false, head(200, ['a b', 'c']))],
    [
      'a request head on a channel that is open',
      'session',
      writer => writer.add(1, false, encodeRequestHead(HTTP.head)),
    ],
  ]
  for (const [name, expected, act] of faults) {
    const { mux, say, code } = victim('server')
    let seen: string | undefined
    mux.open(HTTP, true, { onReset: error => (seen = error.code) })
    const other = mux.open(HTTP, true, { onReset: () => {} })
    say(act)
    if (expected === 'session') {
      assert.equal(code(), 'protocol', name)
      continue
    }
    assert.equal(seen, expected, name)
    assert.equal(code(), undefined, name)
    assert.ok(other.isOpen, name)
  }
})

function head(status: number, headers: string[] = []): string {
  return encodeResponseHead({ status, reason: '', headers, upgrade: '' })
}

test('late frames of a channel that is over are ignored', () => {
  const { mux, say, code } = victim('server')
  const channel = mux.open(HTTP, true, { onReset: () => {} })
  mux.open(HTTP, true, { onReset: () => {} })
  channel.reset('cancelled', '')
  say(writer => {
    writer.add(1, false, head(200))
    writer.add(1, false, Buffer.alloc(100))
    writer.add(1, false, encodeCredit(100))
    writer.add(1, false, encodeReset('cancelled', ''))
    writer.add(1, true, '')
  })
  assert.equal(code(), undefined)
})

test('a peer that never acknowledges makes us keep a bounded amount', () => {
  const { mux, say, clock } = victim('client')
  say(writer => {
    for (let id = 1; id <= 500; id++) writer.add(id, false, encodeOpen({ ...TCP, visitor: String(id) }))
  })
  say(writer => {
    for (let id = 1; id <= 500; id++) writer.add(id, false, encodeCredit(8 * MIB))
  })
  for (let round = 0; round < MAX_UNACKED_BATCHES + 100; round++) {
    mux.sendSessionFrame({ case: 'closeTunnel', value: { $typeName: 'pbt.tunnel.v1.CloseTunnel', tunnel: 1 } })
    clock.settle()
  }
  assert.ok(mux.stats.unackedBytes <= 33 * MIB)
})

test('a flood of pings in one batch is answered once', () => {
  const { say, sent } = victim('server')
  const ping = encodeControl({ case: 'ping', value: { $typeName: 'pbt.tunnel.v1.Ping', id: 5n } })
  const before = sent.length
  say(
    writer => {
      for (let count = 0; count < 2000; count++) writer.add(0, false, ping)
    },
    { number: 0 },
  )
  assert.equal(sent.length - before, 1)
})

test('100,000 mutated frames end sessions with a code and nothing else', () => {
  let state = 12345
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state % below
  }
  for (const role of ['server', 'client'] as const) {
    let frames = 0
    while (frames < 100_000) {
      const { mux, clock, code } = victim(role)
      if (role === 'server')
        for (let count = 0; count < 20; count++) mux.open(count % 2 ? TCP : HTTP, false, { onReset: () => {} })
      for (let number = 1; number < 200 && !mux.isClosed; number++) {
        const writer = new BatchWriter()
        const count = 1 + random(30)
        frames += count
        for (let index = 0; index < count; index++) {
          const bodies: Body[] = [
            head(200, ['a', 'b']),
            encodeOpen(random(2) === 0 ? TCP : HTTP),
            encodeCredit(random(100_000)),
            encodeReset('cancelled', 'x'),
            Buffer.alloc(random(500)),
            '',
          ]
          const body: Body = bodies[random(bodies.length)] ?? ''
          writer.add(random(40), random(8) === 0, body)
        }
        const batch = bufferOf(writer.finish(random(3), number))
        if (random(4) === 0) for (let hit = random(4); hit >= 0; hit--) batch[random(batch.length)] = random(256)
        mux.receive(batch)
        clock.settle()
      }
      if (mux.isClosed) assert.ok(['protocol', 'flow-control', 'limit'].includes(code() ?? ''), String(code()))
    }
  }
})
