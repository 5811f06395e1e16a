// How much of the time a thread works that searches behind others.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace } from './pace.ts'

test('a tenth of a second is worked at once, then a fifth of the time, and after a rest a tenth of a second again', () => {
  let now = 0
  let slept = 0
  const pace = new Pace({
    now: () => now,
    sleep: ms => {
      now += ms
      slept += ms
    },
  })
  const work = (ms: number) => {
    slept = 0
    pace.begin()
    for (let done = 0; done < ms; done++) {
      now++
      pace.step()
    }
    return slept
  }
  assert.equal(work(100), 0)
  const rests = work(1_000)
  assert.ok(Math.abs(rests - 4_000) < 200, `${rests} ms of rest beside 1,000 ms of work`)
  now += 10_000
  assert.equal(work(100), 0)
})
