// WireGuard's messages, as far as they can be read without its keys (section 5.4 of the paper, https://www.wireguard.com/protocol/).
// Each session has an index at either end: 32 random bits that only the other end is told, unencrypted.
import { type Handshake, NOWHERE, type Place, placeAt, stands } from '../handshakes.ts'

const INITIATION = 1
const RESPONSE = 2
const COOKIE_REPLY = 3
const TRANSPORT = 4
const INITIATION_BYTES = 148
const RESPONSE_BYTES = 92
const COOKIE_REPLY_BYTES = 64
const MAC_BYTES = 16
const INDEX_BYTES = 4
// A header and the tag of nothing: what keeps a session alive.
const LEAST_TRANSPORT_BYTES = 32
const FIRST = placeAt(4, INDEX_BYTES)
const SECOND = placeAt(8, INDEX_BYTES)
/** An address is known by a session's index for so long, as long as any is used (REJECT_AFTER_TIME): the next handshake shows it again. */
const WIREGUARD_PROVEN_MS = 180_000
/**
 * Datagrams of other sessions after a handshake: what was under way in a fast upload. A peer that tries as many by chance finds the index,
 * which has 32 bits, once in 65,536 handshakes, and each of those takes a peer with a key.
 */
const MAX_WIREGUARD_MISSES = 65_536

/** The type of a message whose length fits, otherwise 0. */
function typeOf(datagram: Buffer): number {
  const { length } = datagram
  if (length < LEAST_TRANSPORT_BYTES || datagram[1] !== 0 || datagram[2] !== 0 || datagram[3] !== 0) return 0
  const type = datagram[0] ?? 0
  if (type === TRANSPORT) return type
  if (type === INITIATION) return length === INITIATION_BYTES ? type : 0
  if (type === RESPONSE) return length === RESPONSE_BYTES ? type : 0
  return type === COOKIE_REPLY && length === COOKIE_REPLY_BYTES ? type : 0
}

/** The second authenticator is zeros unless the other end is under load; in other protocols something stands there. */
function hasNoCookie(datagram: Buffer): boolean {
  for (let offset = datagram.length - MAC_BYTES; offset < datagram.length; offset++) {
    if (datagram[offset] !== 0) return false
  }
  return true
}

function receiver(datagram: Buffer): Place {
  const type = typeOf(datagram)
  if (type === TRANSPORT || type === COOKIE_REPLY) return FIRST
  return type === RESPONSE ? SECOND : NOWHERE
}

/** WireGuard; the ids are its session indexes of 32 bits. */
export const wireguard: Handshake = {
  isSpoken: datagram => typeOf(datagram) !== 0,
  sender: datagram => {
    const type = typeOf(datagram)
    return type === INITIATION || type === RESPONSE ? FIRST : NOWHERE
  },
  receiver,
  isRequest: datagram => typeOf(datagram) === INITIATION,
  // Either end begins a session when it has something to send, so a target's initiation is one too.
  isAnswer: datagram => {
    const type = typeOf(datagram)
    return (type === RESPONSE || type === INITIATION) && hasNoCookie(datagram)
  },
  isGenuine: () => true,
  isFor: (datagram, id) => stands(datagram, receiver(datagram), id),
  isForUnseen: () => false,
  isMore: () => false,
  provenMs: WIREGUARD_PROVEN_MS,
  isProvenForGood: false,
  maxMisses: MAX_WIREGUARD_MISSES,
}
