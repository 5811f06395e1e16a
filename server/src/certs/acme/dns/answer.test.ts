import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decode, encode, type Packet } from 'dns-packet'
import fc from 'fast-check'
import {
  answer,
  answerTruncated,
  MAX_AMPLIFICATION,
  NEGATIVE_TTL_SECONDS,
  type Transport,
  type Zone,
} from './answer.ts'
import { MAX_UDP_BYTES } from './message.ts'

const APEX = 'acme.tunnel.example'
const VALUES = ['gfj9Xq...Rg85nM', 'L'.repeat(43)]
const LONG = Array.from({ length: 60 }, (_, index) => String(index).padEnd(43, 'x'))

const names: Readonly<Record<string, readonly string[]>> = {
  [`one.${APEX}`]: [VALUES[0] ?? ''],
  [`two.${APEX}`]: VALUES,
  [`empty.${APEX}`]: [],
  [`many.${APEX}`]: LONG,
  [`long.${APEX}`]: ['y'.repeat(300)],
}

const zone: Zone = {
  baseDomain: 'tunnel.example',
  texts: { txt: name => Promise.resolve(names[name]) },
  serial: () => 7,
}

interface Options {
  readonly edns?: number | undefined
  readonly udpBytes?: number
  readonly flags?: number
}

function query(name: string, type: string, { edns, udpBytes = 1_232, flags = 0 }: Options = {}): Buffer {
  const option = { type: 'OPT', name: '.', udpPayloadSize: udpBytes, ednsVersion: edns, flags: 0x8000, options: [] }
  return encode({
    type: 'query',
    id: 4_711,
    flags,
    questions: [{ name, type, class: 'IN' }],
    additionals: edns === undefined ? [] : [option],
  } as unknown as Packet)
}

type Seen = ReturnType<typeof decode> & { rcode: string; opcode: string }

async function ask(packet: Buffer, transport: Transport = 'tcp'): Promise<Seen> {
  const reply = await answer(packet, zone, transport)
  assert.ok(reply !== undefined)
  const seen = decode(reply) as Seen
  assert.equal(decode.bytes, reply.length)
  assert.deepEqual(packet.subarray(0, 2), reply.subarray(0, 2))
  assert.equal(seen.flag_qr, true)
  assert.equal(seen.flag_ra, false, 'no recursion')
  return seen
}

const dataOf = (seen: Seen) =>
  (seen.answers ?? []).map(each => (each.type === 'TXT' ? Buffer.concat(each.data as Buffer[]).toString() : each.type))

describe('the zone', () => {
  test('SOA and NS are at its name', async () => {
    const { answers: soa = [], flag_aa } = await ask(query(APEX, 'SOA'))
    assert.equal(flag_aa, true)
    assert.deepEqual(
      soa.map(each => each.type === 'SOA' && [each.name, each.data.mname, each.data.rname, each.data.serial]),
      [[APEX, 'tunnel.example', 'hostmaster.tunnel.example', 7]],
    )
    const { answers: ns = [] } = await ask(query(APEX, 'NS'))
    assert.deepEqual(
      ns.map(each => each.type === 'NS' && [each.name, each.data]),
      [[APEX, 'tunnel.example']],
    )
  })

  test('TXT: all values of a name, for a second', async () => {
    const seen = await ask(query(`two.${APEX}`, 'TXT'))
    assert.deepEqual(dataOf(seen), VALUES)
    assert.ok((seen.answers ?? []).every(each => each.type === 'TXT' && each.ttl === 1))
    assert.deepEqual(dataOf(await ask(query(`long.${APEX}`, 'TXT'))), ['y'.repeat(300)])
  })

  for (const [name, type] of [
    [`empty.${APEX}`, 'TXT'],
    [`one.${APEX}`, 'CAA'],
    [`one.${APEX}`, 'AAAA'],
    [`one.${APEX}`, 'UNKNOWN_64999'],
    [`one.${APEX}`, 'SOA'],
    [`one.${APEX}`, 'NS'],
    [APEX, 'TXT'],
    [APEX, 'CAA'],
    [APEX, 'DS'],
    [APEX, 'DNSKEY'],
  ] as const) {
    test(`${type} of ${name}: nothing of this type, remembered for a minute at most`, async () => {
      const { rcode, answers, authorities = [] } = await ask(query(name, type))
      assert.deepEqual([rcode, answers], ['NOERROR', []])
      const [soa] = authorities
      assert.ok(soa?.type === 'SOA' && soa.name === APEX)
      assert.deepEqual([soa.ttl, soa.data.minimum], [NEGATIVE_TTL_SECONDS, NEGATIVE_TTL_SECONDS])
      assert.ok(NEGATIVE_TTL_SECONDS <= 60)
    })
  }

  test('a name that nobody has is told so', async () => {
    const { rcode, authorities = [], flag_aa } = await ask(query(`nobody.${APEX}`, 'TXT'))
    assert.deepEqual([rcode, flag_aa, authorities[0]?.type], ['NXDOMAIN', true, 'SOA'])
  })

  test('the case of the question is kept, and does not matter', async () => {
    const mixed = 'TwO.aCmE.tUnNeL.ExAmPlE'
    const seen = await ask(query(mixed, 'TXT'))
    assert.equal(seen.questions?.[0]?.name, mixed)
    assert.deepEqual(
      seen.answers?.map(each => each.name),
      [mixed, mixed],
    )
    assert.deepEqual(dataOf(seen), VALUES)
  })

  for (const name of ['tunnel.example', 'one.tunnel.example', 'xacme.tunnel.example', 'example', 'google.com', '.']) {
    test(`${name} is not in it`, async () => {
      const { rcode, flag_aa, answers } = await ask(query(name, 'TXT', { flags: 0x0100 }))
      assert.deepEqual([rcode, flag_aa, answers], ['REFUSED', false, []])
    })
  }

  test('a label that only looks like two is not in it', async () => {
    const packet = query(`one.${APEX}`, 'TXT')
    // "one" and "acme" become one label with a dot in it.
    packet[12] = 8
    packet[16] = '.'.charCodeAt(0)
    const reply = await answer(packet, zone, 'udp')
    assert.equal((reply?.[3] ?? 0) & 0xf, 5, 'REFUSED')
  })

  for (const type of ['AXFR', 'IXFR']) {
    test(`${type} is refused`, async () => {
      assert.equal((await ask(query(APEX, type))).rcode, 'REFUSED')
    })
  }

  test('ANY gets one small record (RFC 8482)', async () => {
    const { answers = [] } = await ask(query(`two.${APEX}`, 'ANY'))
    assert.deepEqual(
      answers.map(each => each.type === 'HINFO' && each.data.cpu),
      ['RFC8482'],
    )
  })

  test('other classes are refused', async () => {
    const packet = query(`one.${APEX}`, 'TXT')
    packet.writeUInt16BE(3, packet.length - 2)
    assert.equal((await ask(packet)).rcode, 'REFUSED')
  })
})

describe('EDNS', () => {
  test('OPT is answered with OPT, DO with DO, and what has none with none', async () => {
    const [option] = (await ask(query(APEX, 'SOA', { edns: 0 }))).additionals ?? []
    assert.ok(option?.type === 'OPT')
    assert.deepEqual([option.udpPayloadSize, option.ednsVersion, option.flag_do], [MAX_UDP_BYTES, 0, true])
    assert.deepEqual((await ask(query(APEX, 'SOA'))).additionals, [])
  })

  test('another version is BADVERS', async () => {
    const seen = await ask(query(APEX, 'SOA', { edns: 1 }))
    const [option] = seen.additionals ?? []
    assert.ok(option?.type === 'OPT')
    assert.deepEqual([seen.rcode, option.extendedRcode, option.ednsVersion, seen.answers], ['NOERROR', 1, 0, []])
  })

  test('what is too long for UDP is truncated, and whole over TCP', async () => {
    for (const udpBytes of [512, 1_232, 4_096]) {
      const packet = query(`many.${APEX}`, 'TXT', { edns: 0, udpBytes })
      const seen = await ask(packet, 'udp')
      assert.deepEqual([seen.flag_tc, seen.answers, seen.additionals?.length], [true, [], 1])
      assert.deepEqual(dataOf(await ask(packet)), LONG)
    }
  })
})

describe('what is no query', () => {
  const good = query(`one.${APEX}`, 'TXT', { edns: 0 })
  const changed = (at: number, value: number) => {
    const packet = Buffer.from(good)
    packet[at] = value
    return packet
  }

  test('an answer, and what is too short to have a number, get no answer', async () => {
    assert.equal(await answer(changed(2, 0x80), zone, 'udp'), undefined)
    for (let length = 0; length < 12; length++)
      assert.equal(await answer(good.subarray(0, length), zone, 'udp'), undefined)
  })

  test('other opcodes are not implemented', async () => {
    for (const opcode of [1, 2, 4, 5, 6, 15]) {
      const seen = await ask(changed(2, opcode << 3))
      assert.equal(seen.rcode, 'NOTIMP')
    }
  })

  for (const [what, packet] of [
    ['no question', changed(5, 0)],
    ['two questions', changed(5, 2)],
    ['an answer in it', changed(7, 1)],
    ['65,535 additional records', Buffer.concat([good.subarray(0, 10), Buffer.from([255, 255]), good.subarray(12)])],
    ['a question cut off', good.subarray(0, 20)],
    ['bytes behind it', Buffer.concat([good, Buffer.from([0])])],
    ['a name that points into the header', Buffer.concat([good.subarray(0, 12), Buffer.from([0xc0, 0, 0, 16, 0, 1])])],
    ['a name that points at itself', Buffer.concat([good.subarray(0, 12), Buffer.from([0xc0, 12, 0, 16, 0, 1])])],
    ['too long a label', changed(12, 64)],
    ['1,233 bytes', Buffer.concat([good, Buffer.alloc(1_233 - good.length)])],
  ] as const) {
    test(`${what}: FORMERR`, async () => {
      assert.equal((await ask(packet)).rcode, 'FORMERR')
    })
  }

  test('two OPT are FORMERR', async () => {
    const bytes = query(APEX, 'SOA', { edns: 0 })
    const packet = Buffer.concat([bytes, bytes.subarray(bytes.length - 11)])
    packet.writeUInt16BE(2, 10)
    assert.equal((await ask(packet)).rcode, 'FORMERR')
  })
})

describe('whatever comes', () => {
  const base = fc.constantFrom(
    ...['one', 'two', 'many', 'empty', 'nobody'].flatMap(name => [
      query(`${name}.${APEX}`, 'TXT', { edns: 0, udpBytes: 4_096 }),
      query(`${name}.${APEX}`, 'ANY'),
    ]),
    query(APEX, 'SOA'),
    query('.', 'NS', { edns: 0 }),
  )
  const damaged = fc
    .tuple(
      base,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
      fc.nat(80),
      fc.uint8Array({ maxLength: 30 }),
    )
    .map(([packet, changes, cut, more]) => {
      const bytes = Buffer.from(packet)
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      return Buffer.concat([cut > 60 ? bytes.subarray(0, cut) : bytes, cut > 40 ? Buffer.from(more) : Buffer.alloc(0)])
    })
  const junk = fc.uint8Array({ maxLength: 1_400 }).map(bytes => Buffer.from(bytes))

  async function holds(packet: Buffer): Promise<void> {
    const before = Buffer.from(packet)
    for (const transport of ['udp', 'tcp'] as const) {
      const reply = await answer(packet, zone, transport)
      if (reply === undefined) continue
      assert.ok((reply[2] ?? 0) & 0x80, 'an answer')
      assert.deepEqual(reply.subarray(0, 2), packet.subarray(0, 2))
      decode(reply)
      assert.equal(decode.bytes, reply.length)
      if (transport === 'udp') {
        assert.ok(reply.length <= MAX_UDP_BYTES)
        assert.ok(reply.length <= MAX_AMPLIFICATION * packet.length, `${reply.length} for ${packet.length}`)
      }
      // Two of these never talk to each other.
      assert.equal(await answer(reply, zone, transport), undefined)
    }
    const short = answerTruncated(packet)
    assert.ok(short === undefined || short.length <= packet.length + 11)
    assert.deepEqual(packet, before)
  }

  test('damaged queries never throw, and no answer is long', async () => {
    await fc.assert(fc.asyncProperty(damaged, holds), { numRuns: 3_000 })
  })

  test('junk never throws, and no answer is long', async () => {
    await fc.assert(fc.asyncProperty(junk, holds), { numRuns: 1_000 })
  })

  test('a source that fails is SERVFAIL', async () => {
    const failing: Zone = { ...zone, texts: { txt: () => Promise.reject(new Error('disk')) } }
    const reply = await answer(query(`one.${APEX}`, 'TXT'), failing, 'udp')
    assert.equal((reply?.[3] ?? 0) & 0xf, 2)
  })
})
