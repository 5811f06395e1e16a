// Reads HTTP/1 answers of a target: eats bytes, tells what is complete, never touches a socket (RFC 9112).
//
// Strict where a lenient reading would let one answer pass for two. The head is decoded once and sliced; bodies are
// views into what came in.
import type { HeaderList } from '@pbt/proto'
import { BodyReader, type BodySink, Http1Error, readFields, SectionReader } from '@pbt/proto/http1'
import { challengesConnection } from './connection-credentials.ts'

const MAX_HEAD_BYTES = 64 * 1024
const MAX_FIELDS = 200

/** The target sent what is no HTTP/1 answer; the message says what. */
export class BrokenAnswer extends Error {}

/** Status line and header fields of one answer, decoded. */
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
  /** It asks for credentials that authenticate the connection. */
  readonly isOfConnection: boolean
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

const EMPTY: Buffer = Buffer.alloc(0)
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/
const BEGINNING = Buffer.from('HTTP/')

type State = 'head' | 'body' | 'complete'

/** For the answers on one connection, one at a time: `expect` before each request. */
export class ResponseParser implements BodySink {
  private events: AnswerEvents | undefined
  private isHeadRequest = false
  private state: State = 'complete'
  /** Octets of BEGINNING that have come of this head. */
  private begun = 0
  private readonly section = new SectionReader(MAX_HEAD_BYTES)
  private readonly body = new BodyReader(this, MAX_FIELDS)

  /** Makes ready for the answer to the next request. */
  expect(method: string, events: AnswerEvents): void {
    this.events = events
    this.isHeadRequest = method === 'HEAD'
    this.state = 'head'
    this.begun = 0
  }

  /** Nothing of the expected answer has come yet. */
  get isUntouched(): boolean {
    return this.state === 'head' && this.section.isEmpty
  }

  /** Eats bytes. Throws BrokenAnswer; nothing is told after that. */
  execute(chunk: Buffer): void {
    try {
      let rest = chunk
      while (rest.length > 0) {
        if (this.state === 'head') rest = this.head(rest)
        else if (this.state === 'complete') throw invalid('bytes that belong to no response')
        else {
          rest = this.body.read(rest)
          if (this.body.isWhole) {
            this.complete(rest)
            return
          }
        }
      }
    } catch (error) {
      throw error instanceof Http1Error ? invalid(error.message) : error
    }
  }

  /** The target closed its side cleanly. Throws BrokenAnswer when the answer is not whole. */
  finish(): void {
    if (this.state === 'complete') return
    if (this.state === 'head' || !this.body.finish()) {
      throw new BrokenAnswer(
        `the target closed the connection ${this.isUntouched ? 'without a response' : 'before its response was complete'}`,
      )
    }
    this.complete(EMPTY)
  }

  // BodySink.

  onBody(chunk: Buffer, last: boolean): void {
    this.events?.onAnswerBody(chunk, last)
  }

  onBodyEnd(trailers: HeaderList): void {
    if (trailers.length > 0) this.events?.onAnswerTrailers(new FieldReader(trailers).endToEnd())
  }

  private head(chunk: Buffer): Buffer {
    // What cannot begin an answer need not be waited for.
    for (let at = 0; this.begun < BEGINNING.length && at < chunk.length; at++) {
      if (chunk[at] !== BEGINNING[this.begun++]) throw new BrokenAnswer('the target does not speak HTTP/1')
    }
    const text = this.section.read(chunk)
    if (text === undefined) return EMPTY
    const rest = this.section.takeRest()
    this.begun = 0
    const head = this.readHead(text)
    if (head.status === 101) {
      this.state = 'complete'
      this.events?.onAnswerHead(head)
      this.events?.onAnswerComplete(rest)
      return EMPTY
    }
    this.events?.onAnswerHead(head)
    if (head.status < 200 || !head.hasNoBody) return rest
    this.complete(rest)
    return EMPTY
  }

  private readHead(text: string): AnswerHead {
    const lineEnd = text.indexOf('\r\n')
    const match = STATUS_LINE.exec(lineEnd < 0 ? text : text.slice(0, lineEnd))
    if (match === null) throw invalid('malformed status line')
    const status = Number(match[2])
    const isVersion10 = match[1] === '0'
    const fields = new FieldReader(lineEnd < 0 ? [] : readFields(text, lineEnd + 2, MAX_FIELDS))
    const framing = this.frame(status, isVersion10, fields)
    const isPersistent = isVersion10 ? fields.connection.has('keep-alive') : !fields.connection.has('close')
    return {
      status,
      reason: match[3] ?? '',
      headers: fields.endToEnd(),
      upgrade: fields.upgrade,
      isKeptAlive: isPersistent && framing !== 'until-close',
      keepAliveSeconds: fields.keepAliveSeconds,
      isOfConnection: fields.isOfConnection,
      hasNoBody: framing === 'none',
    }
  }

  /** Decides how the body ends (RFC 9112 section 6.3). */
  private frame(
    status: number,
    isVersion10: boolean,
    fields: FieldReader,
  ): 'none' | 'length' | 'chunked' | 'until-close' {
    const { contentLength, coding } = fields
    if (coding !== undefined && contentLength >= 0) {
      throw invalid('both Content-Length and Transfer-Encoding')
    }
    if (status < 200 || this.isHeadRequest || status === 204 || status === 304 || contentLength === 0) return 'none'
    const framing = coding !== undefined ? 'chunked' : contentLength > 0 ? 'length' : 'until-close'
    if (framing === 'chunked' && (isVersion10 || coding?.toLowerCase() !== 'chunked')) {
      throw invalid('its Transfer-Encoding is not "chunked"')
    }
    this.state = 'body'
    this.body.begin(framing, contentLength)
    return framing
  }

  private complete(rest: Buffer): void {
    this.state = 'complete'
    this.events?.onAnswerComplete(rest)
  }
}

/** Takes a section of fields apart: what goes on, and what is between the target and this connection. */
class FieldReader {
  private readonly headers: HeaderList = []
  contentLength = -1
  /** Transfer-Encoding as sent. */
  coding: string | undefined
  upgrade = ''
  keepAliveSeconds: number | undefined
  isOfConnection = false
  connection: ReadonlySet<string> = NONE

  constructor(fields: HeaderList) {
    for (let index = 0; index < fields.length; index += 2) {
      const name = fields[index] ?? ''
      const value = fields[index + 1] ?? ''
      if (!this.isOurs(name, value)) this.headers.push(name, value)
    }
  }

  /** True: the field does not go on. By length first: most are none of these, and need not be put into lower case. */
  private isOurs(name: string, value: string): boolean {
    switch (name.length) {
      case 2:
        return name.toLowerCase() === 'te'
      case 7:
        return this.isSeven(name.toLowerCase(), value)
      case 9:
        return name.toLowerCase() === 'pbt-error'
      case 10:
        return this.isTen(name.toLowerCase(), value)
      case 14:
        if (name.toLowerCase() === 'content-length') this.setLength(value)
        return false
      case 16:
        return this.isSixteen(name.toLowerCase(), value)
      case 17:
        if (name.toLowerCase() !== 'transfer-encoding') return false
        this.coding = this.coding === undefined ? value : `${this.coding}, ${value}`
        return true
      case 18:
        if (name.toLowerCase() !== 'proxy-authenticate') return false
        this.isOfConnection ||= challengesConnection(value)
        return true
      default:
        return false
    }
  }

  private isSeven(lower: string, value: string): boolean {
    if (lower === 'upgrade') this.upgrade = value
    return lower === 'upgrade' || lower === 'trailer'
  }

  private isTen(lower: string, value: string): boolean {
    if (lower === 'keep-alive') {
      const seconds = /timeout=(\d{1,6})/i.exec(value)?.[1]
      if (seconds !== undefined) this.keepAliveSeconds = Number(seconds)
      return true
    }
    if (lower !== 'connection') return false
    const options = value.toLowerCase().split(',')
    this.connection = new Set([...this.connection, ...options.map(option => option.trim())])
    return true
  }

  private isSixteen(lower: string, value: string): boolean {
    if (lower === 'www-authenticate') this.isOfConnection ||= challengesConnection(value)
    return lower === 'proxy-connection'
  }

  private setLength(value: string): void {
    if (this.contentLength >= 0 || !/^\d{1,15}$/.test(value))
      throw new BrokenAnswer('invalid Content-Length in the response')
    this.contentLength = Number(value)
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

function invalid(why: string): BrokenAnswer {
  return new BrokenAnswer(`invalid response from the target: ${why}`)
}
