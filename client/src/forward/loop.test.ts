// Whether the loop has told what came: the real loop.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasToldSince, moment } from './loop.ts'

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

test('a loop that does not sleep has told what came after its next look at I/O is over', async () => {
  await turn()
  const began = moment()
  assert.equal(hasToldSince(began), false)
  await null
  assert.equal(hasToldSince(began), false, 'the same turn')
  await turn()
  await turn()
  await turn()
  assert.equal(hasToldSince(began), true)
})

test('a loop that has slept has told all that came before, in whichever turn it is', async () => {
  let [began, now] = [moment(), moment()]
  // On a busy machine a timer may be due before the loop comes to sleep.
  while (now.sleptMs === began.sleptMs || now.turn - began.turn > 1) {
    began = moment()
    await new Promise(resolve => setTimeout(resolve, 20))
    now = moment()
  }
  assert.equal(hasToldSince(began), true)
})

test('asking adds no turns', async () => {
  await turn()
  const began = moment()
  for (let count = 0; count < 1_000; count++) hasToldSince(moment())
  assert.equal(moment().turn, began.turn)
})
