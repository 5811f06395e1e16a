// Flows that shake hands, as those who prove addresses by it see them.
import assert from 'node:assert/strict'
import { FakeClock } from '@pbt/proto/testing'
import { AddressProof, Proofs } from '../ports/address-proof.ts'
import { QUIC_V2, quicPackets, someId, wireguardMessages } from './handshakes.ts'

export const VISITOR = '203.0.113.7'
export const OTHER = '198.51.100.9'
export const SECOND = 1_000
const { initiation, response, cookieReply, transport } = wireguardMessages
const { initial, handshake, short, serverInitial, serverRetry } = quicPackets
/** The destination id of a QUIC visitor's first packet: it makes that up. */
export const FIRST = someId(8)

/** A port with a clock by hand, and flows of it that are told what comes and goes. */
export function portFor() {
  const clock = new FakeClock()
  const proofs = new Proofs(clock)
  const flows: ReturnType<typeof flow>[] = []
  const flow = (address = VISITOR) => {
    const proof = new AddressProof(proofs, address)
    return {
      proof,
      says: (...datagrams: readonly Buffer[]) => {
        for (const datagram of datagrams) proof.received(datagram, clock.now())
        return proof.isProven
      },
      isTold: (...datagrams: readonly Buffer[]) => {
        for (const datagram of datagrams) proof.answered(datagram)
        return proof.isProven
      },
    }
  }
  return {
    clock,
    proofs,
    open: (address?: string) => {
      const opened = flow(address)
      flows.push(opened)
      return opened
    },
    /** As the listeners do every second. */
    pass: (ms: number) => {
      clock.advance(ms)
      for (const { proof } of flows) proof.pass(clock.now())
    },
  }
}

/** A handshake as the two ends of a flow make it. */
export interface Kind {
  readonly what: string
  readonly idBytes: number
  readonly ownBytes: number
  /** What a visitor known by `own` begins with; each call is another attempt of it. */
  request(own: Buffer): Buffer
  answer(own: Buffer, id: Buffer): Buffer
  /** All that goes to the end that chose `id` from then on. */
  readonly says: readonly ((own: Buffer, id: Buffer) => Buffer)[]
}

/** `answer`: with what the target gives its id. */
export function quicKind(what: string, idBytes: number, ownBytes: number, version = 1, answer = serverInitial): Kind {
  return {
    ...{ what, idBytes, ownBytes },
    request: own => initial({ to: FIRST, from: own, version }),
    answer: (own, id) => answer(FIRST, { to: own, from: id, version }),
    says: [
      (own, id) => initial({ to: id, from: own, version }),
      (own, id) => handshake({ to: id, from: own, version, bytes: 90 }),
      (_own, id) => short(id),
    ],
  }
}

export const WIREGUARD: Kind = {
  ...{ what: 'WireGuard', idBytes: 4, ownBytes: 4 },
  request: initiation,
  answer: (own, id) => response(id, own),
  says: [(_own, id) => transport(id), (_own, id) => transport(id, 32), (_own, id) => cookieReply(id)],
}

export const KINDS: readonly Kind[] = [
  WIREGUARD,
  quicKind('QUIC', 8, 8),
  quicKind('QUIC version 2', 20, 20, QUIC_V2),
  quicKind('QUIC of a browser, which has no id', 4, 0),
  quicKind('QUIC with a retry', 16, 5, 1, serverRetry),
  quicKind('QUIC version 2 with a retry', 16, 5, QUIC_V2, serverRetry),
]

/** A visitor asks, is answered, and says what it was given. */
export function shake(kind: Kind, port: ReturnType<typeof portFor>, address = VISITOR) {
  const [own, id] = [someId(kind.ownBytes), someId(kind.idBytes)]
  const flow = port.open(address)
  flow.says(kind.request(own))
  flow.isTold(kind.answer(own, id))
  const [say] = kind.says
  assert.ok(say !== undefined && flow.says(say(own, id)))
  return { flow, own, id }
}
