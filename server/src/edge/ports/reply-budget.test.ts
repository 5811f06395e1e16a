// What a source may be sent: held against a model that keeps all it was told and computes everything anew.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import fc from 'fast-check'
import { ReplyBudget, Source } from './reply-budget.ts'

const EXTRA_BYTES = 64 * 1024
const EXTRA_EVERY_MS = 600_000
const MAX_REMEMBERED = 16_384
const ADDRESS = '203.0.113.7'

function sourceFor(address = ADDRESS) {
  const clock = new FakeClock()
  const budget = new ReplyBudget(clock)
  /** As the listeners do every second. */
  const pass = (ms: number) => {
    clock.advance(ms)
    budget.sweep()
  }
  return { clock, budget, pass, source: new Source(budget, address), another: (of = address) => new Source(budget, of) }
}

/** How much of what is asked for in datagrams of this size it may be sent. */
function drain(source: Source, size = 1_000, atMost = 1_000_000): number {
  let sent = 0
  while (sent < atMost && source.spend(size)) sent += size
  return sent
}

type Step = { readonly port: number } & (
  | { readonly kind: 'earn' | 'spend'; readonly bytes: number }
  | { readonly kind: 'end' }
)

/** One life of a source at one port, from its first flow to its last. */
class Life {
  readonly steps: { readonly earned: number; readonly spent: number }[] = []
  isOver = false

  /** The deepest that it was in debt, and how deep it is now. */
  debts(bytes = 0): { readonly most: number; readonly now: number } {
    let [most, now] = [0, 0]
    for (const { earned, spent } of [...this.steps, { earned: 0, spent: bytes }]) {
      now += spent - earned
      most = Math.max(most, now)
    }
    return { most, now: Math.max(0, now) }
  }

  /** What it takes of the extra: until its end the most it needed, then what it never earned. */
  drawn(bytes = 0): number {
    const { most, now } = this.debts(bytes)
    return this.isOver ? now : most
  }
}

test('F11: over all ports a source is sent 64 KiB and what it earned, whatever the order, and no byte less', () => {
  const port = fc.integer({ min: 0, max: 2 })
  const bytes = fc.oneof(fc.integer({ min: 0, max: 1_500 }), fc.integer({ min: 0, max: 65_507 }))
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom('earn' as const, 'spend' as const), port, bytes }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('end' as const), port }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const { another } = sourceFor()
      const ports = [0, 1, 2].map(() => ({ source: another(), life: new Life() }))
      const lives = ports.map(({ life }) => life)
      for (const each of steps) {
        const at = ports[each.port]
        assert.ok(at !== undefined)
        if (each.kind === 'earn') {
          at.source.earn(each.bytes)
          at.life.steps.push({ earned: each.bytes, spent: 0 })
        } else if (each.kind === 'end') {
          at.source.end()
          at.life.isOver = true
          at.life = new Life()
          lives.push(at.life)
        } else {
          const drawn = lives.reduce((sum, life) => sum + (life === at.life ? life.drawn(each.bytes) : life.drawn()), 0)
          const isSent = at.source.spend(each.bytes)
          assert.equal(isSent, drawn <= EXTRA_BYTES)
          if (isSent) at.life.steps.push({ earned: 0, spent: each.bytes })
        }
      }
    }),
    { numRuns: 500 },
  )
})

test('F11: while a source has a flow its 64 KiB are never given anew', () => {
  const { source, pass } = sourceFor()
  assert.equal(drain(source), 65_000)
  for (let day = 0; day < 24 * 6; day++) pass(EXTRA_EVERY_MS)
  assert.equal(drain(source), 0)
  source.earn(10_000)
  assert.equal(drain(source), 10_000)
})

test('F11: flows that end and begin again get the 64 KiB once in ten minutes, from the first byte of it on', () => {
  const { another, pass } = sourceFor()
  let sent = 0
  const seconds = EXTRA_EVERY_MS / 1_000
  for (let second = 0; second < seconds; second++) {
    const source = another()
    sent += drain(source)
    source.end()
    pass(1_000)
  }
  assert.equal(sent, 65_000)
  assert.equal(drain(another()), 65_000)
})

test('F11: the addresses of one IPv6 subscriber, and IPv4 within IPv6, have one budget', () => {
  for (const [address, same, other] of [
    ['2001:db8::1', '2001:db8::ffff:1', '2001:db8:0:1::1'],
    ['::ffff:203.0.113.7', '203.0.113.7', '203.0.113.8'],
  ] as const) {
    const { source, another } = sourceFor(address)
    assert.equal(drain(source), 65_000)
    assert.equal(drain(another(same)), 0)
    assert.equal(drain(another(other)), 65_000)
  }
})

test('F11: a source that earned what was sent is not remembered', () => {
  const { budget, source } = sourceFor()
  source.earn(20_000)
  assert.equal(drain(source, 1_000, 20_000), 20_000)
  assert.equal(budget.size, 0)
  assert.ok(source.spend(5_000))
  assert.equal(budget.size, 1)
  source.earn(6_000)
  source.end()
  assert.equal(budget.size, 0)
})

test('F11: a bounded number of sources is remembered; others are sent what they earn, until there is room', () => {
  const { budget, another, pass } = sourceFor()
  for (let count = 0; count < 2 * MAX_REMEMBERED; count++) {
    const source = another(`10.${count >> 16}.${(count >> 8) & 255}.${count & 255}`)
    assert.equal(source.spend(1_000), count < MAX_REMEMBERED)
    source.end()
  }
  assert.equal(budget.size, MAX_REMEMBERED)
  const late = another()
  late.earn(7_000)
  assert.equal(drain(late), 7_000)
  pass(EXTRA_EVERY_MS)
  assert.equal(budget.size, 0)
  assert.equal(drain(late), 65_000)
})
