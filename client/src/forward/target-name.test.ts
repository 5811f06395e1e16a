// When a name is asked for, and who is told what: a resolver and a clock by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import { parseTarget } from '../config/target.ts'
import { nameOf, TargetName } from './target-name.ts'

type Answer = (addresses: readonly string[] | Error) => void

function named() {
  const clock = new FakeClock()
  const asked: Answer[] = []
  const name = new TargetName('nas.lan', clock, (host, call) => {
    assert.equal(host, 'nas.lan')
    asked.push(found =>
      found instanceof Error
        ? call(found, [])
        : call(
            null,
            found.map(address => ({ address })),
          ),
    )
  })
  const told: string[] = []
  const wait = () => name.whenKnown(error => told.push(error?.message ?? name.current().join()))
  return { clock, asked, name, told, wait }
}

test('all who wait are told by one question, and those who come later at once', () => {
  const { asked, told, wait, name } = named()
  wait()
  const giveUp = wait()
  wait()
  giveUp()
  assert.deepEqual([asked.length, told], [1, []])
  asked[0]?.(['192.0.2.1', '192.0.2.2'])
  wait()
  assert.deepEqual([asked.length, told], [1, Array(3).fill('192.0.2.1,192.0.2.2')])
  assert.deepEqual(name.current(), ['192.0.2.1', '192.0.2.2'])
})

test('the name is asked for again after 30 s, and the list stays the same until its addresses are others', () => {
  const { asked, clock, name, wait } = named()
  wait()
  asked[0]?.(['192.0.2.1', '192.0.2.2'])
  const first = name.current()
  clock.advance(29_999)
  assert.equal(name.current(), first)
  assert.equal(asked.length, 1)
  clock.advance(1)
  assert.equal(name.current(), first)
  assert.equal(name.current(), first)
  assert.equal(asked.length, 2, 'one question at a time')
  asked[1]?.(['192.0.2.2', '192.0.2.1'])
  assert.equal(name.current(), first, 'in another order')
  clock.advance(30_000)
  name.current()
  asked[2]?.(new Error('no name service'))
  assert.equal(name.current(), first, 'what was known is better than nothing')
  clock.advance(30_000)
  name.current()
  asked[3]?.(['192.0.2.3'])
  assert.deepEqual(name.current(), ['192.0.2.3'])
})

test('after a failure it is asked for at once, but not more than once a second', () => {
  const { asked, clock, name, wait } = named()
  wait()
  asked[0]?.(['192.0.2.1'])
  name.doubt()
  clock.advance(999)
  name.doubt()
  assert.equal(asked.length, 1)
  clock.advance(1)
  name.doubt()
  name.doubt()
  assert.equal(asked.length, 2)
})

test('who waits is told of a failure, a name without addresses, and a resolver that does not answer, which is asked again', () => {
  const { asked, clock, told, wait } = named()
  wait()
  asked[0]?.(new Error('ENOTFOUND'))
  wait()
  asked[1]?.([])
  wait()
  clock.advance(10_000)
  wait()
  asked[2]?.(['192.0.2.9']) // too late
  asked[3]?.(['192.0.2.1'])
  assert.deepEqual(told, ['ENOTFOUND', 'its name has no address', 'its name was not found within 10 s', '192.0.2.1'])
})

test('addresses, sockets and this machine have no name to ask for', () => {
  const clock = new FakeClock()
  for (const target of ['3000', 'localhost:1', '192.0.2.1:1', '[2001:db8::1]:1', 'unix:/run/x']) {
    assert.equal(nameOf(parseTarget(target), clock), undefined, target)
  }
  assert.ok(nameOf(parseTarget('https://nas.lan'), clock) !== undefined)
})
