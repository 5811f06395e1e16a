// Reads the body of an HTTP/1 message: by its length, in chunks, or until the connection ends (RFC 9112 sections 6, 7).
import type { HeaderList } from '../codec/heads.ts'
import { Http1Error, readFields } from './fields.ts'
import { SectionReader } from './section.ts'

/** How a body ends. */
export type BodyFraming = 'length' | 'chunked' | 'until-close'

/** Told in order, synchronously, from within `read`. Must not throw. */
export interface BodySink {
  /** A view into what was read. `last`: the body is whole with this, `onBodyEnd` follows at once. */
  onBody(chunk: Buffer, last: boolean): void
  onBodyEnd(trailers: HeaderList): void
}

type State = 'length' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'until-close' | 'whole'

/** Bytes of a chunk's size line with its extensions, and of the trailers. */
const MAX_LINE_BYTES = 16 * 1024
const MAX_TRAILER_BYTES = 64 * 1024
const CHUNK_LINE = /^([0-9a-f]{1,12})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/i
const LF = 0x0a
const CR = 0x0d
const EMPTY: Buffer = Buffer.alloc(0)
const NO_TRAILERS: HeaderList = []

/** Reads one body after the other. */
export class BodyReader {
  private readonly sink: BodySink
  private readonly maxFields: number
  private state: State = 'whole'
  private left = 0
  /** The beginning of a size line or of a chunk's end. */
  private line = EMPTY
  private section: SectionReader | undefined

  constructor(sink: BodySink, maxFields: number) {
    this.sink = sink
    this.maxFields = maxFields
  }

  /** The body has been read to its end. */
  get isWhole(): boolean {
    return this.state === 'whole'
  }

  /** Makes ready for a body; `length` for the one with a length, not 0. */
  begin(framing: BodyFraming, length: number): void {
    this.state = framing === 'chunked' ? 'chunk-size' : framing
    this.left = length
    this.line = EMPTY
    this.section = undefined
  }

  /** Reads up to the end of the body and returns what is behind it. Throws Http1Error; nothing is told after that. */
  read(chunk: Buffer): Buffer {
    let rest = chunk
    while (rest.length > 0 && this.state !== 'whole') {
      switch (this.state) {
        case 'length':
        case 'chunk-data':
          rest = this.data(rest)
          break
        case 'chunk-size':
          rest = this.chunkSize(rest)
          break
        case 'chunk-end':
          rest = this.chunkEnd(rest)
          break
        case 'trailers':
          rest = this.trailers(rest)
          break
        case 'until-close':
          this.sink.onBody(rest, false)
          return EMPTY
      }
    }
    return rest
  }

  /** The sender closed its side cleanly: true when the body is whole with that. */
  finish(): boolean {
    if (this.state === 'until-close') this.whole(NO_TRAILERS)
    return this.state === 'whole'
  }

  private data(chunk: Buffer): Buffer {
    if (chunk.length < this.left) {
      this.left -= chunk.length
      this.sink.onBody(chunk, false)
      return EMPTY
    }
    const isLast = this.state === 'length'
    const piece = chunk.length === this.left ? chunk : chunk.subarray(0, this.left)
    const rest = chunk.length === this.left ? EMPTY : chunk.subarray(this.left)
    this.left = 0
    this.state = 'chunk-end'
    this.sink.onBody(piece, isLast)
    if (isLast) this.whole(NO_TRAILERS)
    return rest
  }

  private chunkSize(chunk: Buffer): Buffer {
    const bytes = this.line.length === 0 ? chunk : Buffer.concat([this.line, chunk])
    const end = bytes.indexOf(LF)
    if (end > MAX_LINE_BYTES || (end < 0 && bytes.length > MAX_LINE_BYTES)) {
      throw new Http1Error('the size line of a chunk is too long', true)
    }
    if (end < 0) {
      this.line = bytes
      return EMPTY
    }
    this.line = EMPTY
    const match = bytes[end - 1] === CR ? CHUNK_LINE.exec(bytes.toString('latin1', 0, end - 1)) : null
    if (match === null) throw new Http1Error('the size of a chunk is malformed')
    this.left = Number.parseInt(match[1] ?? '', 16)
    this.state = this.left === 0 ? 'trailers' : 'chunk-data'
    return bytes.subarray(end + 1)
  }

  private chunkEnd(chunk: Buffer): Buffer {
    const bytes = this.line.length === 0 ? chunk : Buffer.concat([this.line, chunk])
    if (bytes[0] !== CR || (bytes.length > 1 && bytes[1] !== LF))
      throw new Http1Error('a chunk is longer than its size')
    if (bytes.length < 2) {
      this.line = bytes
      return EMPTY
    }
    this.line = EMPTY
    this.state = 'chunk-size'
    return bytes.subarray(2)
  }

  /** Usually an empty line; the section's reader wants the line break before it as well. */
  private trailers(chunk: Buffer): Buffer {
    if (this.section === undefined) {
      const bytes = this.line.length === 0 ? chunk : Buffer.concat([this.line, chunk])
      if (bytes.length < 2) {
        this.line = bytes
        return EMPTY
      }
      this.line = EMPTY
      if (bytes[0] === CR && bytes[1] === LF) {
        this.whole(NO_TRAILERS)
        return bytes.subarray(2)
      }
      this.section = new SectionReader(MAX_TRAILER_BYTES)
      return this.trailerSection(bytes)
    }
    return this.trailerSection(chunk)
  }

  private trailerSection(chunk: Buffer): Buffer {
    const { section } = this
    const text = section?.read(chunk)
    if (section === undefined || text === undefined) return EMPTY
    this.whole(readFields(text, 0, this.maxFields))
    return section.takeRest()
  }

  private whole(trailers: HeaderList): void {
    this.state = 'whole'
    this.section = undefined
    this.sink.onBodyEnd(trailers)
  }
}
