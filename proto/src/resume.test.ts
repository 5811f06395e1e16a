// Links that break at any moment: after resuming, every byte has arrived once, in order, and nothing was opened twice.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Channel } from './channel/channel.ts'
import { KIB, MAX_UNACKED_BYTES } from './limits.ts'
import { Mux } from './mux.ts'
import { FakeClock } from './testing/fake-clock.ts'
import { LinkPair } from './testing/link-pair.ts'

interface Transfer {
  bytes: number
  piece: number
}

/** Bytes that differ by position and transfer, so that a repeated or lost piece shows. */
function piece(seed: number, from: number, size: number): Buffer {
  const buffer = Buffer.allocUnsafe(size)
  for (let index = 0; index < size; index++)
    buffer[index] = ((from + index) * 31 + seed * 101 + ((from + index) >> 8)) & 0xff
  return buffer
}

function send(clock: FakeClock, channel: Channel, seed: number, { bytes, piece: size }: Transfer): { onDrain(): void } {
  let sent = 0
  const go = () => {
    while (sent < bytes) {
      const chunk = piece(seed, sent, Math.min(size, bytes - sent))
      sent += chunk.length
      if (!channel.write(chunk)) return
    }
    channel.end()
  }
  clock.after(0, go)
  return { onDrain: () => clock.after(0.01, go) }
}

function digest(seed: number, bytes: number): string {
  return createHash('sha256')
    .update(piece(seed, 0, bytes))
    .digest('hex')
}

const transfer = fc.record({
  bytes: fc.integer({ min: 1, max: 400_000 }),
  piece: fc.integer({ min: 1000, max: 80_000 }),
})
const cut = fc.record({ afterMs: fc.double({ min: 0.01, max: 40, noNaN: true }), kind: fc.constantFrom('cut', 'hole') })

test('transfers both ways survive any series of cuts and black holes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(transfer, transfer), { minLength: 1, maxLength: 5 }),
      fc.array(cut, { maxLength: 8 }),
      (transfers, cuts) => {
        const clock = new FakeClock()
        const results = new Map<string, string>()
        let opens = 0
        const collect = (key: string, channel: Channel, extra: object) => {
          const hash = createHash('sha256')
          channel.handler = {
            onData: chunk => {
              hash.update(chunk)
              channel.consumed(chunk.length)
            },
            onEnd: () => results.set(key, hash.digest('hex')),
            onReset: error => results.set(key, error.code),
            ...extra,
          }
        }
        const events = {
          onSessionFrame: () => {},
          onLinkSilent: () => {},
          onViolation: (error: Error) => assert.fail(error),
        }
        const server = new Mux({ role: 'server', clock, handler: events })
        const client = new Mux({
          role: 'client',
          clock,
          handler: {
            ...events,
            onOpen: (channel, what) => {
              const index = Number(what.kind === 'tcp' && what.visitor)
              opens++
              const pair = transfers[index]
              if (pair !== undefined) collect(`up${index}`, channel, send(clock, channel, index + 50, pair[1]))
            },
          },
        })
        let pair = new LinkPair(clock, server, client, { delayMs: 3, bytesPerMs: 30_000 })
        transfers.forEach(([down], index) => {
          const channel = server.open({ kind: 'tcp', tunnel: 1, visitor: String(index), local: '' }, false, {
            onReset: () => {},
          })
          collect(`down${index}`, channel, send(clock, channel, index, down))
        })
        for (const { afterMs, kind } of cuts) {
          clock.advance(afterMs)
          if (kind === 'hole') {
            pair.blackHole()
            clock.advance(50)
          }
          pair.cut()
          clock.advance(20)
          pair = new LinkPair(clock, server, client, { delayMs: 3, bytesPerMs: 30_000 })
        }
        clock.advanceUntil(() => results.size === 2 * transfers.length, 20_000)
        transfers.forEach(([down, up], index) => {
          assert.equal(results.get(`up${index}`), digest(index, down.bytes))
          assert.equal(results.get(`down${index}`), digest(index + 50, up.bytes))
        })
        assert.equal(opens, transfers.length)
        assert.equal(server.stats.channels + client.stats.channels, 0)
      },
    ),
    { numRuns: 60 },
  )
})

test('what is kept for a peer that is away is bounded, and everything goes on when it is back', () => {
  const clock = new FakeClock()
  const events = { onSessionFrame: () => {}, onLinkSilent: () => {}, onViolation: (error: Error) => assert.fail(error) }
  const server = new Mux({ role: 'server', clock, handler: events })
  let received = 0
  const client = new Mux({
    role: 'client',
    clock,
    handler: {
      ...events,
      onOpen: channel => {
        channel.handler = {
          onData: chunk => {
            received += chunk.length
            channel.consumed(chunk.length)
          },
          onReset: () => {},
        }
      },
    },
  })
  new LinkPair(clock, server, client).cut()
  const total = 300 * KIB
  const writes = Array.from({ length: 500 }, (_, index) => {
    const channel = server.open({ kind: 'tcp', tunnel: 1, visitor: String(index), local: '' }, false, {
      onReset: () => {},
    })
    let hasRoom = true
    for (let written = 0; written < total; written += 60 * KIB) hasRoom = channel.write(Buffer.alloc(60 * KIB))
    return hasRoom
  })
  assert.ok(
    writes.every(hasRoom => !hasRoom),
    'every writer is told to wait',
  )
  assert.ok(server.stats.unackedBytes <= MAX_UNACKED_BYTES)
  new LinkPair(clock, server, client)
  clock.advanceUntil(() => received === 500 * total)
})

test('a peer that claims what was never sent, or lacks what it acknowledged, cannot resume', () => {
  const clock = new FakeClock()
  const events = { onSessionFrame: () => {}, onLinkSilent: () => {}, onViolation: () => {} }
  const server = new Mux({ role: 'server', clock, handler: events })
  const client = new Mux({ role: 'client', clock, handler: { ...events, onOpen: channel => channel.end() } })
  const pair = new LinkPair(clock, server, client)
  server.open({ kind: 'tcp', tunnel: 1, visitor: '', local: '' }, false, { onReset: () => {} })
  clock.advance(100)
  pair.cut()
  const link = { write: () => {}, close: () => {} }
  assert.throws(() => server.attach(link, 5), { code: 'protocol' })
  assert.throws(() => server.attach(link, 0), { code: 'protocol' })
  server.attach(link, 1)
})
