import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import { openLog } from '../observe/log.ts'
import { MemoryWatch, memoryLimit } from './memory-watch.ts'

const MIB = 1024 * 1024
const LIMIT = 1_000 * MIB

function watched({ canCollect = true } = {}) {
  const clock = new FakeClock()
  const memory = { rss: 150 * MIB, heapUsed: 30 * MIB, external: 20 * MIB, garbage: 0, connections: 1, collections: 0 }
  const changes: boolean[] = []
  let looks = 0
  const watch = new MemoryWatch({
    limitBytes: LIMIT,
    usage: () => {
      looks++
      return { ...memory, external: memory.external + memory.garbage }
    },
    collect: canCollect
      ? () => {
          memory.collections++
          memory.garbage = 0
        }
      : undefined,
    connections: () => memory.connections,
    onChange: isShort => changes.push(isShort),
    clock,
    log: openLog({ level: 'error', stream: process.stderr, isForPeople: false }),
  })
  return { clock, memory, changes, looks: () => looks, watch }
}

test('memory is short from four fifths of the limit on, and enough below seven tenths', () => {
  const { clock, memory, changes, watch } = watched()
  // 100 MiB are the program itself.
  memory.external = 660 * MIB
  clock.advance(1_000)
  assert.deepEqual(changes, [])
  memory.external = 680 * MIB
  clock.advance(1_000)
  assert.deepEqual(changes, [true])
  memory.external = 600 * MIB
  clock.advance(5_000)
  assert.deepEqual(changes, [true])
  memory.external = 560 * MIB
  // What the allocator keeps does not count.
  memory.rss = 900 * MIB
  clock.advance(1_000)
  assert.deepEqual(changes, [true, false])
  watch.close()
})

test('what is resident before the first visitor is the program, and what the allocator keeps after that is not', () => {
  const { clock, memory, changes, watch } = watched()
  memory.connections = 0
  memory.rss = 850 * MIB
  clock.advance(1_000)
  assert.deepEqual(changes, [true], '800 MiB are no memory of V8, which is a program that leaves no room')
  memory.rss = 150 * MIB
  clock.advance(5_000)
  memory.connections = 1
  clock.advance(1_000)
  memory.rss = 950 * MIB
  clock.advance(5_000)
  assert.deepEqual(changes, [true, false])
  watch.close()
})

test('memory that fills at 400 MB a second is found short within 40 MB, however long nobody came; a server at rest looks once a second', () => {
  for (const restMs of [100, 350, 990, 60_000, 60_450, 60_999]) {
    const { clock, memory, changes, looks, watch } = watched()
    clock.advance(60_000 + restMs)
    const before = looks()
    clock.advance(60_000)
    assert.ok(looks() - before <= 2 * 66, `${looks() - before} looks at what is used in a minute`)
    // 100 MiB are the program itself.
    const mostBytes = 0.8 * LIMIT + 40_000_000
    while (changes.length === 0) {
      memory.external += 4_000_000
      assert.ok(100 * MIB + memory.heapUsed + memory.external <= mostBytes, `${Math.round(memory.external / MIB)} MiB`)
      clock.advance(10)
    }
    watch.close()
  }
})

test('garbage turns nobody away: it is collected first, and not more often than every two seconds', () => {
  const { clock, memory, changes, watch } = watched()
  memory.garbage = 900 * MIB
  clock.advance(1_000)
  assert.deepEqual([changes, memory.collections], [[], 1])
  memory.garbage = 900 * MIB
  clock.advance(1_000)
  assert.deepEqual([changes, memory.collections], [[true], 1])
  clock.advance(2_000)
  assert.deepEqual([changes, memory.collections], [[true, false], 2])
  clock.advance(60_000)
  assert.equal(memory.collections, 2, 'none without need')
  watch.close()
})

test('connections count, and a Node that cannot collect on demand turns away all the same', () => {
  const { clock, memory, changes, watch } = watched({ canCollect: false })
  memory.connections = 16_000
  clock.advance(1_000)
  assert.deepEqual(changes, [true])
  watch.close()
})

test('connections that have sent much count with what they take, as long as they are there', () => {
  const { clock, memory, changes, watch } = watched()
  memory.connections = 8_000
  memory.rss = 600 * MIB
  clock.advance(1_000)
  assert.deepEqual(changes, [])
  memory.rss = 900 * MIB
  clock.advance(1_000)
  assert.deepEqual(changes, [true])
  memory.connections = 4_000
  clock.advance(1_000)
  assert.deepEqual(changes, [true, false])
  watch.close()
})

test('there is a limit on every machine', () => {
  assert.ok(memoryLimit() > 64 * MIB && Number.isSafeInteger(memoryLimit()))
})
