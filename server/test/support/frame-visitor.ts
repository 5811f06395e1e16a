// A visitor who writes its HTTP/2 frames by hand and sees what becomes of each stream.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import {
  ACK,
  CONTINUATION,
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
} from './http2-frames.ts'
import type { RunningServer } from './programs.ts'

const MAX_PAYLOAD = 16_384
const WAIT_MS = 60_000

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** What the peer did with a stream. */
export type Outcome = 'reset' | 'goaway' | 'closed' | number

/** A connection on which a test writes frames; settings and pings are acknowledged. */
export class FrameVisitor {
  readonly socket: TLSSocket
  /** The connection below. */
  readonly tcp: Socket
  readonly frames: Frame[] = []
  private pending: Buffer = Buffer.alloc(0)
  private waiting: (() => void)[] = []
  private nextStream = 1

  constructor(socket: TLSSocket, tcp: Socket) {
    this.socket = socket
    this.tcp = tcp
    socket.on('data', (chunk: Buffer) => this.read(chunk))
    socket.on('error', () => this.wake())
    socket.on('close', () => this.wake())
    socket.write(PREFACE)
    this.send(SETTINGS, 0, 0)
  }

  send(type: number, flags: number, stream: number, payload?: Buffer): void {
    this.socket.write(frame(type, flags, stream, payload))
  }

  /** Opens a stream with these fields in exactly this order, over several frames if need be, and returns its number. */
  open(fields: Fields, isWhole = true): number {
    const stream = this.nextStream
    this.nextStream += 2
    this.headers(stream, fields, isWhole)
    return stream
  }

  /** A header section on a stream, be it the first or the trailers. */
  headers(stream: number, fields: Fields, isWhole: boolean): void {
    const block = hpack(fields)
    for (let at = 0; at === 0 || at < block.length; at += MAX_PAYLOAD) {
      const isLast = at + MAX_PAYLOAD >= block.length
      const flags = (isLast ? END_HEADERS : 0) | (at === 0 && isWhole ? END_STREAM : 0)
      const type = at === 0 ? HEADERS : CONTINUATION
      this.send(type, flags, stream, block.subarray(at, at + MAX_PAYLOAD))
    }
  }

  /** The status that answers a stream, or how it was refused. */
  async outcome(stream: number): Promise<Outcome> {
    let outcome: Outcome | undefined
    await this.until(() => {
      outcome = this.outcomeSoFar(stream)
      return outcome !== undefined
    }, `an answer to stream ${stream}`)
    return outcome ?? 'closed'
  }

  /** Waits until it holds, which is looked at after each piece that comes. */
  async until(holds: () => boolean, what: string): Promise<void> {
    const deadline = AbortSignal.timeout(WAIT_MS)
    while (!holds()) {
      if (this.socket.destroyed || deadline.aborted) throw new Error(`${what} did not come within ${WAIT_MS} ms`)
      await new Promise<void>(resolve => {
        this.waiting.push(resolve)
        deadline.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  private outcomeSoFar(stream: number): Outcome | undefined {
    for (const { type, stream: of, payload } of this.frames) {
      if (of === stream && type === RST_STREAM) return 'reset'
      if (of === stream && type === HEADERS) return statusOf(payload)
      if (type === GOAWAY) return 'goaway'
    }
    return this.socket.destroyed ? 'closed' : undefined
  }

  private read(chunk: Buffer): void {
    this.pending = Buffer.concat([this.pending, chunk])
    while (this.pending.length >= FRAME_HEAD_BYTES) {
      const length = this.pending.readUIntBE(0, 3)
      if (this.pending.length < FRAME_HEAD_BYTES + length) break
      const [type = 0, flags = 0] = this.pending.subarray(3, 5)
      const stream = this.pending.readUInt32BE(5)
      const payload = this.pending.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + length)
      this.pending = this.pending.subarray(FRAME_HEAD_BYTES + length)
      this.frames.push({ type, flags, stream, payload })
      if ((type === SETTINGS || type === PING) && (flags & ACK) === 0) {
        this.send(type, ACK, 0, type === PING ? payload : undefined)
      }
    }
    this.wake()
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve()
  }
}

/** `:status` comes first: from the static table (RFC 7541 appendix A), or as three digits, plain or Huffman-coded. */
function statusOf(block: Buffer): number {
  const indexed = [200, 204, 206, 304, 400, 404, 500]
  // A change of the table's size may stand before it.
  const from = ((block[0] ?? 0) & 0xe0) === 0x20 ? 1 : 0
  const first = block[from] ?? 0
  if (first >= 0x88 && first <= 0x8e) return indexed[first - 0x88] ?? 0
  const length = block[from + 1] ?? 0
  const value = block.subarray(from + 2, from + 2 + (length & 0x7f))
  return length & 0x80 ? huffmanDigits(value) : Number(value.toString('latin1'))
}

/** Digits only: 0, 1 and 2 have five bits, the others six (RFC 7541 appendix B). */
function huffmanDigits(octets: Buffer): number {
  const bits = [...octets].map(octet => octet.toString(2).padStart(8, '0')).join('')
  let digits = ''
  for (let at = 0; digits.length < 3 && at + 5 <= bits.length; ) {
    const five = Number.parseInt(bits.slice(at, at + 5), 2)
    if (five <= 2) {
      digits += five
      at += 5
      continue
    }
    digits += Number.parseInt(bits.slice(at, at + 6), 2) - 0x19 + 3
    at += 6
  }
  return Number(digits)
}

/** A connection to the TLS port on which frames are written by hand; destroyed after the test. */
export async function frameVisitor(t: TestContext, server: RunningServer, servername = 'app.localhost', from?: string) {
  const tcp = connect({ port: server.https, host: '127.0.0.1', ...(from === undefined ? {} : { localAddress: from }) })
  tcp.on('error', () => {})
  const socket = connectTls({ socket: tcp, servername, ca: readFileSync(server.ca), ALPNProtocols: ['h2'] })
  t.after(() => tcp.destroy())
  await once(socket, 'secureConnect')
  return new FrameVisitor(socket, tcp)
}
