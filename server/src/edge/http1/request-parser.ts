// Reads HTTP/1 requests of visitors: eats bytes, tells what is complete, never touches a socket (RFC 9112).
//
// Our own, for two reasons. Of 80 probes that two servers could read in two ways Node's parser takes 27 (two Hosts, one that the
// target contradicts, codings before chunked). And it is half the work: a bare node:http proxy takes 66 to 74 µs of CPU a request
// where this edge takes 37 to 39, in the same rounds (bench/README.md).
import type { HeaderList } from '@pbt/proto'
import { BodyReader, type BodySink, Http1Error, readFields, SectionReader } from '@pbt/proto/http1'
import { RefusedRequest } from './request-line.ts'

/** The request line, as long as addresses get, and the fields, each with its line break. */
const MAX_LINE_BYTES = 12 * 1024
const MAX_FIELD_BYTES = 64 * 1024
/** Less than a head may have on the link, where the edge's own fields and the framing come on top. */
const MAX_HEAD_BYTES = MAX_LINE_BYTES + MAX_FIELD_BYTES
/** Fields in all; above it no ordinary program is at work. */
export const MAX_FIELDS = 200
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,40}) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.([01])$/
const MAX_LENGTH_DIGITS = 15
const BARE_LF = /(?:^|[^\r])\n/
const CR = 0x0d
const LF = 0x0a
/** A method begins with a character above white space. */
const FIRST_OF_METHOD = 0x21

/** A request's head as it came, with the fields that decide where it goes and where it ends taken out. */
export class IncomingRequest {
  readonly method: string
  readonly target: string
  /** 1 for HTTP/1.1, 0 for HTTP/1.0. */
  readonly minor: number
  /** All of them, as they came. */
  readonly fields: HeaderList
  host: string | undefined
  /** -1: not said. */
  contentLength = -1
  isChunked = false
  /** Values of several fields of a name are joined; '' for none. */
  connection = ''
  upgrade = ''
  expect = ''

  constructor(method: string, target: string, minor: number, fields: HeaderList) {
    this.method = method
    this.target = target
    this.minor = minor
    this.fields = fields
    let coding: string | undefined
    for (let index = 0; index < fields.length; index += 2) {
      const name = fields[index] ?? ''
      const value = fields[index + 1] ?? ''
      // By length first: most fields are none of these, and need not be put into lower case.
      switch (name.length) {
        case 4:
          if (name.toLowerCase() !== 'host') break
          if (this.host !== undefined) throw new RefusedRequest('there is more than one Host header')
          this.host = value
          break
        case 6:
          if (name.toLowerCase() === 'expect') this.expect = joined(this.expect, value)
          break
        case 7:
          if (name.toLowerCase() === 'upgrade') this.upgrade = joined(this.upgrade, value)
          break
        case 10:
          if (name.toLowerCase() === 'connection') this.connection = joined(this.connection, value.toLowerCase())
          break
        case 14:
          if (name.toLowerCase() === 'content-length') this.setLength(value)
          break
        case 17:
          if (name.toLowerCase() === 'transfer-encoding') coding = coding === undefined ? value : `${coding}, ${value}`
      }
    }
    if (coding !== undefined) this.setCoding(coding)
  }

  /** Nothing follows the head. */
  get hasNoBody(): boolean {
    return !this.isChunked && this.contentLength <= 0
  }

  /**
   * The visitor wants to go on with another protocol, and what would be that is told from its body. Otherwise Upgrade is ignored, as
   * every server may (RFC 9110 section 7.8): of HTTP/1.0; of h2c, which is between the visitor and the edge, which does not speak it;
   * behind a body whose length is not known or that is held back; and of a WebSocket with a body or another method than GET.
   */
  get isUpgrade(): boolean {
    if (this.upgrade === '' || this.minor === 0 || !hasOption(this.connection, 'upgrade')) return false
    const protocols = this.upgrade.toLowerCase()
    if (hasOption(protocols, 'h2c')) return false
    const { hasNoBody } = this
    if (hasOption(protocols, 'websocket')) return this.method === 'GET' && hasNoBody
    return hasNoBody || (!this.isChunked && this.expect === '')
  }

  /** The connection may be used again (RFC 9112 section 9.3). */
  get isKeptAlive(): boolean {
    if (this.connection === '') return this.minor === 1
    return this.minor === 1 ? !hasOption(this.connection, 'close') : hasOption(this.connection, 'keep-alive')
  }

  private setLength(value: string): void {
    if (this.contentLength >= 0) throw new RefusedRequest('there is more than one Content-Length header')
    if (!/^\d+$/.test(value) || value.length > MAX_LENGTH_DIGITS) {
      throw new RefusedRequest('the Content-Length header is malformed')
    }
    this.contentLength = Number(value)
  }

  /** RFC 9112 sections 6.1 and 6.3: what two servers could read in two ways is refused. */
  private setCoding(coding: string): void {
    if (this.minor === 0) throw new RefusedRequest('HTTP/1.0 has no Transfer-Encoding')
    if (this.contentLength >= 0) throw new RefusedRequest('there is a Content-Length header beside Transfer-Encoding')
    if (coding.toLowerCase() !== 'chunked') {
      throw new RefusedRequest('only the transfer coding "chunked" is supported', 501)
    }
    this.isChunked = true
  }
}

/** Whether a list of options in lower case holds this one. */
export function hasOption(list: string, option: string): boolean {
  if (list === option) return true
  return list.includes(option) && list.split(',').some(each => each.trim() === option)
}

function joined(before: string, value: string): string {
  return before === '' ? value : `${before}, ${value}`
}

/** Told in order, synchronously, from within `execute`. */
export interface RequestEvents extends BodySink {
  /** May throw RefusedRequest. */
  onRequest(request: IncomingRequest): void
}

/** Reads the requests of one connection, one after the other; bytes may come in pieces of any size. */
export class RequestParser {
  private readonly events: RequestEvents
  private readonly section = new SectionReader(MAX_HEAD_BYTES)
  private readonly body: BodyReader
  /** The CR of an empty line before a request has come. */
  private isAfterCr = false

  constructor(events: RequestEvents) {
    this.events = events
    this.body = new BodyReader(events, MAX_FIELDS)
  }

  /** The request has been read to its end, or none has begun. */
  get isWhole(): boolean {
    return this.body.isWhole
  }

  /** Some of a head has come, and not all of it. Empty lines before it do not count. */
  get isReadingHead(): boolean {
    return !this.section.isEmpty
  }

  /**
   * Eats the rest of the request, or of its head, and returns what is behind that. Throws RefusedRequest; nothing is
   * told after that.
   */
  execute(chunk: Buffer): Buffer {
    try {
      return this.body.isWhole ? this.head(chunk) : this.body.read(chunk)
    } catch (error) {
      if (error instanceof Http1Error) throw refusalOf(error, this.body.isWhole)
      throw error
    }
  }

  /** Empty lines before a request are passed over (RFC 9112 section 2.2), also one that came with a segment's end in it. */
  private withoutEmptyLines(chunk: Buffer): Buffer {
    let from = 0
    for (; from < chunk.length; from++) {
      const octet = chunk[from]
      if (this.isAfterCr ? octet !== LF : octet !== CR) break
      this.isAfterCr = octet === CR
    }
    if (this.isAfterCr ? from < chunk.length : (chunk[from] ?? FIRST_OF_METHOD) < FIRST_OF_METHOD) {
      throw new RefusedRequest('the request does not begin with a method')
    }
    return from === 0 ? chunk : chunk.subarray(from)
  }

  private head(chunk: Buffer): Buffer {
    const bytes = this.section.isEmpty ? this.withoutEmptyLines(chunk) : chunk
    if (bytes.length === 0) return bytes
    const text = this.section.read(bytes)
    if (text === undefined) return bytes.subarray(bytes.length)
    const rest = this.section.takeRest()
    const request = readRequest(text)
    if (!request.hasNoBody) this.body.begin(request.isChunked ? 'chunked' : 'length', request.contentLength)
    this.events.onRequest(request)
    return rest
  }
}

function readRequest(text: string): IncomingRequest {
  const lineEnd = text.indexOf('\r\n')
  checkSizes(text, lineEnd)
  const match = REQUEST_LINE.exec(lineEnd < 0 ? text : text.slice(0, lineEnd))
  if (match === null) throw new RefusedRequest('the request line is malformed, or of another version than HTTP/1.1')
  const fields = lineEnd < 0 ? [] : readFields(text, lineEnd + 2, MAX_FIELDS)
  return new IncomingRequest(match[1] ?? '', match[2] ?? '', match[3] === '1' ? 1 : 0, fields)
}

/** `lineEnd`: where the request line ends, -1 without fields. */
function checkSizes(text: string, lineEnd: number): void {
  const isLineTooLong = (lineEnd < 0 ? text.length : lineEnd) > MAX_LINE_BYTES
  if (!isLineTooLong && (lineEnd < 0 || text.length - lineEnd <= MAX_FIELD_BYTES)) return
  // As it would have been before it was too much.
  if (BARE_LF.test(text)) throw new RefusedRequest('a line ends without a carriage return')
  if (isLineTooLong) throw new RefusedRequest(`the request line is longer than ${MAX_LINE_BYTES} bytes`, 414)
  throw new RefusedRequest(`the header fields are larger than ${MAX_FIELD_BYTES} bytes`, 431)
}

function refusalOf(error: Http1Error, isHead: boolean): RefusedRequest {
  if (!error.isTooLarge) return new RefusedRequest(error.message)
  return new RefusedRequest(error.message, isHead ? 431 : 413)
}
