// One UDP visitor of a port: what it sends goes to the tunnel, and what the tunnel answers goes to it.
import type { Channel, ChannelHandler, PbtError } from '@pbt/proto'
import type { LiveTunnel } from '../../relay/registry.ts'
import type { AddressProof } from './address-proof.ts'
import type { Source } from './reply-budget.ts'

/** The order of eviction is exact to this: a flow that speaks all the time is not moved at each datagram. */
const PLACE_MS = 100

/** The socket that a flow came by. */
export interface FlowOwner {
  now(): number
  /** The flow has something for its visitor. */
  send(datagram: Buffer, flow: Flow): void
  /** The flow is not silent. */
  moveBack(flow: Flow): void
}

/** The datagrams between one visitor's address and port and a tunnel, until either end is silent or closed. */
export class Flow implements ChannelHandler {
  channel: Channel | undefined
  lastAt: number
  readonly key: string
  readonly address: string
  readonly port: number
  readonly source: Source
  readonly tunnel: LiveTunnel
  readonly idleMs: number
  private readonly owner: FlowOwner
  private readonly ended: (reason: string) => void
  /** How many times what came may be sent to a visitor that may be forged. */
  private readonly factor: number
  /** That it is not; undefined: there is no bound, and nothing is counted or looked at. */
  private readonly proof: AddressProof | undefined
  /** When it got its place in the order of eviction. */
  private placedAt: number

  /** `ended`: called once, with the reason for the access log. */
  constructor(
    owner: FlowOwner,
    key: string,
    address: string,
    port: number,
    source: Source,
    proof: AddressProof | undefined,
    tunnel: LiveTunnel,
    ended: (reason: string) => void,
  ) {
    this.owner = owner
    this.key = key
    this.address = address
    this.port = port
    this.source = source
    this.tunnel = tunnel
    this.ended = ended
    this.idleMs = tunnel.idleTimeoutMs
    this.factor = tunnel.replyFactor ?? 0
    this.proof = proof
    this.lastAt = owner.now()
    this.placedAt = this.lastAt
  }

  /** False: the datagram was dropped. */
  receive(datagram: Buffer, now: number): boolean {
    this.lastAt = now
    if (now - this.placedAt >= PLACE_MS) {
      this.placedAt = now
      this.owner.moveBack(this)
    }
    const { proof } = this
    if (proof !== undefined) {
      proof.received(datagram, now)
      if (!proof.isProven) this.source.earn(this.factor * datagram.length)
    }
    return this.channel?.sendDatagram(datagram) === true
  }

  /** Whether the visitor may be sent so many bytes, and then they count as sent. */
  spend(bytes: number): boolean {
    return this.proof === undefined || this.proof.isProven || this.source.spend(bytes)
  }

  /** Called every second or so. */
  pass(now: number): void {
    if (now - this.lastAt > this.idleMs) this.close('idle timeout', '')
    else this.proof?.pass(now)
  }

  close(why: string, reason: string): void {
    this.channel?.reset('cancelled', why)
    this.ended(reason)
  }

  onDatagram(datagram: Buffer): void {
    this.proof?.answered(datagram)
    // Not a sign of the visitor: one that has left is sent nothing for longer than the idle time.
    this.owner.send(datagram, this)
  }

  onEnd(): void {
    this.close('the client ended it', '')
  }

  onReset(error: PbtError): void {
    if (error.code === 'limit') this.tunnel.noteShort()
    this.ended(error.code)
  }
}
