// Reads batches: hot frames by hand, all others through protobuf-es. Checks sizes before it takes anything apart.
import { fromBinary } from '@bufbuild/protobuf'
import { PbtError } from '../errors.ts'
import {
  MAX_BATCH_BYTES,
  MAX_BATCH_FRAMES,
  MAX_CONTROL_BYTES,
  MAX_DATA_BYTES,
  MAX_DATAGRAM_BYTES,
  MAX_HEAD_BYTES,
  MAX_HEADER_FIELDS,
  TINY_DATA_BYTES,
} from '../limits.ts'
import { type Frame, FrameSchema } from '../tunnel-v1.ts'
import type { HeaderList, RequestHead, ResponseHead } from './heads.ts'
import { WireReader } from './wire.ts'

/** Field numbers of Frame's hot bodies; NONE: no body; every other field is a control frame. */
export const BODY_NONE = 0
/** Bytes of a stream. */
export const BODY_DATA = 3
/** Opens a channel for an HTTP request, with its head. */
export const BODY_HTTP_REQUEST = 4
/** A response head, interim (1xx) or final. */
export const BODY_HTTP_RESPONSE = 5
/** Fields that follow the body of a request or response. */
export const BODY_HTTP_TRAILERS = 6
/** How many more bytes the receiver of this frame may send on the channel. */
export const BODY_CREDIT = 7
/** Ends a channel in both directions, with a reason. */
export const BODY_RESET = 8
/** Opens a channel for a TCP connection. */
export const BODY_TCP_OPEN = 9
/** Opens a channel for a UDP flow. */
export const BODY_UDP_OPEN = 10
/** One whole datagram of a UDP flow. */
export const BODY_DATAGRAM = 11
const LAST_BODY = 63

/** One batch taken apart as far as its frames. Reused: valid until the next `read`. */
export class BatchReader {
  bytes: Buffer = Buffer.alloc(0)
  ack = 0
  number = 0
  frames = 0
  private readonly starts: number[] = []
  private readonly stops: number[] = []

  // The frame last selected.
  channel = 0
  end = false
  body = BODY_NONE
  credit = 0
  private frameStart = 0
  private frameStop = 0
  private bodyStart = 0
  private bodyStop = 0

  /** Throws PbtError `protocol` when it is no batch or breaks a limit. */
  read(batch: Uint8Array): void {
    if (batch.length > MAX_BATCH_BYTES) {
      throw new PbtError('protocol', `batch of ${batch.length} bytes is larger than ${MAX_BATCH_BYTES}`)
    }
    this.bytes = Buffer.isBuffer(batch) ? batch : Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength)
    this.ack = 0
    this.number = 0
    this.frames = 0
    const reader = new WireReader(this.bytes)
    while (reader.position < reader.end) {
      const tag = reader.varint()
      if (tag === 0x1a) {
        const length = reader.length()
        if (this.frames === MAX_BATCH_FRAMES) {
          throw new PbtError('protocol', `batch holds more than ${MAX_BATCH_FRAMES} frames`)
        }
        this.starts[this.frames] = reader.position
        reader.position += length
        this.stops[this.frames++] = reader.position
      } else if (tag === 0x08) this.ack = reader.varint()
      else if (tag === 0x10) this.number = reader.varint()
      else reader.skip(checkedTag(tag))
    }
  }

  /** Makes the frame with this index the current one. Throws PbtError `protocol`. */
  select(index: number): void {
    this.channel = 0
    this.end = false
    this.body = BODY_NONE
    this.credit = 0
    this.frameStart = this.starts[index] ?? 0
    this.frameStop = this.stops[index] ?? 0
    const reader = new WireReader(this.bytes, this.frameStart, this.frameStop)
    while (reader.position < reader.end) {
      const tag = reader.varint()
      if (tag === 0x08) this.channel = reader.varint()
      else if (tag === 0x10) this.end = reader.varint() !== 0
      else if (tag === 0x38) {
        this.credit = reader.varint()
        this.body = BODY_CREDIT
      } else if ((tag & 7) === 2 && tag >>> 3 >= BODY_DATA && tag >>> 3 <= LAST_BODY) {
        this.bodyStop = reader.length()
        this.bodyStart = reader.position
        this.bodyStop += this.bodyStart
        reader.position = this.bodyStop
        this.body = tag >>> 3
      } else reader.skip(checkedTag(tag))
    }
    this.checkSize()
  }

  private checkSize(): void {
    const size = this.bodyStop - this.bodyStart
    const limit = sizeLimit(this.body)
    if (this.body !== BODY_NONE && this.body !== BODY_CREDIT && size > limit) {
      throw new PbtError('protocol', `frame body ${this.body} of ${size} bytes is larger than ${limit}`)
    }
  }

  /** The current frame says nothing: no end, and a body that is empty, unknown or grants nothing. */
  get isIdle(): boolean {
    if (this.end) return false
    switch (this.body) {
      case BODY_DATA:
        return this.bodyStop === this.bodyStart
      case BODY_CREDIT:
        return this.credit === 0
      default:
        return this.body === BODY_NONE || this.body > BODY_DATAGRAM
    }
  }

  /** The current frame is data, and so little that the frame is what it costs. */
  get isTiny(): boolean {
    return this.body === BODY_DATA && this.bodyStop - this.bodyStart < TINY_DATA_BYTES
  }

  /** The payload of a data frame or datagram: a view into the batch. */
  payload(): Buffer {
    return this.bytes.subarray(this.bodyStart, this.bodyStop)
  }

  /**
   * Throws PbtError `protocol` for more than MAX_HEAD_BYTES or MAX_HEADER_FIELDS fields, or an octet that cannot stand in
   * a head.
   */
  requestHead(): RequestHead {
    const head: RequestHead = {
      tunnel: 0,
      method: '',
      target: '',
      headers: [],
      upgrade: '',
      visitor: '',
      connection: '',
    }
    const reader = this.headReader()
    const text = this.bodyText()
    while (reader.position < reader.end) {
      const tag = reader.varint()
      if (tag === 0x22) this.readHeader(reader, text, head.headers)
      else if (tag === 0x08) head.tunnel = reader.varint()
      else if (tag === 0x12) head.method = this.string(reader, text)
      else if (tag === 0x1a) head.target = this.string(reader, text)
      else if (tag === 0x2a) head.upgrade = this.string(reader, text)
      else if (tag === 0x32) head.visitor = this.string(reader, text)
      else if (tag === 0x3a) head.connection = this.string(reader, text)
      else reader.skip(checkedTag(tag))
    }
    if (!TOKEN.test(head.method) || !TARGET.test(head.target)) {
      throw new PbtError('protocol', 'request head without a valid method and target')
    }
    return head
  }

  /** As requestHead. */
  responseHead(): ResponseHead {
    const head: ResponseHead = { status: 0, reason: '', headers: [], upgrade: '' }
    const reader = this.headReader()
    const text = this.bodyText()
    while (reader.position < reader.end) {
      const tag = reader.varint()
      if (tag === 0x1a) this.readHeader(reader, text, head.headers)
      else if (tag === 0x08) head.status = reader.varint()
      else if (tag === 0x12) head.reason = this.string(reader, text)
      else if (tag === 0x22) head.upgrade = this.string(reader, text)
      else reader.skip(checkedTag(tag))
    }
    if (head.status < 100 || head.status > 599) {
      throw new PbtError('protocol', `response head with status ${head.status}`)
    }
    return head
  }

  /** As requestHead. */
  trailers(): HeaderList {
    const trailers: HeaderList = []
    const reader = this.headReader()
    const text = this.bodyText()
    while (reader.position < reader.end) {
      const tag = reader.varint()
      if (tag === 0x0a) this.readHeader(reader, text, trailers)
      else reader.skip(checkedTag(tag))
    }
    return trailers
  }

  /** The whole current frame through protobuf-es. Throws PbtError `protocol`. */
  control(): Frame {
    try {
      return fromBinary(FrameSchema, this.bytes.subarray(this.frameStart, this.frameStop))
    } catch (cause) {
      throw new PbtError('protocol', `malformed frame with body ${this.body}`, { cause })
    }
  }

  private headReader(): WireReader {
    const size = this.bodyStop - this.bodyStart
    if (size > MAX_HEAD_BYTES) {
      throw new PbtError('protocol', `head of ${size} bytes is larger than ${MAX_HEAD_BYTES}`)
    }
    return new WireReader(this.bytes, this.bodyStart, this.bodyStop)
  }

  /** The body as one latin1 string, of which all strings of a head are slices: one call instead of one a field. */
  private bodyText(): string {
    return this.bytes.toString('latin1', this.bodyStart, this.bodyStop)
  }

  private string(reader: WireReader, text: string): string {
    const length = reader.length()
    const from = reader.position - this.bodyStart
    reader.position += length
    const value = text.slice(from, from + length)
    if (FORBIDDEN.test(value)) throw new PbtError('protocol', 'head with a control octet in a value')
    return value
  }

  private readHeader(reader: WireReader, text: string, into: HeaderList): void {
    if (into.length === 2 * MAX_HEADER_FIELDS) {
      throw new PbtError('protocol', `head with more than ${MAX_HEADER_FIELDS} fields`)
    }
    const end = reader.end
    reader.end = reader.length() + reader.position
    let name = ''
    let value = ''
    while (reader.position < reader.end) {
      const tag = reader.varint()
      if (tag === 0x0a) name = this.string(reader, text)
      else if (tag === 0x12) value = this.string(reader, text)
      else reader.skip(checkedTag(tag))
    }
    reader.end = end
    if (!TOKEN.test(name)) throw new PbtError('protocol', 'head with an invalid field name')
    into.push(name, value)
  }
}

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** A target has at least one octet, none of them white space or control (RFC 9112 section 3.2). */
const TARGET = /^[^\0-\x20\x7f]+$/
/** Control octets but for the tab (RFC 9110 section 5.5). */
const FORBIDDEN = /[^\t\x20-\x7e\x80-\xff]/

function checkedTag(tag: number): number {
  if (tag >>> 3 === 0 || tag > 0xffffffff) throw new PbtError('protocol', `malformed batch: field tag ${tag}`)
  return tag
}

function sizeLimit(body: number): number {
  switch (body) {
    case BODY_DATA:
      return MAX_DATA_BYTES
    // Readers of heads check them: one that is too large ends its channel.
    case BODY_HTTP_REQUEST:
    case BODY_HTTP_RESPONSE:
    case BODY_HTTP_TRAILERS:
      return MAX_BATCH_BYTES
    case BODY_DATAGRAM:
      return MAX_DATAGRAM_BYTES
    default:
      return MAX_CONTROL_BYTES
  }
}
