// The hand-written codec against protobuf-es: same bytes out, same meaning in, and nothing but a PbtError for junk.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, equals, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { PbtError } from '../errors.ts'
import { MAX_BATCH_BYTES, MAX_DATA_BYTES, MAX_HEADER_FIELDS } from '../limits.ts'
import { type Batch, BatchSchema, type Frame, Reason } from '../tunnel-v1.ts'
import {
  BatchReader,
  BODY_CREDIT,
  BODY_DATA,
  BODY_DATAGRAM,
  BODY_HTTP_REQUEST,
  BODY_HTTP_RESPONSE,
  BODY_HTTP_TRAILERS,
  BODY_NONE,
} from './decode.ts'
import {
  BatchWriter,
  bufferOf,
  DATA_TAG,
  DATAGRAM_TAG,
  encodeControl,
  encodeCredit,
  encodeOpen,
  encodeRequestHead,
  encodeReset,
  encodeResponseHead,
  encodeTrailers,
} from './encode.ts'
import type { HeaderList, RequestHead, ResponseHead } from './heads.ts'
import { varintSize, varintText, WireReader, writeVarint } from './wire.ts'

const token = fc.stringMatching(/^[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,30}$/)
const octets = fc
  .array(
    fc.integer({ min: 32, max: 255 }).filter(octet => octet !== 127),
    { maxLength: 200 },
  )
  .map(list => String.fromCharCode(...list))
const target = fc.stringMatching(/^\/[!-~\x80-\xff]{0,300}$/)
const headers: fc.Arbitrary<HeaderList> = fc
  .array(fc.tuple(token, octets), { maxLength: 12 })
  .map(pairs => pairs.flat())
const requestHead: fc.Arbitrary<RequestHead> = fc.record({
  tunnel: fc.integer({ min: 0, max: 300 }),
  method: token,
  target,
  headers,
  upgrade: fc.constantFrom('', 'websocket'),
  visitor: fc.constantFrom('203.0.113.7:50123', '[2001:db8::1]:443', ''),
  connection: fc.constantFrom('kX3_a-9q1f', ''),
})
const responseHead: fc.Arbitrary<ResponseHead> = fc.record({
  status: fc.integer({ min: 100, max: 599 }),
  reason: octets,
  headers,
  upgrade: fc.constantFrom('', 'websocket'),
})
const channelId = fc.oneof(
  fc.integer({ min: 1, max: 500 }),
  fc.maxSafeNat().filter(id => id > 0),
)

type Hot =
  | { body: 'request'; head: RequestHead }
  | { body: 'response'; head: ResponseHead }
  | { body: 'trailers'; trailers: HeaderList }
  | { body: 'data'; bytes: Uint8Array }
  | { body: 'datagram'; bytes: Uint8Array }
  | { body: 'credit'; credit: number }
  | { body: 'none' }
const hot: fc.Arbitrary<Hot> = fc.oneof(
  requestHead.map(head => ({ body: 'request', head }) as const),
  responseHead.map(head => ({ body: 'response', head }) as const),
  headers.map(trailers => ({ body: 'trailers', trailers }) as const),
  fc
    .oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat({ max: 9000 }).map(size => new Uint8Array(size).fill(size % 251)),
    )
    .map(bytes => ({ body: 'data', bytes }) as const),
  fc.uint8Array({ maxLength: 300 }).map(bytes => ({ body: 'datagram', bytes }) as const),
  fc.integer({ min: 0, max: 2 ** 28 - 1 }).map(credit => ({ body: 'credit', credit }) as const),
  fc.constant({ body: 'none' } as const),
)
const frame = fc.record({ channel: channelId, end: fc.boolean(), hot })
type HotFrame = { channel: number; end: boolean; hot: Hot }
const batch = fc.record({ ack: fc.maxSafeNat(), number: fc.maxSafeNat(), frames: fc.array(frame, { maxLength: 8 }) })

function latin1(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}

function headerMessages(list: HeaderList) {
  return Array.from({ length: list.length / 2 }, (_, index) => ({
    name: list[2 * index] ?? '',
    value: latin1(list[2 * index + 1] ?? ''),
  }))
}

function naiveBody(hotFrame: Hot): Frame['body'] | { case: undefined } {
  switch (hotFrame.body) {
    case 'request': {
      const { target: text, headers: list, ...rest } = hotFrame.head
      const value = { ...rest, target: latin1(text), headers: headerMessages(list) }
      return { case: 'httpRequest', value } as unknown as Frame['body']
    }
    case 'response': {
      const { reason, headers: list, ...rest } = hotFrame.head
      const value = { ...rest, reason: latin1(reason), headers: headerMessages(list) }
      return { case: 'httpResponse', value } as unknown as Frame['body']
    }
    case 'trailers':
      return { case: 'httpTrailers', value: { headers: headerMessages(hotFrame.trailers) } } as unknown as Frame['body']
    case 'data':
      return { case: 'data', value: hotFrame.bytes }
    case 'datagram':
      return { case: 'datagram', value: hotFrame.bytes }
    case 'credit':
      return { case: 'credit', value: BigInt(hotFrame.credit) }
    case 'none':
      return { case: undefined }
  }
}

function naive(value: { ack: number; number: number; frames: HotFrame[] }): Batch {
  return create(BatchSchema, {
    ack: BigInt(value.ack),
    number: BigInt(value.number),
    frames: value.frames.map(each => ({ channel: BigInt(each.channel), end: each.end, body: naiveBody(each.hot) })),
  })
}

/** `cuts`: where the bytes of data frames are cut into pieces. */
function handWritten(value: { ack: number; number: number; frames: HotFrame[] }, cuts: readonly number[] = []): Buffer {
  const writer = new BatchWriter()
  for (const each of value.frames) {
    switch (each.hot.body) {
      case 'request':
        writer.add(each.channel, each.end, encodeRequestHead(each.hot.head))
        break
      case 'response':
        writer.add(each.channel, each.end, encodeResponseHead(each.hot.head))
        break
      case 'trailers':
        writer.add(each.channel, each.end, encodeTrailers(each.hot.trailers))
        break
      case 'data':
        addInPieces(writer, each, each.hot.bytes, cuts)
        break
      case 'datagram':
        writer.add(each.channel, each.end, each.hot.bytes, DATAGRAM_TAG)
        break
      case 'credit':
        writer.add(each.channel, each.end, encodeCredit(each.hot.credit))
        break
      case 'none':
        writer.add(each.channel, each.end, '')
    }
  }
  return bufferOf(writer.finish(value.ack, value.number))
}

function addInPieces(
  writer: BatchWriter,
  { channel, end }: HotFrame,
  bytes: Uint8Array,
  cuts: readonly number[],
): void {
  writer.add(channel, cuts.length === 0 && end, bytes.subarray(0, cuts[0]), DATA_TAG)
  for (const [index, cut] of cuts.entries()) writer.extend(bytes.subarray(cut, cuts[index + 1]))
  if (cuts.length > 0 && end) writer.end()
}

function readBack(reader: BatchReader): HotFrame {
  const { channel, end } = reader
  switch (reader.body) {
    case BODY_HTTP_REQUEST:
      return { channel, end, hot: { body: 'request', head: reader.requestHead() } }
    case BODY_HTTP_RESPONSE:
      return { channel, end, hot: { body: 'response', head: reader.responseHead() } }
    case BODY_HTTP_TRAILERS:
      return { channel, end, hot: { body: 'trailers', trailers: reader.trailers() } }
    case BODY_DATA:
      return { channel, end, hot: { body: 'data', bytes: new Uint8Array(reader.payload()) } }
    case BODY_DATAGRAM:
      return { channel, end, hot: { body: 'datagram', bytes: new Uint8Array(reader.payload()) } }
    case BODY_CREDIT:
      return { channel, end, hot: { body: 'credit', credit: reader.credit } }
    case BODY_NONE:
      return { channel, end, hot: { body: 'none' } }
    default:
      throw new Error(`unexpected body ${reader.body}`)
  }
}

function readBatch(bytes: Uint8Array) {
  const reader = new BatchReader()
  reader.read(bytes)
  const frames: HotFrame[] = []
  for (let index = 0; index < reader.frames; index++) {
    reader.select(index)
    frames.push(readBack(reader))
  }
  return { ack: reader.ack, number: reader.number, frames }
}

test('hot frames are written with exactly the bytes of protobuf-es, data of several pieces too', () => {
  const cuts = fc.array(fc.nat({ max: 9000 }), { maxLength: 3 }).map(list => list.sort((one, other) => one - other))
  fc.assert(
    fc.property(batch, cuts, (value, pieces) => {
      assert.deepEqual(new Uint8Array(handWritten(value, pieces)), toBinary(BatchSchema, naive(value)))
    }),
    { numRuns: 1000 },
  )
})

test('what protobuf-es wrote is read as it was meant', () => {
  fc.assert(
    fc.property(batch, value => {
      assert.deepEqual(readBatch(toBinary(BatchSchema, naive(value))), structuredClone(value))
    }),
    { numRuns: 1000 },
  )
})

test('what was written by hand is read by protobuf-es as it was meant', () => {
  fc.assert(
    fc.property(batch, value => {
      const read = fromBinary(BatchSchema, handWritten(value))
      assert.ok(equals(BatchSchema, read, naive(value)))
    }),
    { numRuns: 500 },
  )
})

test('control frames, opens and resets pass through the batch unharmed', () => {
  const writer = new BatchWriter()
  writer.add(0, false, encodeControl({ case: 'closeTunnel', value: { tunnel: 7 } } as Frame['body']))
  writer.add(9, false, encodeReset('target-broke', 'ünexpected'))
  writer.add(10, false, encodeOpen({ kind: 'tcp', tunnel: 3, visitor: '[::1]:5', local: '10.0.0.1:22' }))
  const read = fromBinary(BatchSchema, bufferOf(writer.finish(0, 1)))
  assert.equal(read.frames[0]?.body.case, 'closeTunnel')
  assert.deepEqual(
    read.frames[1]?.body.case === 'reset' && [read.frames[1].body.value.reason, read.frames[1].body.value.message],
    [Reason.TARGET_BROKE, 'ünexpected'],
  )
  assert.equal(read.frames[2]?.body.case === 'tcpOpen' && read.frames[2].body.value.local, '10.0.0.1:22')
})

test('fields in another order and fields of a newer version are accepted', () => {
  // body before channel and end, an unknown field 1000 (varint) and an unknown fixed64 in between
  const frameBytes = Buffer.from('1a024142' + 'c03e05' + '1001' + 'c93e0102030405060708' + '0809', 'hex')
  const bytes = Buffer.concat([Buffer.from([0x1a, frameBytes.length]), frameBytes, Buffer.from([0x10, 4, 0x08, 3])])
  assert.deepEqual(readBatch(bytes), {
    ack: 3,
    number: 4,
    frames: [{ channel: 9, end: true, hot: { body: 'data', bytes: Uint8Array.from([65, 66]) } }],
  })
})

test('junk and mutated batches are refused with a PbtError, never with anything else', () => {
  const mutation = fc.record({
    at: fc.nat(),
    byte: fc.integer({ min: 0, max: 255 }),
    kind: fc.integer({ min: 0, max: 2 }),
  })
  fc.assert(
    fc.property(batch, fc.array(mutation, { minLength: 1, maxLength: 6 }), (value, mutations) => {
      let bytes = handWritten(value)
      for (const { at, byte, kind } of mutations) {
        const position = bytes.length === 0 ? 0 : at % bytes.length
        if (kind === 0 && bytes.length > 0) bytes[position] = byte
        else if (kind === 1) bytes = bytes.subarray(0, position)
        else bytes = Buffer.concat([bytes.subarray(0, position), Buffer.from([byte]), bytes.subarray(position)])
      }
      try {
        const reader = new BatchReader()
        reader.read(bytes)
        for (let index = 0; index < reader.frames; index++) {
          reader.select(index)
          if (reader.body > BODY_DATAGRAM) reader.control()
          else if (reader.body >= 8 && reader.body <= 10) reader.control()
          else readBack(reader)
        }
      } catch (error) {
        assert.ok(error instanceof PbtError && error.code === 'protocol', String(error))
      }
    }),
    { numRuns: 3000 },
  )
})

test('sizes are checked before anything is taken apart', () => {
  const reader = new BatchReader()
  assert.throws(() => reader.read(Buffer.alloc(MAX_BATCH_BYTES + 1)), { code: 'protocol' })
  const writer = new BatchWriter()
  writer.add(1, false, Buffer.alloc(MAX_DATA_BYTES + 1))
  reader.read(bufferOf(writer.finish(0, 1)))
  assert.throws(() => reader.select(0), { code: 'protocol' })
  writer.add(1, false, encodeTrailers(Array.from({ length: 2 * (MAX_HEADER_FIELDS + 1) }, () => 'x')))
  reader.read(bufferOf(writer.finish(0, 1)))
  reader.select(0)
  assert.throws(() => reader.trailers(), { code: 'protocol' })
})

test('octets that could split a head are refused', () => {
  const reader = new BatchReader()
  for (const value of ['a\r\nb', 'a\0', '\n', '\x01', '\x7f']) {
    const writer = new BatchWriter()
    writer.add(1, false, encodeResponseHead({ status: 200, reason: '', headers: ['x', value], upgrade: '' }))
    reader.read(bufferOf(writer.finish(0, 1)))
    reader.select(0)
    assert.throws(() => reader.responseHead(), { code: 'protocol' })
  }
})

test('varints agree in every form', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), value => {
      const buffer = Buffer.alloc(10)
      const size = writeVarint(buffer, 0, value)
      assert.equal(size, varintSize(value))
      assert.equal(new WireReader(buffer, 0, size).varint(), value)
      const small = value % 2 ** 28
      const text = Buffer.from(varintText(small), 'latin1')
      assert.equal(new WireReader(text).varint(), small)
      assert.equal(text.length, varintSize(small))
    }),
  )
})
