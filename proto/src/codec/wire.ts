// Protobuf's varints, on buffers and as latin1 text, for numbers up to 2^53.
import { PbtError } from '../errors.ts'

/** Bytes of the varint of a whole number from 0 to 2^53 - 1. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x200000) return 3
  if (value < 0x10000000) return 4
  let size = 5
  for (let rest = Math.floor(value / 0x800000000); rest > 0; rest = Math.floor(rest / 0x80)) size++
  return size
}

/** Writes the varint of a whole number from 0 to 2^53 - 1 and returns the position behind it. */
export function writeVarint(target: Buffer, position: number, value: number): number {
  let at = position
  let rest = value
  while (rest >= 0x80000000) {
    target[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  target[at++] = rest
  return at
}

const ONE_BYTE = Array.from({ length: 0x80 }, (_, value) => String.fromCharCode(value))

/** The varint of a whole number below 2^28 as latin1 text. */
export function varintText(value: number): string {
  if (value < 0x80) return ONE_BYTE[value] ?? ''
  if (value < 0x4000) return String.fromCharCode((value & 0x7f) | 0x80, value >>> 7)
  if (value < 0x200000) return String.fromCharCode((value & 0x7f) | 0x80, ((value >>> 7) & 0x7f) | 0x80, value >>> 14)
  return String.fromCharCode(
    (value & 0x7f) | 0x80,
    ((value >>> 7) & 0x7f) | 0x80,
    ((value >>> 14) & 0x7f) | 0x80,
    value >>> 21,
  )
}

/** Walks over encoded fields; every step stays within `end` or throws PbtError `protocol`. */
export class WireReader {
  readonly bytes: Buffer
  position: number
  end: number

  constructor(bytes: Buffer, position = 0, end = bytes.length) {
    this.bytes = bytes
    this.position = position
    this.end = end
  }

  /** A varint up to 2^53 - 1; larger ones are refused, since nothing of ours is larger. */
  varint(): number {
    const { bytes } = this
    const first = this.byte(bytes)
    if (first < 0x80) return first
    let value = first & 0x7f
    let factor = 0x80
    for (let count = 1; count < 10; count++) {
      const byte = this.byte(bytes)
      value += (byte & 0x7f) * factor
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break
        return value
      }
      factor *= 0x80
    }
    throw new PbtError('protocol', `malformed batch: a number at byte ${this.position} is too large`)
  }

  private byte(bytes: Buffer): number {
    if (this.position >= this.end) throw truncated(this.position)
    return bytes[this.position++] ?? 0
  }

  /** The length of a length-delimited field, checked to lie within `end`. */
  length(): number {
    const length = this.varint()
    if (length > this.end - this.position) throw truncated(this.position)
    return length
  }

  /** Passes over a field this version does not know. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.skipVarint()
        return
      case 1:
        this.advance(8)
        return
      case 2:
        this.advance(this.length())
        return
      case 5:
        this.advance(4)
        return
      default:
        throw new PbtError('protocol', `malformed batch: wire type ${tag & 7} at byte ${this.position}`)
    }
  }

  private skipVarint(): void {
    for (let count = 0; count < 10; count++) if (this.byte(this.bytes) < 0x80) return
    throw new PbtError('protocol', `malformed batch: a number at byte ${this.position} is too long`)
  }

  private advance(count: number): void {
    if (count > this.end - this.position) throw truncated(this.position)
    this.position += count
  }
}

function truncated(position: number): PbtError {
  return new PbtError('protocol', `malformed batch: it ends at byte ${position} within a field`)
}
