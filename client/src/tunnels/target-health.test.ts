// What the server is told of targets, in virtual time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import { TargetHealths } from './target-health.ts'

function house() {
  const clock = new FakeClock()
  const told: string[] = []
  const healths = new TargetHealths({
    clock,
    tell: (tunnel, { isAnswering, sinceMs, message }) =>
      void told.push(`${tunnel} ${isAnswering ? 'answers' : `refuses: ${message}`} for ${sinceMs}`),
  })
  return { clock, healths, told: () => told.splice(0) }
}

test('only changes are told, and at most one in 2 s of a tunnel', () => {
  const { clock, healths, told } = house()
  healths.saw(1, '')
  healths.saw(1, '')
  healths.saw(2, 'connection refused')
  assert.deepEqual(told(), ['1 answers for 0', '2 refuses: connection refused for 0'])
  clock.advance(500)
  healths.saw(1, 'connection refused')
  clock.advance(1_400)
  assert.deepEqual(told(), [])
  clock.advance(200)
  assert.deepEqual(told(), ['1 refuses: connection refused for 1500'])
  // A target that flaps is told once, as it is in the end; as it was, not at all.
  for (let count = 0; count < 100; count++) healths.saw(1, count % 2 === 0 ? '' : 'connection refused')
  clock.advance(10_000)
  assert.deepEqual(told(), [])
  for (let count = 0; count < 101; count++) healths.saw(1, count % 2 === 0 ? '' : 'connection refused')
  clock.advance(10_000)
  assert.deepEqual(told(), ['1 answers for 0'])
})

test('a new session is told what is known, and nothing of a tunnel that is over', () => {
  const { clock, healths, told } = house()
  healths.opened(1)
  healths.saw(1, 'no route')
  clock.advance(60_000)
  healths.opened(1)
  assert.deepEqual(told(), ['1 refuses: no route for 0', '1 refuses: no route for 60000'])
  healths.saw(1, '')
  healths.forget(1)
  clock.advance(60_000)
  healths.opened(1)
  healths.end()
  assert.deepEqual(told(), [])
})
