// Streams to those who do not read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import { cutWhenStuck } from './stuck.ts'

test('a stream is cut when a message is not taken in time, and only then', async () => {
  const clock = new FakeClock()
  let cuts = 0
  let ended = 0
  async function* numbers() {
    try {
      for (let number = 0; ; number++) yield number
    } finally {
      ended++
    }
  }
  const stream = cutWhenStuck(numbers(), () => cuts++, clock)
  for (let time = 0; time < 10; time++) {
    assert.equal((await stream.next()).value, time)
    clock.advance(59_000)
  }
  assert.equal(cuts, 0)
  clock.advance(1_000)
  assert.equal(cuts, 1)
  await stream.return(undefined)
  assert.equal(ended, 1, 'what it comes from has ended too')
  clock.advance(600_000)
  assert.equal(cuts, 1)
})
