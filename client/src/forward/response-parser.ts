// Reads HTTP/1 answers of a target: eats bytes, tells what is complete, never touches a socket (RFC 9112).
//
// Strict where a lenient reading would let one answer pass for two. The head is decoded once and sliced; bodies are
// views into what came in.
import type { HeaderList } from '@pbt/proto'

/** Bytes of a head, fields of a head, and bytes of a chunk's size line with its extensions. */
const MAX_HEAD_BYTES = 64 * 1024
const MAX_FIELDS = 200
const MAX_CHUNK_LINE_BYTES = 4 * 1024

/** The target sent what is no HTTP/1 answer; the message says what. */
export class BrokenAnswer extends Error {}

export interface AnswerHead {
  readonly status: number
  readonly reason: string
  /** Without hop-by-hop fields. */
  readonly headers: HeaderList
  /** The Upgrade field, '' for none. */
  readonly upgrade: string
  /** The connection can be used again after this answer. */
  readonly isKeptAlive: boolean
  /** Seconds from `Keep-Alive: timeout=`, undefined when not said. */
  readonly keepAliveSeconds: number | undefined
  /** Nothing follows. */
  readonly hasNoBody: boolean
}

/** Told in order, synchronously, from within `execute`. Must not throw. */
export interface AnswerEvents {
  onAnswerHead(head: AnswerHead): void
  /** `last`: the body is whole with this, `onAnswerComplete` follows at once. */
  onAnswerBody(chunk: Buffer, last: boolean): void
  onAnswerTrailers(trailers: HeaderList): void
  /** The answer is whole. `rest`: bytes behind it, which belong to nobody unless it was a 101. */
  onAnswerComplete(rest: Buffer): void
}

type State = 'head' | 'length' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'until-close' | 'complete'

const EMPTY = Buffer.alloc(0)
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/
/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** RFC 9110 section 5.5, without the white space around it. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const CHUNK_LINE = /^([0-9a-f]{1,12})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/i

/** What a field means to the one who forwards; all others go on as they are. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

export class ResponseParser {
  private events: AnswerEvents | undefined
  private isHeadRequest = false
  private state: State = 'complete'
  /** What of a head, size line or trailer section came so far. */
  private pending: Buffer = EMPTY
  private left = 0

  /** Makes ready for the answer to the next request. */
  expect(method: string, events: AnswerEvents): void {
    this.events = events
    this.isHeadRequest = method === 'HEAD'
    this.state = 'head'
    this.pending = EMPTY
    this.left = 0
  }

  /** Nothing of the expected answer has come yet. */
  get isUntouched(): boolean {
    return this.state === 'head' && this.pending.length === 0
  }

  /** Eats bytes. Throws BrokenAnswer; nothing is told after that. */
  execute(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) {
      switch (this.state) {
        case 'head':
          rest = this.head(rest)
          break
        case 'length':
          rest = this.body(rest, true)
          break
        case 'chunk-data':
          rest = this.body(rest, false)
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
          this.events?.onAnswerBody(rest, false)
          return
        case 'complete':
          throw new BrokenAnswer('it sent bytes that belong to no answer')
      }
    }
  }

  /** The target closed its side cleanly. Throws BrokenAnswer when the answer is not whole. */
  finish(): void {
    if (this.state === 'complete') return
    if (this.state !== 'until-close') {
      throw new BrokenAnswer(
        this.isUntouched ? 'it closed the connection without an answer' : 'it closed the connection within its answer',
      )
    }
    this.complete(EMPTY)
  }

  private head(chunk: Buffer): Buffer {
    const bytes = this.joined(chunk)
    const end = bytes.indexOf('\r\n\r\n', 0, 'latin1')
    if (end > MAX_HEAD_BYTES || (end < 0 && bytes.length > MAX_HEAD_BYTES)) {
      throw new BrokenAnswer(`its head is larger than ${MAX_HEAD_BYTES} bytes`)
    }
    if (end < 0) {
      // What cannot begin an answer need not be waited for.
      if (bytes.length >= 5 && bytes.toString('latin1', 0, 5) !== 'HTTP/')
        throw new BrokenAnswer('it does not speak HTTP/1')
      this.pending = bytes
      return EMPTY
    }
    this.pending = EMPTY
    const rest = bytes.subarray(end + 4)
    const head = this.readHead(bytes.toString('latin1', 0, end))
    const { events } = this
    if (head.status === 101) {
      this.state = 'complete'
      events?.onAnswerHead(head)
      events?.onAnswerComplete(rest)
      return EMPTY
    }
    events?.onAnswerHead(head)
    if (head.status < 200 || !head.hasNoBody) return rest
    this.complete(rest)
    return EMPTY
  }

  private readHead(text: string): AnswerHead {
    let lineEnd = text.indexOf('\r\n')
    if (lineEnd < 0) lineEnd = text.length
    const line = text.slice(0, lineEnd)
    const match = STATUS_LINE.exec(line)
    if (match === null) throw new BrokenAnswer('its status line is malformed')
    const status = Number(match[2])
    const isVersion10 = match[1] === '0'
    const fields = new FieldReader()
    fields.read(text, lineEnd + 2)
    const hasNoBody = this.frame(status, isVersion10, fields)
    const isPersistent = isVersion10 ? fields.connection.has('keep-alive') : !fields.connection.has('close')
    return {
      status,
      reason: match[3] ?? '',
      headers: fields.endToEnd(),
      upgrade: fields.upgrade,
      isKeptAlive: isPersistent && this.state !== 'until-close',
      keepAliveSeconds: fields.keepAliveSeconds,
      hasNoBody,
    }
  }

  /** Decides how the body ends (RFC 9112 section 6.3); true when there is none. */
  private frame(status: number, isVersion10: boolean, fields: FieldReader): boolean {
    const { contentLength, coding } = fields
    if (coding !== undefined && contentLength >= 0)
      throw new BrokenAnswer('it has both Content-Length and Transfer-Encoding')
    if (status < 200) return true
    if (this.isHeadRequest || status === 204 || status === 304) return true
    if (coding !== undefined) {
      if (isVersion10 || coding.toLowerCase() !== 'chunked')
        throw new BrokenAnswer('its Transfer-Encoding is not "chunked"')
      this.state = 'chunk-size'
    } else if (contentLength >= 0) {
      this.left = contentLength
      this.state = 'length'
      return contentLength === 0
    } else this.state = 'until-close'
    return false
  }

  private body(chunk: Buffer, isWholeBody: boolean): Buffer {
    if (chunk.length < this.left) {
      this.left -= chunk.length
      this.events?.onAnswerBody(chunk, false)
      return EMPTY
    }
    const piece = chunk.length === this.left ? chunk : chunk.subarray(0, this.left)
    const rest = chunk.subarray(this.left)
    this.left = 0
    this.events?.onAnswerBody(piece, isWholeBody)
    if (!isWholeBody) {
      this.state = 'chunk-end'
      return rest
    }
    this.complete(rest)
    return EMPTY
  }

  private chunkSize(chunk: Buffer): Buffer {
    const bytes = this.joined(chunk)
    const end = bytes.indexOf('\r\n', 0, 'latin1')
    if (end > MAX_CHUNK_LINE_BYTES || (end < 0 && bytes.length > MAX_CHUNK_LINE_BYTES)) {
      throw new BrokenAnswer('the size line of a chunk is too long')
    }
    if (end < 0) {
      this.pending = bytes
      return EMPTY
    }
    this.pending = EMPTY
    const match = CHUNK_LINE.exec(bytes.toString('latin1', 0, end))
    if (match === null) throw new BrokenAnswer('the size of a chunk is malformed')
    this.left = Number.parseInt(match[1] ?? '', 16)
    this.state = this.left === 0 ? 'trailers' : 'chunk-data'
    return bytes.subarray(end + 2)
  }

  private chunkEnd(chunk: Buffer): Buffer {
    const bytes = this.joined(chunk)
    if (bytes.length < 2) {
      this.pending = bytes
      return EMPTY
    }
    this.pending = EMPTY
    if (bytes[0] !== 0x0d || bytes[1] !== 0x0a) throw new BrokenAnswer('a chunk is longer than its size')
    this.state = 'chunk-size'
    return bytes.subarray(2)
  }

  private trailers(chunk: Buffer): Buffer {
    const bytes = this.joined(chunk)
    this.pending = EMPTY
    if (bytes.length >= 2 && bytes[0] === 0x0d && bytes[1] === 0x0a) {
      this.complete(bytes.subarray(2))
      return EMPTY
    }
    const end = bytes.indexOf('\r\n\r\n', 0, 'latin1')
    if (end > MAX_HEAD_BYTES || (end < 0 && bytes.length > MAX_HEAD_BYTES))
      throw new BrokenAnswer('its trailers are too large')
    if (end < 0) {
      this.pending = bytes
      return EMPTY
    }
    const fields = new FieldReader()
    fields.read(bytes.toString('latin1', 0, end), 0)
    this.events?.onAnswerTrailers(fields.endToEnd())
    this.complete(bytes.subarray(end + 4))
    return EMPTY
  }

  private complete(rest: Buffer): void {
    this.state = 'complete'
    this.events?.onAnswerComplete(rest)
  }

  private joined(chunk: Buffer): Buffer {
    return this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk])
  }
}

/** Reads a section of fields, the framing ones aside. */
class FieldReader {
  private readonly headers: HeaderList = []
  contentLength = -1
  /** Transfer-Encoding as sent. */
  coding: string | undefined
  upgrade = ''
  keepAliveSeconds: number | undefined
  connection: ReadonlySet<string> = NONE

  read(text: string, from: number): void {
    let at = from
    while (at < text.length) {
      let end = text.indexOf('\r\n', at)
      if (end < 0) end = text.length
      const colon = text.indexOf(':', at)
      // A line that begins with white space folds into the one before, which nobody should send (RFC 9112 section 5.2).
      const name = colon < 0 || colon > end ? '' : text.slice(at, colon)
      const value = text.slice(colon + 1, end).trim()
      if (!TOKEN.test(name) || !VALUE.test(value)) throw new BrokenAnswer('a header field is malformed')
      if (this.headers.length === 2 * MAX_FIELDS) throw new BrokenAnswer(`it has more than ${MAX_FIELDS} header fields`)
      this.field(name, value)
      at = end + 2
    }
  }

  private field(name: string, value: string): void {
    const lower = name.toLowerCase()
    if (lower === 'content-length') {
      if (this.contentLength >= 0 || !/^\d{1,15}$/.test(value))
        throw new BrokenAnswer('its Content-Length is malformed')
      this.contentLength = Number(value)
    } else if (HOP_BY_HOP.has(lower)) {
      this.hopByHop(lower, value)
      return
    }
    if (lower !== 'pbt-error') this.headers.push(name, value)
  }

  private hopByHop(lower: string, value: string): void {
    switch (lower) {
      case 'transfer-encoding':
        this.coding = this.coding === undefined ? value : `${this.coding}, ${value}`
        return
      case 'connection':
        this.connection = new Set([
          ...this.connection,
          ...value
            .toLowerCase()
            .split(',')
            .map(option => option.trim()),
        ])
        return
      case 'upgrade':
        this.upgrade = value
        return
      case 'keep-alive': {
        const seconds = /timeout=(\d{1,6})/i.exec(value)?.[1]
        if (seconds !== undefined) this.keepAliveSeconds = Number(seconds)
      }
    }
  }

  /** The fields that go on: without those that Connection names. */
  endToEnd(): HeaderList {
    const { connection, headers } = this
    if (connection.size === 0) return headers
    const kept: HeaderList = []
    for (let index = 0; index + 1 < headers.length; index += 2) {
      const name = headers[index] ?? ''
      const lower = name.toLowerCase()
      if (!connection.has(lower) || lower === 'content-length') kept.push(name, headers[index + 1] ?? '')
    }
    return kept
  }
}

const NONE: ReadonlySet<string> = new Set()
