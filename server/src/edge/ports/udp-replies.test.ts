// How much a visitor of a UDP port is sent: so many times what came from its source, and everything when it has shown that it gets it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PbtError } from '@pbt/proto'
import { quicPackets, someId, wireguardMessages } from '../testing/handshakes.ts'
import { listenerFor, type Opened, TARGET } from '../testing/udp-port.ts'
import { PortFlows } from './port-flows.ts'

test('F11: a source gets 64 KiB and 60 times what came from it, over all flows and sockets, as long as it has one', async t => {
  const { listen, opened, from, answer, counted, clock } = await listenerFor(t)
  const other = await listen('127.0.0.2')
  from('127.0.1.1', 1, 10)
  // 66,136 bytes.
  assert.equal(answer(opened[0], 100), 66)
  assert.deepEqual(counted, new Array(34).fill('dropped udp'))
  // Another flow, by another socket, brings what it brings itself.
  from('127.0.1.1', 2, 100, other)
  assert.equal(answer(opened[1], 10), 6)
  assert.equal(answer(opened[0], 10), 0)
  // However long it goes on, and however often it sends.
  for (let second = 0; second < 3_600; second++) {
    clock.advance(1_000)
    from('127.0.1.1', 1, 0)
    from('127.0.1.1', 2, 0, other)
  }
  assert.equal(answer(opened[0], 10), 0)
  from('127.0.1.1', 2, 50, other)
  assert.equal(answer(opened[0], 10), 3)
  // Others have their own.
  from('127.0.1.2', 1, 10)
  assert.equal(answer(opened[2], 100), 66)
})

test('F11: flows that are silent, evicted, ended or reset, and begin again, bring no 64 KiB more', async t => {
  const { listener, opened, from, answer, world, clock } = await listenerFor(t)
  world.places = 2
  const ends: readonly (readonly [string, (flow: Opened) => void])[] = [
    ['silent', () => clock.advance(62_000)],
    ['ended by the client', flow => flow.handler.onEnd?.()],
    ['reset by the client', flow => flow.handler.onReset?.(new PbtError('limit', 'no descriptor'))],
    [
      'evicted',
      flow => {
        from('127.0.1.2', 1)
        from('127.0.1.3', 1)
        assert.ok(flow.isReset)
        for (const each of opened) if (each !== flow) each.isReset = true
      },
    ],
  ]
  from('127.0.1.1', 1, 10)
  assert.equal(answer(opened.at(-1), 100), 66)
  for (const [how, end] of ends) {
    const last = opened.at(-1)
    assert.ok(last !== undefined)
    end(last)
    last.isReset = true
    from('127.0.1.1', 1, 10)
    assert.notEqual(opened.at(-1), last, how)
    assert.equal(answer(opened.at(-1), 10), 0, how)
  }
  assert.ok(listener.flowCount > 0)
})

test('F11: several ports have one budget for a source beyond what it sends them', async t => {
  const { listen, clock, budget, opened, from, answer } = await listenerFor(t)
  const other = await listen('127.0.0.1', new PortFlows(budget, clock))
  from('127.0.1.1', 1, 100)
  assert.equal(answer(opened[0], 40), 40)
  from('127.0.1.1', 1, 100, other)
  // 65,536 and 6,000, less the 34,000 that the other port took of them.
  assert.equal(answer(opened[1], 100), 37)
  assert.equal(answer(opened[0], 10), 0)
})

test('F11: a tunnel may have another factor, or no bound, and neither costs a source anything at other ports', async t => {
  const { listen, clock, budget, world, opened, from, answer } = await listenerFor(t)
  const [free, other] = [
    await listen('127.0.0.1', new PortFlows(budget, clock)),
    await listen('127.0.0.1', new PortFlows(budget, clock)),
  ]
  world.replyFactor = undefined
  from('127.0.1.1', 1, 1, free)
  assert.equal(answer(opened[0], 1_000), 1_000)
  assert.equal(budget.size, 0)
  world.replyFactor = 1_000
  from('127.0.1.1', 1, 100, other)
  assert.equal(answer(opened[1], 100), 100)
  assert.equal(budget.size, 0)
  world.replyFactor = 60
  from('127.0.1.1', 1, 10)
  assert.equal(answer(opened[2], 100), 66)
  assert.equal(answer(opened[1], 10), 0)
})

test('F11: that replies are withheld is logged with what to do, once in a minute', async t => {
  const { opened, from, answer, clock, logged } = await listenerFor(t)
  from('127.0.1.1', 1, 10)
  answer(opened[0], 100)
  assert.deepEqual(
    logged.map(fields => ({ ...fields, cure: '' })),
    [{ tunnel: 'udp', visitor: '127.0.1.1', replyFactor: 60, withheld: 1, cure: '' }],
  )
  assert.match(String(logged[0]?.cure), /--reply-factor/)
  for (let second = 0; second < 59; second++) clock.advance(1_000)
  from('127.0.1.1', 1, 0)
  answer(opened[0], 100)
  assert.equal(logged.length, 1)
  clock.advance(1_000)
  answer(opened[0], 1)
  assert.equal(logged[1]?.withheld, 135)
})

const FIRST = someId(8)
/** How a visitor is proven that is known by `own` and given `id`, and what it says of it later. */
const HANDSHAKES = [
  {
    what: 'WireGuard',
    asks: (own: Buffer) => wireguardMessages.initiation(own),
    answers: (own: Buffer, id: Buffer) => wireguardMessages.response(id, own),
    says: (id: Buffer) => wireguardMessages.transport(id),
  },
  {
    what: 'QUIC',
    asks: (own: Buffer) => quicPackets.initial({ to: FIRST, from: own }),
    answers: (own: Buffer, id: Buffer) => quicPackets.serverInitial(FIRST, { to: own, from: id }),
    says: (id: Buffer) => quicPackets.short(id),
  },
]

for (const { what, asks, answers, says } of HANDSHAKES) {
  test(`F11: ${what}: a visitor whose handshake shows that it gets what is sent to it is sent everything, and its source earns nothing`, async t => {
    const { budget, opened, sends, answer, from } = await listenerFor(t)
    const [own, id] = [someId(), someId()]
    sends('127.0.1.1', 1, asks(own))
    opened[0]?.handler.onDatagram?.(answers(own, id))
    // 64 KiB, 60 times what came, and nothing more before the visitor says what it was given.
    const most = answer(opened[0], 1_000)
    assert.ok(most < 200, `${most}`)
    sends('127.0.1.1', 1, says(id))
    assert.equal(answer(opened[0], 10_000), 10_000)
    for (let count = 0; count < 1_000; count++) sends('127.0.1.1', 1, says(id))
    // Another flow of the address has what it earns itself, and what was left.
    from('127.0.1.1', 2, 100)
    assert.ok(answer(opened[1], 1_000) <= 7)
    assert.equal(budget.size, 1)
    assert.equal(answer(opened[0], 1_000), 1_000)
  })

  test(`F11: ${what}: a proven visitor is known at the port's other sockets and to the next session of its target, and to no other target`, async t => {
    const { listen, listener, opened, world, sends, answer } = await listenerFor(t)
    const other = await listen('127.0.0.2')
    const [own, id] = [someId(), someId()]
    sends('127.0.1.1', 1, asks(own))
    opened[0]?.handler.onDatagram?.(answers(own, id))
    sends('127.0.1.1', 1, says(id))
    /** Whether it is sent everything in a new flow. */
    const isKnown = (address: string, port: number, at = listener) => {
      sends(address, port, says(id), at)
      return answer(opened.at(-1), 1_000) === 1_000
    }
    assert.ok(isKnown('127.0.1.1', 2))
    assert.ok(isKnown('127.0.1.1', 1, other))
    assert.ok(!isKnown('127.0.1.2', 1))
    for (const flow of opened) flow.handler.onReset?.(new PbtError('link-lost', 'the session is over'))
    world.affinity = { ...TARGET }
    assert.ok(isKnown('127.0.1.1', 1))
    opened.at(-1)?.handler.onEnd?.()
    world.affinity = { ...TARGET, target: '127.0.0.1:2' }
    assert.ok(!isKnown('127.0.1.1', 1))
    world.affinity = TARGET
    assert.ok(!isKnown('127.0.1.1', 3))
  })
}

test('F11: a WireGuard visitor that shakes hands no more is bounded again', async t => {
  const { opened, sends, answer, clock } = await listenerFor(t)
  const [own, id] = [someId(), someId()]
  const [handshake] = HANDSHAKES
  assert.ok(handshake !== undefined)
  sends('127.0.1.1', 1, handshake.asks(own))
  opened[0]?.handler.onDatagram?.(handshake.answers(own, id))
  for (let seconds = 0; seconds < 180; seconds++) {
    sends('127.0.1.1', 1, handshake.says(id))
    assert.equal(answer(opened[0], 100), 100)
    clock.advance(1_000)
  }
  clock.advance(1_000)
  assert.ok(answer(opened[0], 1_000) < 200)
})
