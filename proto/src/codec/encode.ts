// Writes hot frames (heads, trailers, data, credit, end) by hand in the wire format of pbt/tunnel/v1.
//
// A frame's body waits in the outbox as latin1 text (heads, encoded when sent) or as the bytes of a data chunk, and is
// written once, into the batch. Text, because joining strings and one latin1 write cost a fifth of writing each field
// into a buffer. encode.test.ts proves the bytes equal to protobuf-es's.
import { create, toBinary } from '@bufbuild/protobuf'
import { readBuffers } from '../channel/read-buffers.ts'
import { type ErrorCode, MAX_MESSAGE_CHARS, reasonOf } from '../errors.ts'
import { KIB } from '../limits.ts'
import { type Frame, FrameSchema, ResetSchema, TcpOpenSchema, UdpOpenSchema } from '../tunnel-v1.ts'
import type { ChannelOpen, HeaderList, RequestHead, ResponseHead } from './heads.ts'
import { varintSize, varintText, writeVarint } from './wire.ts'

// Tags: field number << 3 | wire type.
const ACK = 0x08
const NUMBER = 0x10
const FRAME = 0x1a
const CHANNEL = 0x08
const END = 0x10
const DATA = 0x1a
const DATAGRAM = 0x5a
const HTTP_REQUEST = '\x22'
const HTTP_RESPONSE = '\x2a'
const HTTP_TRAILERS = '\x32'
const CREDIT = '\x38'
const RESET = '\x42'
const TCP_OPEN = '\x4a'
const UDP_OPEN = '\x52'

/** A frame's body, ready for the batch: latin1 text, or the payload of a data frame or datagram. */
export type Body = string | Uint8Array

/** What a byte body is. */
export type PayloadTag = typeof DATA | typeof DATAGRAM
/** For bytes of a stream. */
export const DATA_TAG: PayloadTag = DATA
/** For one whole datagram. */
export const DATAGRAM_TAG: PayloadTag = DATAGRAM

function field(tag: string, content: string): string {
  return content === '' ? '' : tag + varintText(content.length) + content
}

function message(tag: string, content: string): string {
  return tag + varintText(content.length) + content
}

function headerFields(tag: string, headers: HeaderList): string {
  let text = ''
  for (let index = 0; index + 1 < headers.length; index += 2) {
    text += message(tag, field('\x0a', headers[index] ?? '') + field('\x12', headers[index + 1] ?? ''))
  }
  return text
}

/** Body of the frame that opens an HTTP channel, as latin1 text. Limits are checked by the caller. */
export function encodeRequestHead(head: RequestHead): string {
  return message(
    HTTP_REQUEST,
    (head.tunnel === 0 ? '' : `\x08${varintText(head.tunnel)}`) +
      field('\x12', head.method) +
      field('\x1a', head.target) +
      headerFields('\x22', head.headers) +
      field('\x2a', head.upgrade) +
      field('\x32', head.visitor) +
      field('\x3a', head.connection),
  )
}

/** Body of a frame with a response head, as latin1 text. Limits are checked by the caller. */
export function encodeResponseHead(head: ResponseHead): string {
  return message(
    HTTP_RESPONSE,
    (head.status === 0 ? '' : `\x08${varintText(head.status)}`) +
      field('\x12', head.reason) +
      headerFields('\x1a', head.headers) +
      field('\x22', head.upgrade),
  )
}

/** Body of a frame with trailers, as latin1 text. Limits are checked by the caller. */
export function encodeTrailers(trailers: HeaderList): string {
  return message(HTTP_TRAILERS, headerFields('\x0a', trailers))
}

/** `bytes` below 2^28. */
export function encodeCredit(bytes: number): string {
  return CREDIT + varintText(bytes)
}

/** Body of a frame that resets a channel; `text` is cut after MAX_MESSAGE_CHARS. */
export function encodeReset(code: ErrorCode, text: string): string {
  const reset = create(ResetSchema, { reason: reasonOf(code), message: text.slice(0, MAX_MESSAGE_CHARS) })
  return message(RESET, latin1(toBinary(ResetSchema, reset)))
}

/** Body of the first frame of a channel, of any kind. */
export function encodeOpen(open: ChannelOpen): string {
  switch (open.kind) {
    case 'http':
      return encodeRequestHead(open.head)
    case 'tcp':
      return message(TCP_OPEN, latin1(toBinary(TcpOpenSchema, create(TcpOpenSchema, addresses(open)))))
    case 'udp':
      return message(UDP_OPEN, latin1(toBinary(UdpOpenSchema, create(UdpOpenSchema, addresses(open)))))
  }
}

function addresses(open: { tunnel: number; visitor: string; local: string }) {
  return { tunnel: open.tunnel, visitor: open.visitor, local: open.local }
}

/** A control frame's body, through protobuf-es. */
export function encodeControl(body: Frame['body']): string {
  return latin1(toBinary(FrameSchema, create(FrameSchema, { body })))
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/**
 * An encoded batch: what gRPC asks of a message, and no more. A large one is not one buffer but its framing and the
 * chunks as they came, which `copy` joins in the buffer that gRPC allocates anyway: one copy and one allocation less. From
 * then on it is kept there, should it have to be sent again, and the chunks are free: that buffer must not be written to.
 */
export interface Batch {
  readonly length: number
  readonly byteLength: number
  /** Writes all of it into `target` from `start` on. */
  copy(target: Uint8Array, start: number): void
}

/** Payloads below this are copied into the batch: a piece of its own costs more than the copy. */
const GATHER_BYTES = 4 * KIB

class GatheredBatch implements Batch {
  readonly byteLength: number
  /** The framing; from the first copy on everything. */
  private bytes: Buffer
  /** For each payload: where in the framing it belongs. */
  private readonly cuts: readonly number[]
  private payloads: readonly Uint8Array[]

  constructor(framing: Buffer, cuts: readonly number[], payloads: readonly Uint8Array[]) {
    this.bytes = framing
    this.cuts = cuts
    this.payloads = payloads
    this.byteLength = payloads.reduce((sum, payload) => sum + payload.length, framing.length)
  }

  get length(): number {
    return this.byteLength
  }

  copy(target: Uint8Array, start: number): void {
    const { bytes, payloads } = this
    let at = start
    let from = 0
    for (let index = 0; index < payloads.length; index++) {
      const cut = this.cuts[index] ?? 0
      const payload = payloads[index]
      if (payload === undefined) continue
      bytes.copy(target, at, from, cut)
      at += cut - from
      target.set(payload, at)
      at += payload.length
      from = cut
      readBuffers.copied(payload)
    }
    bytes.copy(target, at, from)
    if (payloads.length === 0) return
    this.bytes = Buffer.from(target.buffer, target.byteOffset + start, this.byteLength)
    this.payloads = []
  }
}

/** The batch as one buffer. */
export function bufferOf(batch: Batch): Buffer {
  if (Buffer.isBuffer(batch)) return batch
  const buffer = Buffer.allocUnsafe(batch.length)
  batch.copy(buffer, 0)
  return buffer
}

/**
 * One batch in the making: frames are noted, then written with exactly the memory they need. Reused for batch after
 * batch; holds nothing between `finish` and the next `add`.
 */
export class BatchWriter {
  private readonly channels: number[] = []
  private readonly ends: boolean[] = []
  /** For each frame, which of `bodies` is its first. */
  private readonly firsts: number[] = []
  private readonly bodies: Body[] = []
  private readonly tags: PayloadTag[] = []
  /** Of a frame's bodies together. */
  private readonly lengths: number[] = []
  private readonly sizes: number[] = []
  /** Frames noted. */
  frames = 0
  /** Bytes of the frames noted, with their framing. */
  bytes = 0
  private gatheredBytes = 0
  private cuts: number[] = []
  private payloads: Uint8Array[] = []

  /** Notes a frame. `tag` says what a byte body is; an empty text is no body. */
  add(channel: number, end: boolean, body: Body, tag: PayloadTag = DATA_TAG): void {
    const index = this.frames++
    this.channels[index] = channel
    this.ends[index] = end
    this.firsts[index] = this.bodies.length
    this.bodies.push(body)
    this.tags[index] = tag
    this.lengths[index] = body.length
    if (typeof body !== 'string' && body.length >= GATHER_BYTES) this.gatheredBytes += body.length
    this.bytes += this.measure(index)
  }

  /** Adds to the payload of the data frame noted last. */
  extend(piece: Uint8Array): void {
    const index = this.frames - 1
    const before = framed(this.sizes[index] ?? 0)
    this.bodies.push(piece)
    this.lengths[index] = (this.lengths[index] ?? 0) + piece.length
    if (piece.length >= GATHER_BYTES) this.gatheredBytes += piece.length
    this.bytes += this.measure(index) - before
  }

  /** The frame noted last is its channel's last one. */
  end(): void {
    const index = this.frames - 1
    const before = framed(this.sizes[index] ?? 0)
    this.ends[index] = true
    this.bytes += this.measure(index) - before
  }

  /** Notes the size of a frame and returns it with its framing. */
  private measure(index: number): number {
    const length = this.lengths[index] ?? 0
    const channel = this.channels[index] ?? 0
    let size = typeof this.bodies[this.firsts[index] ?? 0] === 'string' ? length : 1 + varintSize(length) + length
    if (channel !== 0) size += 1 + varintSize(channel)
    if (this.ends[index]) size += 2
    this.sizes[index] = size
    return framed(size)
  }

  /** The batch of what was noted, with the acknowledgement and number (0 for none), and starts afresh. */
  finish(ack: number, number: number): Batch {
    const head = (ack > 0 ? 1 + varintSize(ack) : 0) + (number > 0 ? 1 + varintSize(number) : 0)
    const framing = Buffer.allocUnsafe(head + this.bytes - this.gatheredBytes)
    let at = 0
    if (ack > 0) {
      framing[at++] = ACK
      at = writeVarint(framing, at, ack)
    }
    if (number > 0) {
      framing[at++] = NUMBER
      at = writeVarint(framing, at, number)
    }
    for (let index = 0; index < this.frames; index++) at = this.writeFrame(framing, at, index)
    const batch = this.gatheredBytes === 0 ? framing : new GatheredBatch(framing, this.cuts, this.payloads)
    this.clear()
    return batch
  }

  private clear(): void {
    this.frames = 0
    this.bytes = 0
    this.bodies.length = 0
    if (this.gatheredBytes === 0) return
    this.gatheredBytes = 0
    this.cuts = []
    this.payloads = []
  }

  private writeFrame(framing: Buffer, position: number, index: number): number {
    const channel = this.channels[index] ?? 0
    let at = position
    framing[at++] = FRAME
    at = writeVarint(framing, at, this.sizes[index] ?? 0)
    if (channel !== 0) {
      framing[at++] = CHANNEL
      at = writeVarint(framing, at, channel)
    }
    if (this.ends[index]) {
      framing[at++] = END
      framing[at++] = 1
    }
    const first = this.firsts[index] ?? 0
    const body = this.bodies[first] ?? ''
    if (typeof body === 'string') return at + framing.write(body, at, 'latin1')
    framing[at++] = this.tags[index] ?? DATA_TAG
    at = writeVarint(framing, at, this.lengths[index] ?? 0)
    const past = index + 1 < this.frames ? (this.firsts[index + 1] ?? 0) : this.bodies.length
    for (let each = first; each < past; each++) at = this.writePiece(framing, at, this.bodies[each] ?? '')
    return at
  }

  private writePiece(framing: Buffer, at: number, piece: Body): number {
    if (typeof piece === 'string') return at // never: a text is alone in its frame
    if (piece.length >= GATHER_BYTES) {
      this.cuts.push(at)
      this.payloads.push(piece)
      return at
    }
    framing.set(piece, at)
    readBuffers.copied(piece)
    return at + piece.length
  }
}

function framed(size: number): number {
  return 1 + varintSize(size) + size
}
