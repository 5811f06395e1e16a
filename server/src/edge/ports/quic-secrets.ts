// Whether a packet was made by a server of QUIC: its Initial and Retry are encrypted and signed with keys that come of the id which the
// visitor made up for the server (RFC 9001 section 5, RFC 9369 section 3.3). They are no secret; a peer that has used them speaks QUIC.
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'

const V2 = 0x6b33_43cf
const V1_KEYS = {
  salt: Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex'),
  label: 'quic',
  retryKey: Buffer.from('be0c690b9f66575a1d766b54e368c84e', 'hex'),
  retryIv: Buffer.from('461599d35d632bf2239825bb', 'hex'),
}
const V2_KEYS = {
  salt: Buffer.from('0dede3def700a6db819381be6e269dcbf9bd2ed9', 'hex'),
  label: 'quicv2',
  retryKey: Buffer.from('8fb4b01b56ac48e260fbcbcead7ccc92', 'hex'),
  retryIv: Buffer.from('d86969bc2d7c6d9990efb04a', 'hex'),
}
const SECRET_BYTES = 32
const KEY_BYTES = 16
const IV_BYTES = 12
const TAG_BYTES = 16
const SAMPLE_BYTES = 16
/** A packet number has 1 to 4 bytes, and the sample begins as if it had 4. */
const MAX_NUMBER_BYTES = 4

/**
 * `datagram` begins with an Initial of a known version, whose ids end at `after`. `firstId`: the destination of the visitor's first Initial, a
 * character for each byte. Takes some 40 µs; does not throw.
 */
export function isServerInitial(datagram: Buffer, after: number, firstId: string): boolean {
  const token = lengthAt(datagram, after)
  // Only clients send tokens.
  if (token?.value !== 0) return false
  const rest = lengthAt(datagram, token.end)
  if (rest === undefined || rest.value < MAX_NUMBER_BYTES + SAMPLE_BYTES) return false
  const end = rest.end + rest.value
  if (end > datagram.length) return false
  const { salt, label } = keysOf(datagram)
  const initial = createHmac('sha256', salt).update(firstId, 'latin1').digest()
  const secret = expanded(initial, 'server in', SECRET_BYTES)
  const packet = Buffer.from(datagram.subarray(0, end))
  const numberBytes = unmask(packet, rest.end, expanded(secret, `${label} hp`, KEY_BYTES))
  const headerBytes = rest.end + numberBytes
  const iv = expanded(secret, `${label} iv`, IV_BYTES)
  for (let index = 1; index <= numberBytes; index++) {
    iv[IV_BYTES - index] = (iv[IV_BYTES - index] ?? 0) ^ (packet[headerBytes - index] ?? 0)
  }
  const key = expanded(secret, `${label} key`, KEY_BYTES)
  return opens(key, iv, packet.subarray(0, headerBytes), packet.subarray(headerBytes))
}

/** As `isServerInitial`, of a datagram that is a Retry (RFC 9001 section 5.8). */
export function isServerRetry(datagram: Buffer, firstId: string): boolean {
  if (datagram.length < TAG_BYTES) return false
  const { retryKey, retryIv } = keysOf(datagram)
  const tagAt = datagram.length - TAG_BYTES
  const first = Buffer.from(firstId, 'latin1')
  const signed = Buffer.concat([Buffer.from([first.length]), first, datagram.subarray(0, tagAt)])
  return opens(retryKey, retryIv, signed, datagram.subarray(tagAt))
}

function keysOf(datagram: Buffer): typeof V1_KEYS {
  return datagram.readUInt32BE(1) === V2 ? V2_KEYS : V1_KEYS
}

/** A variable-length integer of at most two bytes, as all are here (RFC 9000 section 16). */
function lengthAt(datagram: Buffer, offset: number): { readonly value: number; readonly end: number } | undefined {
  const first = datagram[offset]
  if (first === undefined) return undefined
  if (first < 0x40) return { value: first, end: offset + 1 }
  const second = datagram[offset + 1]
  if (first >= 0x80 || second === undefined) return undefined
  return { value: (first & 0x3f) * 256 + second, end: offset + 2 }
}

/** HKDF-Expand-Label (RFC 8446 section 7.1) for at most as much as one hash gives. */
function expanded(secret: Buffer, label: string, bytes: number): Buffer {
  const full = `tls13 ${label}`
  const info = Buffer.from([0, bytes, full.length, ...Buffer.from(full), 0, 1])
  return createHmac('sha256', secret).update(info).digest().subarray(0, bytes)
}

/** Takes the header's protection off (RFC 9001 section 5.4) and tells how many bytes the packet's number has. */
function unmask(packet: Buffer, offset: number, key: Buffer): number {
  const sample = packet.subarray(offset + MAX_NUMBER_BYTES, offset + MAX_NUMBER_BYTES + SAMPLE_BYTES)
  const mask = createCipheriv('aes-128-ecb', key, null).update(sample)
  const first = (packet[0] ?? 0) ^ ((mask[0] ?? 0) & 0x0f)
  packet[0] = first
  const bytes = (first & 3) + 1
  for (let index = 0; index < bytes; index++) {
    packet[offset + index] = (packet[offset + index] ?? 0) ^ (mask[index + 1] ?? 0)
  }
  return bytes
}

/** Whether AES-GCM opens what ends in its tag. */
function opens(key: Buffer, iv: Buffer, clear: Buffer, sealed: Buffer): boolean {
  const decipher = createDecipheriv('aes-128-gcm', key, iv, { authTagLength: TAG_BYTES })
  decipher.setAAD(clear)
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES))
  try {
    decipher.final()
    return true
  } catch {
    // That is how it says no.
    return false
  }
}
