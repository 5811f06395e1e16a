// What a handshake shows to a relay that cannot decrypt it: the ids by which the two ends know each other, in clear text.

/**
 * Where an id stands in a datagram: its offset times 256, and its length. Numbers and no objects, because every datagram may be
 * looked at.
 */
export type Place = number

/** There is no such id. Another place may be empty: 0 bytes long. */
export const NOWHERE: Place = -1

/** Both in bytes, from the beginning of the datagram; `length` is below 256. */
export function placeAt(offset: number, length: number): Place {
  return offset * 256 + length
}

/** In bytes, from the beginning of the datagram; NOWHERE has none. */
export function offsetOf(place: Place): number {
  return place >> 8
}

/** In bytes; NOWHERE has none. */
export function lengthOf(place: Place): number {
  return place & 0xff
}

/** A protocol whose two ends choose an id each, and say the other's in all that they send to it. Nothing in it throws. */
export interface Handshake {
  /** Whether a visitor that has not been shown to receive anything sends such a datagram, and not another protocol's. */
  isSpoken(datagram: Buffer): boolean
  /** The id by which the sender of a message of the handshake is known. */
  sender(datagram: Buffer): Place
  /** The id of its receiver, in messages of the handshake and others that say where it ends. */
  receiver(datagram: Buffer): Place
  /** Whether it is what a visitor begins with. */
  isRequest(datagram: Buffer): boolean
  /** Whether it looks like a message of the handshake from a target, to a visitor that asked or to one it knows. */
  isAnswer(datagram: Buffer): boolean
  /** Whether an answer was made by a peer that speaks the protocol. `first`: the receiver of the visitor's request. */
  isGenuine(datagram: Buffer, first: string): boolean
  /** Whether it is for the end that chose this id. */
  isFor(datagram: Buffer, id: string): boolean
  /** Whether a visitor goes on with an id that was given to it unseen, together with the one that could be seen. */
  isForUnseen(datagram: Buffer, given: string, first: string): boolean
  /** Whether a visitor that goes on so may have sent it. */
  isMore(datagram: Buffer): boolean
  /** A peer that sent the other's id is believed for so long. */
  readonly provenMs: number
  /** And for as long as its flow lasts: ids that are given later cannot be seen. */
  readonly isProvenForGood: boolean
  /** A visitor may say other ids in so many datagrams after one was given to it. */
  readonly maxMisses: number
}

/** Whether the first byte is that of a message in which any of these protocols names a sender. Of others few are. */
export function mayBeHandshake(datagram: Buffer): boolean {
  const first = datagram[0] ?? 0
  return first >= 0x80 || first === 1 || first === 2
}

/** Whether this id, a character for each byte, stands there. */
export function stands(datagram: Buffer, place: Place, id: string): boolean {
  return place !== NOWHERE && lengthOf(place) === id.length && standsAt(datagram, offsetOf(place), id)
}

/** Whether it stands from there on, whatever its place. */
export function standsAt(datagram: Buffer, offset: number, id: string): boolean {
  if (offset + id.length > datagram.length) return false
  for (let index = 0; index < id.length; index++) {
    if (datagram[offset + index] !== id.charCodeAt(index)) return false
  }
  return true
}

/** A character for each byte of it. */
export function idAt(datagram: Buffer, place: Place): string {
  return datagram.toString('latin1', offsetOf(place), offsetOf(place) + lengthOf(place))
}
