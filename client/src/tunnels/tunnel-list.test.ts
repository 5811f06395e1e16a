// The list of a process: what changes is closed and opened, what does not goes on, and what is under way has its time. Real
// multiplexers, in virtual time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../failure.ts'
import { STOP_MS } from './idle.ts'
import { PlanMaker } from './plan-maker.ts'
import type { TunnelSpec } from './specs.ts'
import { HEAD, online, opened } from './testing/agent-run.ts'
import { type Entry, TunnelList } from './tunnel-list.ts'

const spec = (target: string, options: TunnelSpec['options'] = {}): TunnelSpec => ({ kind: 'http', target, options })
const runs = (target: string, options: TunnelSpec['options'] = {}): Entry => ({
  spec: spec(target, options),
  isStopped: false,
})
const stopped = (entry: Entry): Entry => ({ ...entry, isStopped: true })

/** A list whose tunnels begin with number 2: the agent has one of its own. */
function begin() {
  const run = online({ keepsEnded: true })
  const maker = new PlanMaker({ opened: () => {}, over: () => {}, targetSeen: () => {} })
  maker.make(() => run.planOf(1, 'own'))
  const gone: number[] = []
  let hasAgent = true
  const list = new TunnelList({
    clock: run.clock,
    // What serves visitors is the run's, so that it can be seen.
    make: makePlan =>
      maker.make((number, places, events) => ({
        ...makePlan(number, places, events),
        forwarder: run.planOf(number, '').forwarder,
      })),
    agent: () => (hasAgent ? run.agent : undefined),
    nameOf: number => ({ 2: 'given' })[number] ?? '',
    onGone: number => gone.push(number),
  })
  const lose = () => {
    hasAgent = false
  }
  return { ...run, list, gone, lose, numbers: () => list.items.map(({ number }) => number) }
}

test('what stays the same keeps its number, whatever else comes, goes and moves about it', () => {
  const { list, numbers, names } = begin()
  const [app, ssh] = [runs('3000', { domain: ['app'], allow: ['203.0.113.7'] }), runs('22')]
  list.set([app, ssh])
  assert.deepEqual(numbers(), [2, 3])
  const same = runs('3000', { allow: ['203.0.113.7'], domain: ['app'] })
  list.set([runs('4000'), ssh, same])
  assert.deepEqual(numbers(), [4, 3, 2])
  list.set([same, stopped(ssh)])
  assert.deepEqual(numbers(), [2, undefined])
  list.set([same, ssh])
  assert.deepEqual(numbers(), [2, 5])
  // The owner asks: opened again though nothing has changed.
  list.set([same, ssh], 0)
  assert.deepEqual(numbers(), [6, 5])
  assert.equal(names().filter(name => name === 'removed').length, 3)
  // Two that are alike are two.
  list.set([ssh, ssh])
  assert.deepEqual(numbers(), [5, 7])
})

test('a tunnel that cannot be changes nothing', () => {
  const { list, numbers } = begin()
  list.set([runs('3000')])
  assert.throws(() => list.set([runs('nowhere')]), Failure)
  assert.deepEqual(numbers(), [2])
})

test('a tunnel is found by its name, the server’s, its first address, and by a target that only it has', () => {
  const { list } = begin()
  list.set([
    runs('3000'),
    runs('3001', { name: 'blog', domain: ['www'] }),
    runs('3002', { domain: ['App'] }),
    runs('9'),
    runs('9'),
  ])
  const found = ['given', 'blog', 'app', '3001', '9', 'www', 'nothing'].map(name => list.find(name))
  assert.deepEqual(found, [0, 1, 2, 1, -1, -1, -1])
})

test('what a stopped tunnel has under way may end within its time, is cut then, and others go on', async () => {
  for (const isQuick of [true, false]) {
    const { list, clock, call, accepted, resets } = begin()
    list.set([runs('3000'), runs('4000')])
    clock.advance(10)
    for (const number of [2, 3]) opened(call(0), number, `name-${number}`)
    clock.advance(10)
    const visit = (tunnel: number) =>
      call(0).mux.open({ kind: 'http', head: { ...HEAD, tunnel } }, true, { onReset: () => {} })
    const [theirs, other] = [visit(2), visit(3)]
    clock.advance(10)
    const draining = list.set([stopped(runs('3000')), runs('4000')]).get(2)
    assert.deepEqual([draining?.open, draining?.limitMs], [1, STOP_MS])
    let isOver = false
    void draining?.over.then(() => {
      isOver = true
    })
    clock.advance(STOP_MS - 100)
    assert.ok(theirs.isOpen && other.isOpen && resets.length === 0)
    if (isQuick) {
      accepted[0]?.sendHead({ status: 200, reason: 'OK', headers: [], upgrade: '' })
      accepted[0]?.end()
    }
    clock.advance(200)
    await draining?.over
    assert.deepEqual([isOver, theirs.isOpen, other.isOpen], [true, false, true])
    assert.deepEqual(
      resets.map(({ code }) => code),
      isQuick ? [] : ['tunnel-closed'],
    )
  }
})

test('without an agent the list changes too, and the next one gets what is wanted then', () => {
  const { list, gone, lose, numbers } = begin()
  list.set([runs('3000'), runs('4000')])
  lose()
  list.set([runs('4000'), runs('5000'), stopped(runs('6000'))])
  assert.deepEqual([gone, numbers()], [[2], [3, undefined, undefined]])
  const plans = list.plansForNext()
  assert.deepEqual(
    plans.map(({ target }) => target),
    ['127.0.0.1:4000', '127.0.0.1:5000'],
  )
  assert.deepEqual(numbers(), [...plans.map(({ number }) => number), undefined])
})
