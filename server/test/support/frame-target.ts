// A target that speaks HTTP/2 without TLS and writes its frames by hand, for what no library does.
import type { Socket } from 'node:net'
import {
  ACK,
  DATA,
  END_HEADERS,
  END_STREAM,
  type Fields,
  FRAME_HEAD_BYTES,
  frame,
  GOAWAY,
  HEADERS,
  hpack,
  PING,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  uint32,
  WINDOW_UPDATE,
} from './http2-frames.ts'
import type { Cleaner } from './programs.ts'
import { rawTarget } from './targets.ts'

/** SETTINGS_MAX_CONCURRENT_STREAMS and SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 9113 section 6.5.2, RFC 8441 section 3). */
export const [MAX_STREAMS, TAKES_CONNECT] = [3, 8] as const

export interface TargetFrame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/**
 * One connection to the target. Settings and pings are acknowledged and windows kept open, as long as it `answers`. What sends
 * frames of a stream can be written in a row.
 */
export class TargetConnection {
  readonly socket: Socket
  readonly frames: TargetFrame[] = []
  /** Streams that were opened and are not over: neither reset nor ended by both sides. */
  readonly open = new Set<number>()
  answers = true
  private readonly onFrame: OnFrame
  private readonly half = new Set<number>()
  private pending: Buffer = Buffer.alloc(0)
  private hasPreface = false

  constructor(socket: Socket, settings: readonly (readonly [number, number])[], onFrame: OnFrame) {
    this.socket = socket
    this.onFrame = onFrame
    socket.on('data', (chunk: Buffer) => this.read(chunk))
    const pairs = settings.map(([id, value]) => Buffer.concat([Buffer.from([0, id]), uint32(value)]))
    this.send(SETTINGS, 0, 0, Buffer.concat(pairs))
  }

  /** What came on a stream: HEADERS and DATA, trailers included. */
  of(stream: number): TargetFrame[] {
    return this.frames.filter(each => each.stream === stream)
  }

  /** The bytes of a request's body that came. */
  body(stream: number): Buffer {
    return Buffer.concat(this.of(stream).flatMap(({ type, payload }) => (type === DATA ? [payload] : [])))
  }

  send(type: number, flags: number, stream: number, payload?: Buffer): void {
    if (this.socket.writable) this.socket.write(frame(type, flags, stream, payload))
    if (type === RST_STREAM) this.open.delete(stream)
    if ((type === HEADERS || type === DATA) && (flags & END_STREAM) !== 0) this.ended(stream)
  }

  head(stream: number, status: number, more: Fields = [], isWhole = false): this {
    const fields: Fields = [[':status', String(status)], ...more]
    this.send(HEADERS, END_HEADERS | (isWhole ? END_STREAM : 0), stream, hpack(fields))
    return this
  }

  trailers(stream: number, fields: Fields): this {
    this.send(HEADERS, END_HEADERS | END_STREAM, stream, hpack(fields))
    return this
  }

  data(stream: number, text: string | Buffer, isWhole = false): this {
    this.send(DATA, isWhole ? END_STREAM : 0, stream, Buffer.from(text))
    return this
  }

  /** A whole answer. */
  answer(stream: number, text: string): this {
    this.head(stream, 200)
    this.data(stream, text, true)
    return this
  }

  reset(stream: number, code: number): this {
    this.send(RST_STREAM, 0, stream, uint32(code))
    return this
  }

  goaway(last: number, code: number): this {
    this.send(GOAWAY, 0, 0, Buffer.concat([uint32(last), uint32(code)]))
    return this
  }

  /** Answers again, and opens the windows that were left shut. */
  reopen(): void {
    if (this.answers) return
    this.answers = true
    for (const each of [0, ...this.open]) this.send(WINDOW_UPDATE, 0, each, uint32(2 ** 20))
  }

  private ended(stream: number): void {
    if (this.half.has(stream)) this.open.delete(stream)
    this.half.add(stream)
  }

  private read(chunk: Buffer): void {
    this.pending = Buffer.concat([this.pending, chunk])
    if (!this.hasPreface) {
      if (this.pending.length < PREFACE.length) return
      this.hasPreface = true
      this.pending = this.pending.subarray(PREFACE.length)
    }
    while (this.pending.length >= FRAME_HEAD_BYTES) {
      const length = this.pending.readUIntBE(0, 3)
      if (this.pending.length < FRAME_HEAD_BYTES + length) break
      const [type = 0, flags = 0] = this.pending.subarray(3, 5)
      const stream = this.pending.readUInt32BE(5)
      const payload = this.pending.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + length)
      this.pending = this.pending.subarray(FRAME_HEAD_BYTES + length)
      const came = { type, flags, stream, payload }
      this.note(came)
      this.onFrame(this, came)
      this.reply(came)
    }
  }

  private note(came: TargetFrame): void {
    const { type, flags, stream } = came
    this.frames.push(came)
    if (type === HEADERS && this.of(stream).length === 1) this.open.add(stream)
    if (type === RST_STREAM) this.open.delete(stream)
    if ((type === HEADERS || type === DATA) && (flags & END_STREAM) !== 0) this.ended(stream)
  }

  private reply({ type, flags, stream, payload }: TargetFrame): void {
    if (!this.answers) return
    if (type === DATA && payload.length > 0) {
      for (const each of [0, stream]) this.send(WINDOW_UPDATE, 0, each, uint32(payload.length))
    }
    if ((type !== SETTINGS && type !== PING) || (flags & ACK) !== 0) return
    this.send(type, ACK, 0, type === PING ? payload : undefined)
  }
}

type OnFrame = (connection: TargetConnection, frame: TargetFrame) => void

export interface FrameTarget {
  readonly port: number
  readonly connections: TargetConnection[]
}

/** Told of every frame; connections come in their order. `settings`: pairs of identifier and value. */
export async function frameTarget(
  t: Cleaner,
  onFrame: OnFrame,
  settings: readonly (readonly [number, number])[] = [],
): Promise<FrameTarget> {
  const connections: TargetConnection[] = []
  const port = await rawTarget(t, socket => connections.push(new TargetConnection(socket, settings, onFrame)))
  return { port, connections }
}

/** Whether a frame begins a request: HEADERS on a stream that has none yet. */
export function beginsRequest(connection: TargetConnection, { type, stream }: TargetFrame): boolean {
  return type === HEADERS && connection.of(stream).filter(each => each.type === HEADERS).length === 1
}
