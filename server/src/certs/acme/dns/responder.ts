// The authoritative DNS responder for `acme.<base>`: UDP and TCP on each of its addresses, and on none of the others of this machine.
import type { Clock } from '@pbt/proto'
import type { Zone } from './answer.ts'
import { type Answered, nothingAnswered } from './answered.ts'
import { NetworkRates } from './rate.ts'
import { TcpDoor } from './tcp-door.ts'
import { type Place, UdpDoor } from './udp-door.ts'

/** A socket that the supervisor has bound for this port. */
export interface KeptSocket {
  readonly fd: number
  readonly protocol: 'tcp' | 'udp'
  readonly isIpv6: boolean
}

export interface ResponderOptions {
  readonly zone: Zone
  /** Of this machine's interfaces, none of them 0.0.0.0 (own-addresses.ts). */
  readonly addresses: readonly string[]
  /** 0 chooses a free one, for all addresses and both protocols. */
  readonly port: number
  /** Bound before this process and to outlive it; when there are any, nothing else is bound. */
  readonly kept: readonly KeptSocket[]
  /** Another process may listen on the same port, to take over. */
  readonly isShared: boolean
  readonly clock: Clock
}

/** How often a free port is looked for: one that is free for UDP may be taken for TCP. */
const MAX_TRIES = 20

/** Answers until it is closed. */
export class Responder {
  readonly answered: Answered = nothingAnswered()
  private readonly doors: (UdpDoor | TcpDoor)[] = []
  private readonly rates: NetworkRates
  private readonly options: ResponderOptions

  private constructor(options: ResponderOptions) {
    this.options = options
    this.rates = new NetworkRates(options.clock)
  }

  /** Rejects with the system's error, and then nothing is open. */
  static async open(options: ResponderOptions): Promise<Responder> {
    for (let tries = 1; ; tries++) {
      const responder = new Responder(options)
      try {
        await responder.listen()
        return responder
      } catch (error) {
        await responder.close()
        if (options.port !== 0 || tries === MAX_TRIES) throw error
      }
    }
  }

  /** The port that is bound. */
  get port(): number {
    return this.doors[0]?.port ?? 0
  }

  /** Answers nobody any more. */
  async close(): Promise<void> {
    await Promise.all(this.doors.map(door => door.close()))
  }

  private async listen(): Promise<void> {
    const { addresses, kept } = this.options
    for (const { fd, protocol, isIpv6 } of kept) await this.openDoor(protocol, { fd, isIpv6 })
    if (kept.length > 0) return
    for (const address of addresses) {
      // TCP first: a port free for TCP is more often free for UDP than the other way round.
      await this.openDoor('tcp', { address, port: this.port || this.options.port })
      await this.openDoor('udp', { address, port: this.port })
    }
  }

  private async openDoor(protocol: 'tcp' | 'udp', place: Place): Promise<void> {
    const { zone, clock, isShared } = this.options
    const options = { zone, clock, rates: this.rates, answered: this.answered, isShared }
    this.doors.push(protocol === 'tcp' ? await TcpDoor.open(place, options) : await UdpDoor.open(place, options))
  }
}
