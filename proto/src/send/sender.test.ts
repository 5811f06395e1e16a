// When frames are given to the link, seen at a link that takes batches when the test says.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchReader } from '../codec/decode.ts'
import { BatchWriter, bufferOf } from '../codec/encode.ts'
import { KIB, MIB } from '../limits.ts'
import { Mux } from '../mux.ts'
import { FakeClock } from '../testing/fake-clock.ts'
import { open, pairOfMuxes, pump, TCP, take } from '../testing/mux-pair.ts'
import { Outbox } from './outbox.ts'
import { SendQueue } from './send-queue.ts'

const IDLE_OWNER = { drained: () => {}, endTaken: () => {} }

interface Given {
  readonly frames: number
  readonly bytes: number
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
        given.push({ frames: reader.frames, bytes: batch.length, taken })
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

/** Node writes a message in DATA frames (9 bytes around each) and TLS records of this size; gRPC puts 5 bytes before it. */
const RECORD_BYTES = 16 * KIB
const MOST_OF_SIX = 6 * (RECORD_BYTES - 9) - 5

test('bulk waits until the link has taken bulk, and goes in batches of six whole records, whatever its chunks', () => {
  const { clock, given, openOne } = muxOnLink()
  const channel = openOne()
  clock.settle()
  given[0]?.taken()
  for (let count = 0; count < 3; count++) channel.write(Buffer.alloc(40 * KIB))
  clock.settle()
  const first = given.slice(1)
  assert.deepEqual(
    first.map(({ frames }) => frames),
    [2, 1],
  )
  for (let count = 0; count < 3; count++) channel.write(Buffer.alloc(40 * KIB))
  clock.settle()
  first[0]?.taken()
  clock.settle()
  assert.equal(given.length, 3)
  openOne()
  clock.settle()
  assert.equal(given.length, 3, 'what is not bulk waits for a link that has something, too')
  first[1]?.taken()
  clock.settle()
  const rest = given.slice(3)
  assert.ok(rest.length > 0)
  for (const { bytes } of given) assert.ok(bytes <= MOST_OF_SIX, `${bytes} bytes`)
  assert.ok((first[0]?.bytes ?? 0) > MOST_OF_SIX - 128, 'a full batch leaves next to nothing empty')
})

test('no frame of bulk is larger than its part of the line, or fuller than what waits', () => {
  // An eighth of this line is no whole number of bytes.
  const capBytes = 160_004
  const queue = new SendQueue(1, false, { unreadBytes: 0, dataBytes: 0, datagramBytes: 0 }, true, IDLE_OWNER)
  const outbox = new Outbox()
  const writer = new BatchWriter()
  for (let count = 0; count < 3; count++) queue.pushData(Buffer.alloc(30_000))
  outbox.ready(queue, 0)
  const sizes: number[] = []
  while (!outbox.isEmpty) {
    outbox.fill(writer, MIB, capBytes)
    const reader = new BatchReader()
    reader.read(bufferOf(writer.finish(0, 1)))
    for (let index = 0; index < reader.frames; index++) {
      reader.select(index)
      sizes.push(reader.payload().length)
    }
  }
  assert.ok(Math.max(...sizes) <= capBytes / 8, `${sizes}`)
  assert.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    90_000,
  )
})

test('bulk arrives whole over lines of any rate', () => {
  // What a frame may take of such a line is no whole number of bytes, nor are chunks whole frames.
  for (const bytesPerMs of [3001, 9973, 10_007, 17_011, 30_011]) {
    const accepted: ReturnType<typeof take>[] = []
    const { clock, server } = pairOfMuxes({ delayMs: 10, bytesPerMs }, ({ channel }) => accepted.push(take(channel)))
    const hash = pump(clock, open(server, TCP), 4 * MIB + 1)
    clock.advance(10_000)
    assert.equal(accepted[0]?.ends, 1)
    assert.equal(accepted[0]?.hash.digest('hex'), hash())
  }
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
