// What proves that a visitor gets what is sent to it, and what does not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quicPackets, someId, wireguardMessages } from '../testing/handshakes.ts'
import { FIRST, KINDS, OTHER, portFor, quicKind, SECOND, shake, WIREGUARD } from '../testing/proofs.ts'

const { initiation, response, transport } = wireguardMessages
const { initial, zeroRtt, handshake, retry, short, serverInitial, serverRetry } = quicPackets

for (const kind of KINDS) {
  test(`F11: ${kind.what}: a visitor that says the id that the target has chosen is proven, and none before`, () => {
    for (const say of kind.says) {
      const port = portFor()
      const [own, id] = [someId(kind.ownBytes), someId(kind.idBytes)]
      const { says, isTold } = port.open()
      assert.equal(says(kind.request(own)), false)
      // Nobody answers in time, and both send again.
      assert.equal(says(kind.request(own)), false)
      assert.equal(isTold(kind.answer(own, id)), false)
      assert.equal(isTold(kind.answer(own, id)), false)
      assert.equal(says(kind.request(own)), false)
      assert.equal(says(say(own, id)), true)
      assert.equal(says(Buffer.from('whatever')), true)
    }
  })

  test(`F11: ${kind.what}: an id that is not new proves nothing`, () => {
    const port = portFor()
    const [id, own] = [someId(kind.idBytes), someId(kind.ownBytes)]
    // A forger looks from its own address what a target answers that always says the same, in vain if it were to wait for hours.
    port.open(OTHER).says(kind.request(own))
    const looking = port.open(OTHER)
    looking.says(kind.request(own))
    looking.isTold(kind.answer(own, id))
    for (let hour = 0; hour < 24; hour++) {
      for (const say of kind.says) {
        const { says, isTold } = port.open()
        says(kind.request(own))
        isTold(kind.answer(own, id))
        assert.equal(says(say(own, id)), false)
      }
      port.pass(3_600 * SECOND)
    }
  })

  test(`F11: ${kind.what}: other ids, and those of others, prove nothing`, () => {
    const port = portFor()
    const { id: proven, own: others } = shake(kind, port, OTHER)
    const [own, id] = [someId(kind.ownBytes), someId(kind.idBytes)]
    for (const say of kind.says) {
      for (const guess of [someId(kind.idBytes), proven, Buffer.alloc(kind.idBytes), id.subarray(1)]) {
        const { says, isTold } = port.open()
        assert.equal(says(say(own, guess)), false)
        const flow = port.open()
        flow.says(kind.request(own))
        // It was for somebody else, whom the forger can be.
        if (kind.ownBytes > 0) flow.isTold(kind.answer(others, id))
        assert.equal(flow.says(say(own, id)), false)
        isTold(kind.answer(own, id))
      }
    }
  })

  test(`F11: ${kind.what}: the address goes on from other ports with what it said, and no other address, nor at another tunnel`, () => {
    const port = portFor()
    const { own, id } = shake(kind, port)
    const say = kind.says.at(-1)
    assert.ok(say !== undefined)
    assert.equal(port.open().says(say(own, id)), true)
    assert.equal(port.open(OTHER).says(say(own, id)), false)
    assert.equal(portFor().open().says(say(own, id)), false)
    // And not for ever.
    port.pass(kind === WIREGUARD ? 180 * SECOND : 3_600 * SECOND)
    assert.equal(port.open().says(say(own, id)), kind !== WIREGUARD)
  })

  test(`F11: ${kind.what}: a visitor that sent anything else before is not looked at`, () => {
    for (const other of [
      '',
      '\x01',
      'get key\r\n',
      '\xff\xff\xff\xffgetinfo',
      '\x80\x08\0\0\0\0\0\x01',
      '\x04\0\0\0',
    ]) {
      const port = portFor()
      const [own, id] = [someId(kind.ownBytes), someId(kind.idBytes)]
      const { says, isTold } = port.open()
      const datagram = Buffer.from(other, 'latin1')
      assert.equal(says(kind.request(own), datagram), false)
      isTold(kind.answer(own, id))
      for (const say of kind.says) assert.equal(says(say(own, id)), false)
    }
  })
}

test('F11: QUIC ids of less than four bytes, and what is no answer to a visitor, prove nothing', () => {
  const own = someId(8)
  const id = someId(8)
  const answers = [
    serverInitial(FIRST, { to: own, from: id.subarray(0, 3) }),
    serverInitial(FIRST, { to: own, from: Buffer.alloc(0) }),
    serverInitial(FIRST, { to: own, from: id, version: 0 }),
    serverInitial(FIRST, { to: own, from: id, version: 0xff00_001d }),
    serverInitial(FIRST, { to: own.subarray(1), from: id }),
    serverInitial(FIRST, { to: Buffer.alloc(0), from: id }),
    // Made by who does not speak it, or for another.
    serverInitial(someId(8), { to: own, from: id }),
    serverRetry(someId(8), { to: own, from: id }),
    initial({ to: own, from: id }),
    initial({ to: own, from: id, bytes: 60 }),
    zeroRtt({ to: own, from: id }),
    handshake({ to: own, from: id }),
    retry({ to: own, from: id }),
    short(own),
  ]
  const next = [
    initial({ to: id, from: own }),
    handshake({ to: someId(8), from: own }),
    short(id),
    short(id.subarray(0, 3)),
  ]
  for (const answer of answers) {
    for (const after of next) {
      const { says, isTold } = portFor().open()
      says(initial({ to: FIRST, from: own }))
      isTold(answer)
      assert.equal(says(after), false)
    }
  }
  // No server answers an Initial that is not padded.
  const { says, isTold } = portFor().open()
  says(initial({ to: FIRST, from: own, bytes: 1_199 }))
  isTold(serverInitial(FIRST, { to: own, from: id }))
  assert.equal(says(short(id)), false)
})

/** A visitor of QUIC that has asked, and was answered. */
function answered(own: Buffer, answer: Buffer) {
  const port = portFor()
  const flow = port.open()
  flow.says(initial({ to: FIRST, from: own }))
  flow.isTold(answer)
  return { ...flow, port }
}

for (const [whose, own] of [
  ['with an id', someId(8)],
  ['without one', Buffer.alloc(0)],
] as const) {
  const unseen = someId(8)
  for (const [how, goesOn] of [
    ['an Initial', (to: Buffer) => initial({ to, from: own })],
    ['a handshake packet', (to: Buffer) => handshake({ to, from: own, bytes: 90 })],
  ] as const) {
    test(`F11: a visitor of QUIC ${whose} that goes on by ${how} with an id which could not be seen is believed while it sends nothing else`, () => {
      const id = someId(8)
      const { says, isTold, port } = answered(own, serverInitial(FIRST, { to: own, from: id }))
      // Those that ask again, those of another length, early ones and those that name no sender tell nothing.
      assert.equal(says(initial({ to: FIRST, from: own }), handshake({ to: FIRST, from: own })), false)
      assert.equal(says(handshake({ to: unseen.subarray(1), from: own }), zeroRtt({ to: unseen, from: own })), false)
      assert.equal(says(short(unseen)), false)
      assert.equal(says(goesOn(unseen)), true)
      assert.equal(says(short(unseen), short(someId(8)), goesOn(unseen)), true)
      port.pass(24 * 3_600 * SECOND)
      assert.equal(says(short(unseen)), true)
      // Its address has shown nothing.
      assert.equal(port.open().says(short(unseen)), false)
      assert.equal(port.open().says(short(id)), false)
      // Another connection by the same flow changes nothing.
      const another = someId(8)
      says(initial({ to: another, from: own }))
      isTold(serverInitial(another, { to: own, from: someId(8) }))
      assert.equal(says(short(unseen)), true)
      assert.equal(says(Buffer.from('\0\x01\0\0 a question to something else', 'latin1')), false)
      assert.equal(says(goesOn(unseen), short(unseen), initial({ to: FIRST, from: own })), false)
    })
  }
}

test('F11: a visitor of what is not seen to speak QUIC, or sends back what came, is not believed for its sake', () => {
  const own = someId(8)
  for (const answer of [
    initial({ to: own, from: someId(8) }),
    serverInitial(someId(8), { to: own, from: someId(8) }),
  ]) {
    assert.equal(answered(own, answer).says(handshake({ to: someId(8), from: own })), false)
  }
  const { says, isTold } = portFor().open()
  const mirrored = serverInitial(FIRST, { to: own, from: someId(8) })
  says(initial({ to: FIRST, from: own }), mirrored)
  isTold(mirrored)
  assert.equal(says(handshake({ to: someId(8), from: own })), false)
})

test('F11: WireGuard proves for as long as its session lasts, whoever begins the next one', () => {
  const port = portFor()
  const { flow, id } = shake(WIREGUARD, port)
  const says = (last: Buffer) => {
    for (let seconds = 0; seconds < 119; seconds++) {
      port.pass(SECOND)
      assert.ok(flow.says(transport(last)))
    }
  }
  says(id)
  const [own, second] = [someId(), someId()]
  flow.says(initiation(own), transport(id))
  flow.isTold(response(second, own), transport(own, 1_452))
  flow.says(transport(id), transport(second))
  says(second)
  assert.ok(port.open().says(transport(second)))
  const third = someId()
  // Now the target has something to send after a pause.
  flow.isTold(initiation(third))
  flow.says(response(own, third))
  says(third)
  port.pass(60 * SECOND)
  assert.ok(flow.says(transport(third)))
  port.pass(SECOND)
  assert.equal(flow.says(transport(third)), false)
  assert.equal(port.open().says(transport(third)), false)
  const fourth = someId()
  flow.says(initiation(own))
  flow.isTold(response(fourth, own))
  assert.equal(flow.says(transport(fourth)), true)
})

test('F11: WireGuard from another address is proven by its next handshake', () => {
  for (const isTargetFirst of [false, true]) {
    const port = portFor()
    const { id } = shake(WIREGUARD, port)
    const { says, isTold } = port.open(OTHER)
    for (let count = 0; count < 100; count++) assert.equal(says(transport(id)), false)
    const [own, next] = [someId(), someId()]
    if (isTargetFirst) isTold(initiation(next))
    else says(initiation(own))
    if (isTargetFirst) assert.equal(says(response(own, next)), true)
    else {
      isTold(response(next, own))
      assert.equal(says(transport(next)), true)
    }
  }
})

test('F11: a target that counts its sessions from 0 to 255 for each peer is believed all day', () => {
  const port = portFor()
  const base = someId()
  const [session, own] = [Buffer.from(base), someId()]
  const { says, isTold } = port.open()
  for (let count = 0; count < 3_000; count++) {
    session[3] = ((base[3] ?? 0) + count) & 255
    own.writeUInt32BE(count)
    says(initiation(own))
    isTold(response(session, own))
    assert.equal(says(transport(session)), true)
    port.pass(120 * SECOND)
  }
})

test('F11: QUIC proves its flow for good, and for ten minutes after it flows from other ports', () => {
  const port = portFor()
  const kind = quicKind('', 8, 0)
  const { flow, id } = shake(kind, port)
  for (let minute = 0; minute < 300; minute++) {
    port.pass(60 * SECOND)
    // By another id that only the two know.
    assert.ok(flow.says(short(someId(8))))
  }
  assert.ok(port.open().says(short(id)))
  port.clock.advance(540 * SECOND)
  assert.ok(port.open().says(short(id)))
  port.clock.advance(60 * SECOND)
  assert.equal(port.open().says(short(id)), false)
})

test('F11: QUIC with a retry: the id of the connection is known at other ports as well', () => {
  const port = portFor()
  const { says, isTold } = port.open()
  const [own, retried, id] = [someId(8), someId(8), someId(8)]
  says(initial({ to: FIRST, from: own }))
  isTold(serverRetry(FIRST, { to: own, from: retried }))
  assert.equal(says(initial({ to: retried, from: own })), true)
  isTold(serverInitial(retried, { to: own, from: id }))
  assert.equal(says(handshake({ to: id, from: own }), short(id)), true)
  assert.equal(port.open().says(short(id)), true)
})
