// Forwards requests to a target that speaks HTTP/2 without TLS (h2c with prior knowledge), gRPC servers above all.
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  connect,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2'
import type { Socket } from 'node:net'
import {
  type Channel,
  type ChannelHandler,
  type ErrorCode,
  type HeaderList,
  KIB,
  MIB,
  type PbtError,
  type RequestHead,
  systemClock,
  toKeep,
  toWrite,
} from '@pbt/proto'
import type { Target } from '../target.ts'
import { dial } from './dial.ts'
import type { Forwarder } from './forwarder.ts'
import type { Places } from './places.ts'
import { type OnRequest, Recorder } from './record.ts'
import type { HostHeader } from './request-text.ts'

const WINDOW_BYTES = 1 * MIB
const SESSION_WINDOW_BYTES = 8 * MIB
const MAX_HEAD_BYTES = 64 * KIB
const MAX_INTERIM = 32

export interface Http2ForwarderOptions {
  readonly target: Target
  readonly host: HostHeader
  /** Check the certificate of an https target on this machine too. */
  readonly isVerified: boolean
  readonly places: Places
  readonly onRequest: OnRequest
}

type Use = (session: ClientHttp2Session | undefined, error: PbtError | undefined) => void

/** One connection for all requests, made when the first comes and again after it broke. */
export function createHttp2Forwarder(options: Http2ForwarderOptions): Forwarder {
  const { target, host, isVerified, places, onRequest } = options
  let session: ClientHttp2Session | undefined
  let waiting: Use[] | undefined
  const settle = (made: ClientHttp2Session | undefined, error: PbtError | undefined) => {
    const uses = waiting ?? []
    waiting = undefined
    for (const use of uses) use(made, error)
  }
  const withSession = (use: Use) => {
    if (session !== undefined && !session.closed && !session.destroyed) {
      use(session, undefined)
      return
    }
    if (waiting !== undefined) {
      waiting.push(use)
      return
    }
    waiting = [use]
    dial(
      { target, isVerified, alpn: 'h2', places, clock: systemClock },
      {
        onFailed: error => settle(undefined, error),
        onConnected: socket => {
          session = openSession(socket, target)
          settle(session, undefined)
        },
      },
    )
  }
  return {
    accept: (channel, open, last) => {
      if (open.kind !== 'http') return
      const { head } = open
      const exchange = new Http2Exchange(channel, head, last, host, onRequest)
      withSession((made, error) => {
        if (made === undefined) exchange.unreachable(error)
        else exchange.start(made)
      })
    },
    close: () => session?.close(),
  }
}

function openSession(socket: Socket, target: Target): ClientHttp2Session {
  // Node's types know the option for servers only.
  const options: ClientSessionOptions & { strictSingleValueFields: boolean } = {
    createConnection: () => socket,
    // What a visitor sends twice goes on twice: Node would throw.
    strictSingleValueFields: false,
    settings: { initialWindowSize: WINDOW_BYTES, enablePush: false, maxHeaderListSize: MAX_HEAD_BYTES },
  }
  const session = connect(`http://${target.authority}`, options)
  session.once('connect', () => session.setLocalWindowSize(SESSION_WINDOW_BYTES))
  session.on('error', () => session.destroy())
  return session
}

class Http2Exchange implements ChannelHandler {
  private readonly channel: Channel
  private readonly head: RequestHead
  private readonly host: HostHeader
  private readonly record: Recorder
  private isRequestWhole: boolean
  private stream: ClientHttp2Stream | undefined
  private waiting: Buffer[] = []
  private requestTrailers: HeaderList = []
  private responseTrailers: HeaderList = []
  private interim = 0
  private hasHead = false
  private isOver = false
  private owed = 0

  constructor(channel: Channel, head: RequestHead, last: boolean, host: HostHeader, onRequest: OnRequest) {
    this.channel = channel
    this.head = head
    this.isRequestWhole = last
    this.host = host
    this.record = new Recorder(onRequest, head.method, head.target, channel)
    channel.handler = this
  }

  unreachable(error: PbtError | undefined): void {
    this.fail(error?.code ?? 'target-unreachable', error?.message ?? 'no connection')
  }

  start(session: ClientHttp2Session): void {
    if (this.isOver) return
    const hasBody = !this.isRequestWhole || this.waiting.length > 0
    let stream: ClientHttp2Stream
    try {
      stream = session.request(this.requestHeaders(), { endStream: !hasBody, waitForTrailers: hasBody })
    } catch (error) {
      this.fail('target-broke', `the request could not be sent: ${error instanceof Error ? error.message : 'unknown'}`)
      return
    }
    this.stream = stream
    this.listen(stream)
    for (const chunk of this.waiting.splice(0)) this.send(stream, chunk)
    if (hasBody && this.isRequestWhole) stream.end()
  }

  private listen(stream: ClientHttp2Stream): void {
    stream.on('headers', (headers, _flags, raw) => this.onInterim(headers, raw))
    stream.on('response', (headers, _flags, raw) => this.onResponse(headers, raw))
    stream.on('trailers', (_headers, _flags, raw) => {
      this.responseTrailers = withoutPseudo(raw)
    })
    stream.on('wantTrailers', () => stream.sendTrailers(objectOf(this.requestTrailers)))
    stream.on('data', (chunk: Buffer) => {
      if (!this.channel.write(chunk)) stream.pause()
    })
    stream.on('drain', () => {
      const bytes = this.owed
      this.owed = 0
      if (bytes > 0) this.channel.consumed(bytes)
    })
    stream.on('error', error => this.fail('target-broke', `the target broke off: ${error.message}`))
    stream.on('end', () => {
      // Node also says "end" after an abort.
      if (!stream.aborted && stream.rstCode === constants.NGHTTP2_NO_ERROR) this.ended()
    })
    stream.on('close', () => this.closed(stream.rstCode))
  }

  // ChannelHandler.

  onData(chunk: Buffer): void {
    if (this.stream === undefined) this.waiting.push(toKeep(chunk))
    else this.send(this.stream, chunk)
  }

  onTrailers(trailers: HeaderList): void {
    this.requestTrailers = trailers
  }

  onEnd(): void {
    this.isRequestWhole = true
    this.stream?.end()
  }

  onReset(error: PbtError): void {
    this.over(error.code)
    this.stream?.close(constants.NGHTTP2_CANCEL)
  }

  onDrain(): void {
    this.stream?.resume()
  }

  private send(stream: ClientHttp2Stream, chunk: Buffer): void {
    if (stream.write(toWrite(stream, chunk))) this.channel.consumed(chunk.length)
    else this.owed += chunk.length
  }

  // What the target does.

  private onInterim(headers: IncomingHttpHeaders & IncomingHttpStatusHeader, raw: string[]): void {
    if (++this.interim > MAX_INTERIM) {
      this.fail('target-broke', `the target broke off: more than ${MAX_INTERIM} interim answers`)
      return
    }
    const status = headers[':status'] ?? 0
    if (status >= 100) this.channel.sendHead({ status, reason: '', headers: withoutPseudo(raw), upgrade: '' })
  }

  private onResponse(headers: IncomingHttpHeaders & IncomingHttpStatusHeader, raw: string[]): void {
    const status = headers[':status'] ?? 0
    if (status < 200 || status > 599) {
      this.fail('target-broke', `the target broke off: status ${status}`)
      return
    }
    this.hasHead = true
    this.record.status = status
    this.channel.sendHead({ status, reason: '', headers: withoutPseudo(raw), upgrade: '' })
  }

  private ended(): void {
    if (this.isOver || !this.hasHead) return
    if (this.responseTrailers.length > 0) this.channel.sendTrailers(this.responseTrailers)
    else this.channel.end()
    this.over('')
  }

  private closed(code: number | undefined): void {
    if (this.isOver) return
    this.fail('target-broke', `the target broke off (HTTP/2 code ${code ?? 'none'})`)
  }

  private requestHeaders(): string[] {
    const { method, target, headers } = this.head
    const list: string[] = []
    let authority = this.host.kind === 'value' ? this.host.value : ''
    for (let index = 0; index + 1 < headers.length; index += 2) {
      const name = (headers[index] ?? '').toLowerCase()
      const value = headers[index + 1] ?? ''
      if (name !== 'host') list.push(name, value)
      else if (authority === '') authority = value
    }
    return [':method', method, ':path', target, ':scheme', 'http', ':authority', authority, ...list]
  }

  private fail(code: ErrorCode, message: string): void {
    if (this.isOver) return
    this.channel.reset(code, message)
    this.over(code)
    this.stream?.close(constants.NGHTTP2_CANCEL)
  }

  private over(fault: string): void {
    this.isOver = true
    this.waiting = []
    this.record.over(fault)
  }
}

/** Octets of HTTP/2 names are lower case already; `pbt-error` is the edge's alone. */
function withoutPseudo(raw: readonly string[]): HeaderList {
  const headers: HeaderList = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? ''
    if (!name.startsWith(':') && name !== 'pbt-error') headers.push(name, raw[index + 1] ?? '')
  }
  return headers
}

function objectOf(trailers: HeaderList): Record<string, string | string[]> {
  const object: Record<string, string | string[]> = Object.create(null)
  for (let index = 0; index + 1 < trailers.length; index += 2) {
    const name = (trailers[index] ?? '').toLowerCase()
    const value = trailers[index + 1] ?? ''
    const before = object[name]
    object[name] = before === undefined ? value : [before, value].flat()
  }
  return object
}
