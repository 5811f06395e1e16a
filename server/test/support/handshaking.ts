// Both ends of what WireGuard and QUIC send, as far as others can read it.
import { quicPackets, someId, wireguardMessages } from '../../src/edge/testing/handshakes.ts'

/** The last bytes of a visitor's datagram are its number. */
const NUMBER_BYTES = 4

export interface Protocol {
  /** The visitor's nth datagram; `answer`: what the first one brought. */
  ask(index: number, bytes: number, answer: Buffer): Buffer
  /** The target's answer to the first datagram. */
  answer(first: Buffer): Buffer
  /** What it sends of its own. */
  data(bytes: number): Buffer
}

/** The number of a visitor's datagram. */
export function numberOf(datagram: Buffer): number {
  return datagram.readUInt32BE(datagram.length - NUMBER_BYTES)
}

/** Nothing but numbers. */
export const plain: Protocol = {
  ask: (index, bytes) => numbered(Buffer.alloc(Math.max(NUMBER_BYTES, bytes)), index),
  answer: () => Buffer.alloc(0),
  data: bytes => Buffer.alloc(bytes),
}

export function wireguard(): Protocol {
  const own = someId()
  return {
    ask: (index, bytes, answer) =>
      numbered(
        index === 0 ? wireguardMessages.initiation(own) : wireguardMessages.transport(answer.subarray(4, 8), bytes),
        index,
      ),
    answer: first => wireguardMessages.response(someId(), first.subarray(4, 8)),
    data: bytes => wireguardMessages.transport(own, bytes),
  }
}

/** `isSeen`: whether its visitor says the id that can be seen, as most do, or another one as quic-go. */
export function quic(isSeen = true): Protocol {
  const [own, first, unseen] = [Buffer.alloc(0), someId(10), someId()]
  const idIn = (answer: Buffer) => (isSeen ? answer.subarray(7, 7 + answer.readUInt8(6)) : unseen)
  return {
    ask: (index, bytes, answer) => {
      if (index === 0) return numbered(quicPackets.initial({ to: first, from: own, bytes }), index)
      const to = idIn(answer)
      return numbered(index === 1 ? quicPackets.initial({ to, from: own, bytes }) : quicPackets.short(to, bytes), index)
    },
    answer: initial =>
      quicPackets.serverInitial(initial.subarray(6, 6 + initial.readUInt8(5)), { to: own, from: someId() }),
    data: bytes => quicPackets.short(own, bytes),
  }
}

function numbered(datagram: Buffer, index: number): Buffer {
  datagram.writeUInt32BE(index, datagram.length - NUMBER_BYTES)
  return datagram
}
