// QUIC's packets, as far as every version shows them (RFC 8999) and versions 1 and 2 say what they are (RFC 9000 section 17, RFC 9369).
// Each end chooses a connection id: the server's stands in its first packets, and in every packet that is for it after them.
import { type Handshake, lengthOf, NOWHERE, offsetOf, type Place, placeAt, stands, standsAt } from '../handshakes.ts'
import { isServerInitial, isServerRetry } from './quic-secrets.ts'

const V1 = 0x0000_0001
const V2 = 0x6b33_43cf
const INITIAL = 0
const HANDSHAKE = 2
const RETRY = 3
const DESTINATION = 6
const MAX_ID_BYTES = 20
// A visitor's datagrams with an Initial are at least so long; servers drop others (RFC 9000 section 14.1).
const LEAST_INITIAL_BYTES = 1_200
/**
 * RFC 9000 section 8.1 believes in ids of 64 bits; some servers (quic-go, and so Caddy) choose 32. That is enough where
 * MAX_QUIC_MISSES are all that a forger may try, and each handshake costs it LEAST_INITIAL_BYTES and the target an answer.
 */
const LEAST_ID_BYTES = 4
const MAX_QUIC_MISSES = 1_024
// What follows the id in a packet with a short header, so that there is something to sample (RFC 9001 section 5.4.2).
const LEAST_REST_BYTES = 20
/** An address is known by the id of a connection for so long after its flow: a router may forget it, and it goes on from another port. */
const QUIC_PROVEN_MS = 600_000
// Set in each packet, unless the ends have agreed otherwise (RFC 9287).
const FIXED_BIT = 0x40

/** The type of a long header of a known version that fits, as version 1 counts them; -1: it is none. */
function typeOf(datagram: Buffer): number {
  const { length } = datagram
  const first = datagram[0] ?? 0
  if (length <= DESTINATION || first < 0x80) return -1
  const version = datagram.readUInt32BE(1)
  if (version !== V1 && version !== V2) return -1
  const destination = datagram[5] ?? 0
  const source = datagram[DESTINATION + destination]
  if (source === undefined || destination > MAX_ID_BYTES || source > MAX_ID_BYTES) return -1
  if (DESTINATION + destination + 1 + source > length) return -1
  const type = (first >> 4) & 3
  return version === V1 ? type : (type + 3) & 3
}

function sender(datagram: Buffer): Place {
  if (typeOf(datagram) < 0) return NOWHERE
  const end = DESTINATION + (datagram[5] ?? 0)
  return placeAt(end + 1, datagram[end] ?? 0)
}

function receiver(datagram: Buffer): Place {
  return typeOf(datagram) < 0 ? NOWHERE : placeAt(DESTINATION, datagram[5] ?? 0)
}

/** QUIC versions 1 and 2; the ids are connection ids (RFC 9000 section 5.1). */
export const quic: Handshake = {
  isSpoken: datagram => {
    const type = typeOf(datagram)
    return type === INITIAL ? datagram.length >= LEAST_INITIAL_BYTES : type > INITIAL && type !== RETRY
  },
  sender,
  receiver,
  isRequest: datagram => typeOf(datagram) === INITIAL && datagram.length >= LEAST_INITIAL_BYTES,
  // All packets of a datagram are of one connection, so its first says enough (RFC 9000 section 12.2).
  isAnswer: datagram => {
    const type = typeOf(datagram)
    return (type === INITIAL || type === RETRY) && lengthOf(sender(datagram)) >= LEAST_ID_BYTES
  },
  isGenuine: (datagram, first) => {
    if (typeOf(datagram) === RETRY) return isServerRetry(datagram, first)
    const place = sender(datagram)
    return isServerInitial(datagram, offsetOf(place) + lengthOf(place), first)
  },
  isFor: (datagram, id) => {
    if ((datagram[0] ?? 0) >= 0x80) return stands(datagram, receiver(datagram), id)
    return datagram.length >= 1 + id.length + LEAST_REST_BYTES && standsAt(datagram, 1, id)
  },
  isForUnseen: (datagram, given, first) => {
    const type = typeOf(datagram)
    if (type !== INITIAL && type !== HANDSHAKE) return false
    const place = receiver(datagram)
    return lengthOf(place) === given.length && !stands(datagram, place, first)
  },
  isMore: datagram => ((datagram[0] ?? 0) & 0xc0) === FIXED_BIT || typeOf(datagram) >= INITIAL,
  provenMs: QUIC_PROVEN_MS,
  // Those that replace the first in a connection that is old or has moved are encrypted (RFC 9000 section 19.15).
  isProvenForGood: true,
  maxMisses: MAX_QUIC_MISSES,
}
