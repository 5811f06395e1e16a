// When frames are given to the link, seen at a link that takes batches when the test says.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchReader } from './decode.ts'
import { bufferOf } from './encode.ts'
import { KIB, MIB } from './limits.ts'
import { Mux } from './mux.ts'
import { FakeClock } from './testing/fake-clock.ts'
import { open, pairOfMuxes, pump, TCP, take } from './testing/mux-pair.ts'

interface Given {
  readonly frames: number
  taken(): void
}

/** A server's mux on such a link. */
function muxOnLink() {
  const clock = new FakeClock()
  const given: Given[] = []
  const handler = { onSessionFrame: () => {}, onLinkSilent: () => {}, onViolation: () => {} }
  const mux = new Mux({ role: 'server', clock, handler })
  const attach = () => {
    const link = {
      write: (batch: Parameters<typeof bufferOf>[0], taken: () => void) => {
        const reader = new BatchReader()
        reader.read(bufferOf(batch))
        given.push({ frames: reader.frames, taken })
      },
      close: () => {},
    }
    mux.attach(link, 0)
  }
  attach()
  const openOne = () => mux.open(TCP, false, { onReset: () => {} })
  return { clock, given, mux, attach, openOne }
}

test('the first frame of a burst goes out at once, the rest in one batch when that is taken', () => {
  const { clock, given, openOne } = muxOnLink()
  openOne()
  clock.settle()
  assert.deepEqual(
    given.map(({ frames }) => frames),
    [1],
  )
  for (let count = 0; count < 63; count++) {
    openOne()
    clock.settle()
  }
  assert.equal(given.length, 1)
  given[0]?.taken()
  assert.deepEqual(
    given.map(({ frames }) => frames),
    [1, 63],
  )
  given[1]?.taken()
  clock.settle()
  assert.equal(given.length, 2)
  openOne()
  clock.settle()
  assert.equal(given[2]?.frames, 1)
})

test('while burst follows burst, the first frame waits for what comes in the same turn, and no longer when bursts are over', () => {
  const { clock, given, openOne } = muxOnLink()
  const frames = () => given.map(each => each.frames)
  const burst = () => {
    openOne()
    clock.soon(openOne)
    clock.settle()
  }
  burst()
  for (let count = 0; count < 8; count++) openOne()
  given[0]?.taken()
  assert.deepEqual(frames(), [1, 9])
  given[1]?.taken()
  burst()
  assert.deepEqual(frames(), [1, 9, 2])
  given[2]?.taken()
  burst()
  assert.deepEqual(frames(), [1, 9, 2, 1])
})

test('what waited for a link that broke goes out over the next one', () => {
  const { clock, given, mux, attach, openOne } = muxOnLink()
  openOne()
  clock.settle()
  openOne()
  mux.detach()
  given[0]?.taken()
  clock.settle()
  assert.equal(given.length, 1)
  attach()
  clock.settle()
  for (let index = 1; index < given.length; index++) given[index]?.taken()
  clock.settle()
  assert.equal(
    given.slice(1).reduce((sum, { frames }) => sum + frames, 0),
    2,
  )
})

test('a sender that its own process holds back does not take the line for one that holds more', () => {
  const { clock, server, client, pair } = pairOfMuxes(
    { delayMs: 0.1, bytesPerMs: 500 * KIB, takeMs: 1.5 },
    ({ channel }) => {
      const record = take(channel)
      if (channel.id === 1) pump(clock, record, 10_000 * MIB)
      else pump(clock, record, 200)
    },
  )
  const download = open(server, TCP)
  const terminal = setSmall()
  clock.advance(3_000)
  assert.ok(download.bytes > 100 * MIB)
  pair.options.takeMs = 0
  let most = 0
  for (let step = 0; step < 50; step++) {
    clock.advance(0.2)
    most = Math.max(most, client.stats.unackedBytes)
  }
  terminal()
  assert.ok(most < 2 * MIB, `${most} bytes under way`)

  /** A request every 5 ms beside it. */
  function setSmall(): () => void {
    let isOver = false
    const ask = () => {
      if (isOver) return
      open(server, TCP)
      clock.after(5, ask)
    }
    ask()
    return () => {
      isOver = true
    }
  }
})
