// Whether a visitor receives what is sent to its address, or only says so: shown by the handshakes of WireGuard and QUIC to the relay that
// forwards them. The target gives its visitor an id (a session's index, a connection id) that could not be known before, and the
// visitor says it in whatever it sends from then on. That is what RFC 9000 section 8.1 calls address validation, and why both
// protocols send much to little only after it.
//
// What an attacker that forges an address can know of ids proves nothing, so an id counts only
// - when it is new: no visitor of the port sent it and the target gave it to none, as far back as SeenIds remembers, which leaves
//   out targets that send back or pass on what they get, or always the same;
// - when QUIC's packet is one, by the keys that belong to what the visitor sent;
// - in a flow of that protocol alone: whose visitor ever sent something else before is not looked at, since what its target
//   answers to that may be of the forger's making and look like a handshake (memcached can be made to);
// - for the address to which it was sent.
// What is left are targets that have been made to look so with ids that can be foretold. They would have to be told from the real.
//
// A visitor of QUIC may be given more ids with the first, in packets that cannot be read, and go on with one of those at once
// (quic-go does). Then the flow is believed for the target's sake, which has been seen to speak QUIC: without its visitor's
// acknowledgements, which cannot be forged, it sends no more than the first window of its congestion control. That holds for
// as long as the visitor sends nothing but QUIC, and says nothing for other flows.
import type { Clock } from '@pbt/proto'
import { type Handshake, idAt, mayBeHandshake, NOWHERE, stands } from '../handshakes.ts'
import { ProvenAddresses } from './proven-addresses.ts'
import { quic } from './quic-handshake.ts'
import { SeenIds } from './seen-ids.ts'
import { wireguard } from './wireguard-handshake.ts'

const HANDSHAKES: readonly Handshake[] = [wireguard, quic]
/** How often a flow that stays proven says so to those that come after it. */
const RENEW_MS = 60_000

/** What the flows of one tunnel at one port have in common. */
export class Proofs {
  readonly clock: Clock
  readonly seen: SeenIds
  readonly addresses = new ProvenAddresses()

  constructor(clock: Clock) {
    this.clock = clock
    this.seen = new SeenIds(clock)
  }
}

/** Of one flow. Takes every datagram of it, in its order, before it is passed on. */
export class AddressProof {
  /** The visitor receives what is sent to it. */
  isProven = false
  private readonly proofs: Proofs
  private readonly address: string
  /** What is spoken in this flow; undefined before its first datagram, and when that is something else. */
  private handshake: Handshake | undefined
  /** It is not looked at any more. */
  private isOver = false
  /** The id by which the target's answer must name the visitor, and the one that the visitor sent to. */
  private own: string | undefined
  private first = ''
  /** The target sent it, and the visitor has not said it yet. */
  private given: string | undefined
  private misses = 0
  /** Said last, and until when that counts; undefined while the flow is believed for the target's sake. */
  private said: string | undefined
  private until = 0

  constructor(proofs: Proofs, address: string) {
    this.proofs = proofs
    this.address = address
  }

  /** The visitor sent this. */
  received(datagram: Buffer, now: number): void {
    if (mayBeHandshake(datagram)) this.note(datagram)
    const { handshake, given } = this
    if (this.isOver) return
    if (handshake === undefined) this.begin(datagram, now)
    else if (given !== undefined && handshake.isFor(datagram, given)) this.prove(given, handshake, now)
    else if (!this.isProven) this.tell(datagram, handshake, given)
    else if (this.said === undefined && !handshake.isMore(datagram)) this.end()
    else if (given !== undefined) this.miss(handshake)
  }

  /** The target sent this. */
  answered(datagram: Buffer): void {
    const { handshake, own, given } = this
    if (handshake === undefined || this.isOver || !mayBeHandshake(datagram) || !handshake.isAnswer(datagram)) return
    const receiver = handshake.receiver(datagram)
    if (receiver !== NOWHERE && (own === undefined || !stands(datagram, receiver, own))) return
    const place = handshake.sender(datagram)
    // Sent again, because it got no answer yet.
    if (given !== undefined && stands(datagram, place, given)) return
    if (!this.proofs.seen.add(datagram, place) || !handshake.isGenuine(datagram, this.first)) return
    this.given = idAt(datagram, place)
    this.misses = 0
  }

  /** Called every second or so. */
  pass(now: number): void {
    const { handshake, said } = this
    if (!this.isProven || handshake === undefined || said === undefined) return
    if (!handshake.isProvenForGood) this.isProven = now < this.until
    else if (this.until - now <= handshake.provenMs - RENEW_MS) this.remember(said, handshake, now)
  }

  /** The ids that a visitor names are no news to it, whatever else it sends. */
  private note(datagram: Buffer): void {
    for (const handshake of HANDSHAKES) {
      const sender = handshake.sender(datagram)
      if (sender === NOWHERE) continue
      const { seen } = this.proofs
      seen.add(datagram, sender)
      const receiver = handshake.receiver(datagram)
      if (receiver !== NOWHERE) seen.add(datagram, receiver)
      if (this.isOver || !handshake.isRequest(datagram)) continue
      const isOwn = this.own !== undefined && stands(datagram, sender, this.own)
      if (!isOwn) this.own = idAt(datagram, sender)
      // A visitor that has an answer goes on with it.
      if (receiver !== NOWHERE && (!isOwn || this.given === undefined)) this.first = idAt(datagram, receiver)
    }
  }

  /** The first datagram tells what the flow is. */
  private begin(datagram: Buffer, now: number): void {
    const known = this.proofs.addresses.find(this.address, datagram, now)
    this.handshake = known?.handshake ?? HANDSHAKES.find(({ isSpoken }) => isSpoken(datagram))
    if (this.handshake === undefined) this.end()
    if (known === undefined) return
    this.isProven = true
    this.said = known.id
    this.until = known.until
  }

  /** What an unproven visitor's datagram tells that does not say what was given. */
  private tell(datagram: Buffer, handshake: Handshake, given: string | undefined): void {
    if (given !== undefined && handshake.isForUnseen(datagram, given, this.first)) {
      this.isProven = true
      this.given = undefined
    } else if (!handshake.isSpoken(datagram) && !(given !== undefined && handshake.isMore(datagram))) this.end()
    else if (given !== undefined) this.miss(handshake)
  }

  private miss(handshake: Handshake): void {
    if (++this.misses > handshake.maxMisses) this.given = undefined
  }

  private end(): void {
    this.isOver = true
    this.isProven = false
    this.given = undefined
  }

  private prove(id: string, handshake: Handshake, now: number): void {
    this.isProven = true
    this.given = undefined
    this.first = id
    this.said = id
    this.remember(id, handshake, now)
  }

  private remember(id: string, handshake: Handshake, now: number): void {
    this.until = now + handshake.provenMs
    this.proofs.addresses.add(this.address, { handshake, id, until: this.until })
  }
}
