// Who forges addresses proves nothing, whatever it knows and whatever innocent targets do with what it sends.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type LongHeader, quicPackets, someId, wireguardMessages } from '../testing/handshakes.ts'
import { FIRST, KINDS, type Kind, OTHER, portFor, quicKind, shake, WIREGUARD } from '../testing/proofs.ts'

const { initiation, response, transport } = wireguardMessages
const { initial, handshake, short, serverInitial, serverRetry } = quicPackets

test('F11: a forger who tries ids by chance may do so seldom', () => {
  /** Whether the right one counts after so many wrong ones. */
  const isProvenAfter = (kind: Kind, tries: number, say: (id: Buffer) => Buffer) => {
    const { says, isTold } = portFor().open()
    const [own, id, wrong] = [someId(), someId(), Buffer.alloc(4)]
    says(kind.request(own))
    isTold(kind.answer(own, id))
    for (let count = 1; count <= tries; count++) {
      wrong.writeUInt32BE((id.readUInt32BE() ^ count) >>> 0)
      assert.equal(says(say(wrong)), false)
    }
    if (says(say(id))) return true
    if (kind !== WIREGUARD) return false
    // The next handshake counts again.
    const next = someId()
    says(kind.request(own))
    isTold(kind.answer(own, next))
    assert.equal(says(say(wrong)), false)
    assert.equal(says(say(next)), true)
    return false
  }
  const ofWireguard = (id: Buffer) => transport(id, 32)
  assert.equal(isProvenAfter(WIREGUARD, 65_536, ofWireguard), true)
  assert.equal(isProvenAfter(WIREGUARD, 65_537, ofWireguard), false)
  assert.equal(isProvenAfter(quicKind('', 4, 4), 1_024, short), true)
  assert.equal(isProvenAfter(quicKind('', 4, 4), 1_025, short), false)
})

test('F11: memcached, whose values a forger can store and whose answers begin as it likes, proves nothing', () => {
  // The header of its datagrams (doc/protocol.txt of memcached): the request's id, a number, how many, and two bytes of nothing.
  const framed = (id: number, text: string, bytes: number, total = 1, nothing = 0) => {
    const datagram = Buffer.alloc(bytes, ' ')
    datagram.writeUInt16BE(id, 0)
    datagram.writeUInt16BE(0, 2)
    datagram.writeUInt16BE(total, 4)
    datagram.writeUInt16BE(nothing, 6)
    datagram.write(text, 8, 'latin1')
    return datagram
  }
  const value = (id: number, bytes: number, total = 1, key = 'k') => {
    const datagram = framed(id, `VALUE ${key} 0 60\r\n`, bytes, total)
    datagram.write('\r\nEND\r\n', bytes - 7, 'latin1')
    return datagram
  }
  const index = Buffer.from([0, 1, 0, 0])
  // An answer like a response to the index "VALU", and one like an initiation.
  for (const [id, bytes] of [
    [0x0200, 92],
    [0x0100, 148],
  ] as const) {
    const get = framed(id, 'get k\r\n', bytes, 1, 0x4711)
    for (const first of [get, initiation(Buffer.from('VALU'))]) {
      const { says, isTold } = portFor().open()
      says(first, get)
      isTold(value(id, bytes))
      says(transport(index), response(Buffer.from('VALU'), index))
      assert.equal(says(transport(index)), false)
    }
  }
  // And one of 264 datagrams whose first is like a packet of QUIC for "\0\0VALUE ".
  const own = Buffer.from('\0\0VALUE ', 'latin1')
  const key = `\x08${'12345678'}`
  for (const before of [[], [initial({ to: someId(8), from: own })]]) {
    const { says, isTold } = portFor().open()
    says(...before, framed(0x8000, `get ${key}\r\n`, 1_300), ...before)
    isTold(value(0x8000, 1_400, 264, key))
    assert.equal(says(short(Buffer.from('12345678')), initial({ to: Buffer.from('12345678'), from: own })), false)
  }
})

test('F11: targets that send everything back, or exchange who it is from and for, prove nothing', () => {
  const [a, b] = [someId(8), someId(8)]
  const [c, d] = [someId(), someId()]
  const flows: readonly (readonly (readonly [sent: Buffer, back: Buffer])[])[] = [
    [[initiation(c), initiation(c)]],
    [
      [initiation(c), initiation(c)],
      [response(d, c), response(d, c)],
    ],
    [
      [initiation(c), initiation(c)],
      [response(c, d), response(d, c)],
    ],
    [[initial({ to: FIRST, from: a }), serverInitial(FIRST, { to: a, from: FIRST })]],
    [
      [initial({ to: FIRST, from: a }), serverInitial(FIRST, { to: a, from: a })],
      [serverInitial(FIRST, { to: a, from: b }), serverInitial(FIRST, { to: a, from: b })],
      [handshake({ to: b, from: a }), handshake({ to: b, from: a })],
    ],
    [
      [initial({ to: FIRST, from: a }), initial({ to: FIRST, from: a })],
      [serverInitial(FIRST, { to: b, from: a }), serverInitial(FIRST, { to: a, from: b })],
    ],
  ]
  for (const flow of flows) {
    const { says, isTold } = portFor().open()
    for (const [sent, back] of flow) {
      assert.equal(says(sent), false)
      assert.equal(isTold(back), false)
    }
    for (const id of [c, d]) assert.equal(says(response(c, id), transport(id)), false)
  }
  for (const flow of flows) {
    for (const id of [a, b, FIRST]) {
      const { says, isTold } = portFor().open()
      for (const [sent, back] of flow) {
        says(sent)
        isTold(back)
      }
      assert.equal(says(handshake({ to: id, from: a }), short(id)), false)
    }
  }
})

/** What a forger writes, in one protocol because its flows are over otherwise; the keys of QUIC's handshake are no secret. */
const WRITTEN = {
  WireGuard: {
    initiation: ({ from }: LongHeader) => initiation(from),
    response: ({ from, to }: LongHeader) => response(from, to),
    transport: ({ to }: LongHeader) => transport(to),
  },
  QUIC: {
    initial,
    handshake,
    serverInitial: (header: LongHeader) => serverInitial(FIRST, header),
    serverRetry: (header: LongHeader) => serverRetry(FIRST, header),
    short: ({ to }: LongHeader) => short(to),
  },
}

for (const [protocol, messages] of Object.entries(WRITTEN)) {
  test(`F11: ${protocol}: nothing that a target sends back proves anything: late, to others, with ids exchanged, as another message`, () => {
    const kinds = Object.entries(messages).map(([kind, write]) => ({ kind, write }))
    /** So few that they meet. */
    const id = fc.constantFrom(
      ...[1, 2, 3, 4].map(byte => Buffer.alloc(8, byte).subarray(0, protocol === 'QUIC' ? 8 : 4)),
    )
    const to = protocol === 'QUIC' ? fc.oneof(id, fc.constant(FIRST)) : id
    const step = fc.record({
      flow: fc.nat(2),
      message: fc.record({ kind: fc.constantFrom(...kinds), from: id, to }),
      isSwapped: fc.boolean(),
      /** Of those that came, counted from the last one. */
      back: fc.option(fc.nat(20), { nil: undefined }),
      as: fc.option(fc.constantFrom(...kinds), { nil: undefined }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const port = portFor()
        const flows = [port.open(), port.open(), port.open(OTHER)]
        const came: { kind: string; write: (header: LongHeader) => Buffer; header: LongHeader }[] = []
        for (const { flow, message, isSwapped, back, as } of steps) {
          const at = flows[flow]
          assert.ok(at !== undefined)
          const { kind, from, to } = message
          if (back === undefined) {
            // A Retry of a visitor's is no QUIC, and ends its flow.
            if (kind.kind === 'serverRetry') continue
            came.push({ ...kind, header: { from, to: kind.kind === 'initiation' ? from : to } })
            assert.equal(at.says(kind.write({ from, to })), false)
            continue
          }
          const old = came.at(-1 - back)
          // What is no message of a handshake is not looked at for ids: a target that made one of it would have to mean it.
          if (old === undefined || old.kind === 'transport' || old.kind === 'short') continue
          const header = isSwapped ? { from: old.header.to, to: old.header.from } : old.header
          assert.equal(at.isTold((as ?? old).write(header)), false)
        }
      }),
      { numRuns: 3_000 },
    )
  })
}

test('F11: random bytes and messages cut short or changed never throw and never prove', () => {
  const good = fc
    .tuple(
      fc.nat(KINDS.length - 1),
      fc.nat(4),
      fc.nat(1_300),
      fc.array(fc.tuple(fc.nat(40), fc.nat(255)), { maxLength: 4 }),
    )
    .map(([which, message, length, changes]) => {
      const kind = KINDS[which] ?? WIREGUARD
      const [own, id] = [someId(kind.ownBytes), someId(kind.idBytes)]
      const all = [kind.request(own), kind.answer(own, id), ...kind.says.map(say => say(own, id))]
      const datagram = Buffer.from((all[message] ?? Buffer.alloc(0)).subarray(0, length))
      for (const [at, byte] of changes) if (at < datagram.length) datagram[at] = byte
      return datagram
    })
  const random = fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes))
  const step = fc.record({ isVisitor: fc.boolean(), datagram: fc.oneof(good, random) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), steps => {
      const { says, isTold } = portFor().open()
      for (const { isVisitor, datagram } of steps) assert.equal(isVisitor ? says(datagram) : isTold(datagram), false)
    }),
    { numRuns: 2_000 },
  )
})

test('F11: a visitor who floods with handshakes proves no more by it, and others as before', () => {
  const port = portFor()
  const forger = port.open(OTHER)
  for (let count = 0; count < 500; count++) forger.says(initiation(someId()))
  for (const kind of KINDS) shake(kind, port)
})
