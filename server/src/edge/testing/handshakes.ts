// Messages of WireGuard and QUIC as they look to a relay: what can be read is as it should be, the rest by chance.
import { createCipheriv, createHmac, randomBytes } from 'node:crypto'

const V1 = 0x0000_0001
export const QUIC_V2 = 0x6b33_43cf
const INITIAL_BYTES = 1_252
const NUMBER_BYTES = 2
const TAG_BYTES = 16

/** One end's index or connection id. */
export function someId(bytes = 4): Buffer {
  return randomBytes(bytes)
}

function wireguard(type: number, bytes: number, ...ids: readonly Buffer[]): Buffer {
  const message = Buffer.concat([Buffer.from([type, 0, 0, 0]), ...ids, randomBytes(bytes)]).subarray(0, bytes)
  // Without a cookie the last authenticator of both messages of the handshake is zeros.
  return type < 3 ? message.fill(0, bytes - 16) : message
}

export const wireguardMessages = {
  initiation: (sender: Buffer) => wireguard(1, 148, sender),
  response: (sender: Buffer, receiver: Buffer) => wireguard(2, 92, sender, receiver),
  cookieReply: (receiver: Buffer) => wireguard(3, 64, receiver),
  transport: (receiver: Buffer, bytes = 96) => wireguard(4, bytes, receiver),
}

export interface LongHeader {
  /** The target of it. */
  readonly to: Buffer
  readonly from: Buffer
  readonly version?: number
  readonly bytes?: number
}

/** `type` as version 1 counts them. */
function header(type: number, { to, from, version = V1 }: LongHeader): Buffer {
  const bits = version === QUIC_V2 ? (type + 1) & 3 : type
  const start = Buffer.from([0xc0 | (bits << 4) | (NUMBER_BYTES - 1), 0, 0, 0, 0])
  start.writeUInt32BE(version, 1)
  return Buffer.concat([start, Buffer.from([to.length]), to, Buffer.from([from.length]), from])
}

function long(type: number, { bytes = INITIAL_BYTES, ...ids }: LongHeader): Buffer {
  return Buffer.concat([header(type, ids), randomBytes(bytes)]).subarray(0, bytes)
}

/** HKDF-Expand-Label of RFC 8446 section 7.1. */
function expanded(secret: Buffer, label: string, bytes: number): Buffer {
  const info = Buffer.concat([Buffer.from([0, bytes, 6 + label.length]), Buffer.from(`tls13 ${label}\0\x01`)])
  return createHmac('sha256', secret).update(info).digest().subarray(0, bytes)
}

/** AES-GCM with the tag behind it. */
function sealed(key: Buffer, iv: Buffer, clear: Buffer, text: Buffer): Buffer {
  const cipher = createCipheriv('aes-128-gcm', key, iv, { authTagLength: TAG_BYTES })
  cipher.setAAD(clear)
  return Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()])
}

/** A server's Initial to a visitor whose own first one was to `first`: RFC 9001 section 5, RFC 9369 section 3.3. */
function serverInitial(first: Buffer, { bytes = INITIAL_BYTES, ...ids }: LongHeader): Buffer {
  const isV2 = ids.version === QUIC_V2
  const label = isV2 ? 'quicv2' : 'quic'
  const salt = isV2 ? '0dede3def700a6db819381be6e269dcbf9bd2ed9' : '38762cf7f55934b34d179ae6a4c80cadccbb7f0a'
  const secret = expanded(createHmac('sha256', Buffer.from(salt, 'hex')).update(first).digest(), 'server in', 32)
  const start = header(0, ids)
  const textBytes = bytes - start.length - 3 - NUMBER_BYTES - TAG_BYTES
  // No token, the length of the rest, and the first number.
  const rest = Buffer.alloc(3 + NUMBER_BYTES)
  rest.writeUInt16BE(0x4000 | (NUMBER_BYTES + textBytes + TAG_BYTES), 1)
  const clear = Buffer.concat([start, rest])
  const text = sealed(
    expanded(secret, `${label} key`, 16),
    expanded(secret, `${label} iv`, 12),
    clear,
    randomBytes(textBytes),
  )
  const sample = text.subarray(4 - NUMBER_BYTES, 20 - NUMBER_BYTES)
  const mask = createCipheriv('aes-128-ecb', expanded(secret, `${label} hp`, 16), null).update(sample)
  clear.writeUInt8(clear.readUInt8(0) ^ (mask.readUInt8(0) & 0x0f), 0)
  for (let index = 1; index <= NUMBER_BYTES; index++) {
    const at = clear.length - NUMBER_BYTES - 1 + index
    clear.writeUInt8(clear.readUInt8(at) ^ mask.readUInt8(index), at)
  }
  return Buffer.concat([clear, text])
}

/** A server's Retry: RFC 9001 section 5.8, RFC 9369 section 3.3.3. */
function serverRetry(first: Buffer, ids: LongHeader): Buffer {
  const isV2 = ids.version === QUIC_V2
  const key = Buffer.from(isV2 ? '8fb4b01b56ac48e260fbcbcead7ccc92' : 'be0c690b9f66575a1d766b54e368c84e', 'hex')
  const iv = Buffer.from(isV2 ? 'd86969bc2d7c6d9990efb04a' : '461599d35d632bf2239825bb', 'hex')
  const retry = Buffer.concat([header(3, ids), randomBytes(40)])
  const signed = Buffer.concat([Buffer.from([first.length]), first, retry])
  return Buffer.concat([retry, sealed(key, iv, signed, Buffer.alloc(0))])
}

export const quicPackets = {
  initial: (ids: LongHeader) => long(0, ids),
  zeroRtt: (ids: LongHeader) => long(1, ids),
  handshake: (ids: LongHeader) => long(2, ids),
  retry: (ids: LongHeader) => long(3, { bytes: 120, ...ids }),
  /** What a connection consists of after its handshake. */
  short: (to: Buffer, bytes = 60) => Buffer.concat([Buffer.from([0x4f]), to, randomBytes(bytes)]).subarray(0, bytes),
  serverInitial,
  serverRetry,
}
