// A request over HTTP/1 and its answer: how heads, bodies and ends are written to the visitor's connection.
import type { Socket } from 'node:net'
import { type HeaderList, type ResponseHead, toWrite } from '@pbt/proto'
import type { AccessSink } from '../../observe/access-log.ts'
import { Exchange } from '../exchange.ts'
import type { Visitor } from '../fields/headers.ts'
import type { ReplyCode, ReplyOptions } from '../replies.ts'
import { dateLine, headText, lastChunkText } from './answer-text.ts'
import type { IncomingRequest } from './request-parser.ts'

/** Data up to this size goes out in one text with its framing: a piece of its own costs more than the copy. */
const JOINED_BYTES = 4 * 1024

/** What an exchange needs of the connection it came on. */
export interface VisitorConnection {
  readonly socket: Socket
  /** The server is stopping: this answer is the connection's last. */
  readonly isDraining: boolean
  /** An answer in the edge's own name. */
  write(code: ReplyCode, options: ReplyOptions, request: IncomingRequest | undefined, isLast: boolean): void
  /** The body can be looked at: its channel is there. */
  goOn(): void
  /** No more of the body for now, until `resumeBody`. */
  pauseBody(): void
  resumeBody(): void
  /** The present request has its answer; `isLast`: the connection ends with it. */
  answered(isLast: boolean): void
  /** The visitor sees that the answer is not whole; with RST when the end of the connection is what ends it. */
  cut(needsReset: boolean): void
}

/** Heads that wait for the body's first bytes, which usually come in the same batch. */
const waiting: Http1Exchange[] = []

/** Frames the body by length, in chunks, or by the connection's end (RFC 9112 section 6). */
export class Http1Exchange extends Exchange {
  private readonly connection: VisitorConnection
  private readonly request: IncomingRequest
  /** The head, until something takes it along. */
  private head = ''
  private isChunked = false
  private isUntilClose = false
  /** The connection cannot go on after this answer. */
  private isLast: boolean
  /** The channel is there for the body's bytes. */
  takesBody = false

  constructor(
    connection: VisitorConnection,
    request: IncomingRequest,
    access: AccessSink,
    visitor: Visitor,
    host: string,
    target: string,
  ) {
    super(access, visitor, request.method, request.hasNoBody, request.expect !== '')
    this.isFor(host, target)
    this.connection = connection
    this.request = request
    this.isLast = !request.isKeptAlive
  }

  /** Sends the head if nothing of the body has taken it along. */
  flushHead(): void {
    const { head } = this
    this.head = ''
    if (head !== '') this.connection.socket.write(head, 'latin1')
  }

  protected sendInterim(status: number, headers: HeaderList): void {
    // Interim answers are no part of HTTP/1.0; 100 is only for requests that asked for it (RFC 9110 section 15.2).
    if (this.request.minor === 0 || (status === 100 && this.request.expect === '')) return
    this.connection.socket.write(headText(status, '', headers), 'latin1')
  }

  protected sendHead(head: ResponseHead, headers: HeaderList, isBodyless: boolean, length: number): void {
    const { status } = head
    const { minor, method } = this.request
    let framing = hasDate(headers) ? '' : dateLine()
    if (status === 204) removeLength(headers)
    else if (isBodyless) {
      if (length < 0 && status !== 304 && method !== 'HEAD') framing += 'content-length: 0\r\n'
    } else if (length < 0) {
      if (minor === 1) {
        this.isChunked = true
        framing += 'transfer-encoding: chunked\r\n'
      } else this.isUntilClose = true
    }
    if (this.connection.isDraining || this.isUntilClose || (!this.isRequestWhole && isBodyless)) this.isLast = true
    if (this.isLast) framing += 'connection: close\r\n'
    else if (minor === 0) framing += 'connection: keep-alive\r\n'
    this.head = headText(status, head.reason, headers, framing)
    if (isBodyless) this.flushHead()
    else if (waiting.push(this) === 1) process.nextTick(flushHeads)
  }

  protected sendData(chunk: Buffer, last: boolean): boolean {
    const { socket } = this.connection
    const { head, isChunked } = this
    this.head = ''
    const before = isChunked ? `${head}${chunk.length.toString(16)}\r\n` : head
    const after = isChunked ? (last ? '\r\n0\r\n\r\n' : '\r\n') : ''
    const isBare = before === '' && after === ''
    const isJoined = !isBare && chunk.length <= JOINED_BYTES
    if (isJoined) return socket.write(before + chunk.toString('latin1') + after, 'latin1')
    const bytes = toWrite(socket, chunk)
    if (isBare) return socket.write(bytes)
    socket.cork()
    if (before !== '') socket.write(before, 'latin1')
    let isTaken = socket.write(bytes)
    if (after !== '') isTaken = socket.write(after, 'latin1')
    socket.uncork()
    return isTaken
  }

  protected sendEnd(trailers: HeaderList | undefined): void {
    this.flushHead()
    if (this.isChunked) this.connection.socket.write(lastChunkText(trailers), 'latin1')
  }

  protected sendReply(code: ReplyCode, options: ReplyOptions): void {
    if (!this.isRequestWhole || this.connection.isDraining) this.isLast = true
    this.connection.write(code, options, this.request, this.isLast)
  }

  protected cut(): void {
    this.connection.cut(this.isUntilClose)
  }

  protected readBody(): void {
    this.takesBody = true
    this.connection.goOn()
  }

  protected pauseBody(): void {
    this.connection.pauseBody()
  }

  protected resumeBody(): void {
    this.connection.resumeBody()
  }

  protected finished(): void {
    this.connection.answered(this.isLast || !this.isRequestWhole)
  }
}

function flushHeads(): void {
  for (const exchange of waiting.splice(0)) exchange.flushHead()
}

function hasDate(headers: HeaderList): boolean {
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'date') return true
  }
  return false
}

/** 204 has none (RFC 9110 section 8.6). */
function removeLength(headers: HeaderList): void {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === 'content-length') headers.splice(index, 2)
  }
}
