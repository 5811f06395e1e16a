// A minimal WebSocket, both sides: enough to echo frames and to see that none is lost (RFC 6455 section 5.2).
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

export const WEBSOCKET_KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

/** Sec-WebSocket-Accept for a key. */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** A target's yes to an upgrade; what comes then is the caller's, and an error of the connection nobody's. */
export function acceptUpgrade(request: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => {})
  const accept = acceptOf(String(request.headers['sec-websocket-key']))
  const head = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}`
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${head}\r\n\r\n`)
}

export function upgradeRequest(path = '/', host = 'app.localhost'): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Key: ${WEBSOCKET_KEY}\r\n\r\n`
}

/** One whole binary frame; masked with zeros when it comes from a client, so that its payload stays readable. */
export function frame(payload: Buffer, isMasked: boolean): Buffer {
  const mask = isMasked ? 0x80 : 0
  const length = payload.length
  const head =
    length < 126
      ? Buffer.from([0x82, mask | length])
      : length < 65_536
        ? Buffer.from([0x82, mask | 126, length >> 8, length & 0xff])
        : Buffer.concat([Buffer.from([0x82, mask | 127, 0, 0, 0, 0]), uint32(length)])
  return Buffer.concat([head, isMasked ? Buffer.alloc(4) : Buffer.alloc(0), payload])
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(value)
  return buffer
}

/** Takes frames out of what arrives. */
export class FrameReader {
  private pending: Buffer = Buffer.alloc(0)

  /** The payloads that are complete with this chunk. */
  push(chunk: Buffer): Buffer[] {
    this.pending = Buffer.concat([this.pending, chunk])
    const payloads: Buffer[] = []
    for (;;) {
      const payload = this.next()
      if (payload === undefined) return payloads
      payloads.push(payload)
    }
  }

  private next(): Buffer | undefined {
    const { pending } = this
    if (pending.length < 2) return undefined
    const isMasked = ((pending[1] ?? 0) & 0x80) !== 0
    let length = (pending[1] ?? 0) & 0x7f
    let at = 2
    if (length === 126) {
      if (pending.length < 4) return undefined
      length = pending.readUInt16BE(2)
      at = 4
    } else if (length === 127) {
      if (pending.length < 10) return undefined
      length = pending.readUInt32BE(6)
      at = 10
    }
    if (isMasked) at += 4
    if (pending.length < at + length) return undefined
    this.pending = pending.subarray(at + length)
    return pending.subarray(at, at + length)
  }
}
