// The responder's UDP: one socket for each address, and an answer to each query at once.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { answer, answerTruncated, type Zone } from './answer.ts'
import { type Answered, noteAnswer } from './answered.ts'
import type { NetworkRates } from './rate.ts'

/** Queries that wait for the database; more are sent to TCP. */
const MAX_WAITING = 256
/** What waits for the kernel when the machine's own line is full; more is dropped, and askers try again. */
const MAX_UNSENT_BYTES = 256 * 1024
/** Asked of the kernel, so that a burst of junk pushes out less of what others ask. */
const BUFFER_BYTES = 1024 * 1024

/** What all doors have in common. */
export interface DoorOptions {
  readonly zone: Zone
  readonly rates: NetworkRates
  readonly answered: Answered
  /** Another process may listen on the same port, to take over. */
  readonly isShared: boolean
}

/** Where to listen: an address of this machine and a port, or the descriptor of a bound socket. */
export type Place =
  | { readonly address: string; readonly port: number }
  | { readonly fd: number; readonly isIpv6: boolean }

/** One UDP socket. */
export class UdpDoor {
  private readonly socket: Socket
  private readonly options: DoorOptions
  private waiting = 0
  private isClosed = false

  private constructor(options: DoorOptions, isIpv6Socket: boolean) {
    this.options = options
    this.socket = createSocket({
      type: isIpv6Socket ? 'udp6' : 'udp4',
      ipv6Only: isIpv6Socket,
      reusePort: options.isShared,
      recvBufferSize: BUFFER_BYTES,
      // Answers go to where queries came from: there is nothing to look up.
      lookup: (name, _options, call) => call(null, name, isIpv6Socket ? 6 : 4),
    })
    this.socket.on('message', (packet, from) => this.received(packet, from))
  }

  /** Rejects with the system's error. */
  static async open(place: Place, options: DoorOptions): Promise<UdpDoor> {
    const door = new UdpDoor(options, 'fd' in place ? place.isIpv6 : isIPv6(place.address))
    const { socket } = door
    try {
      // Heard before it is asked for: nothing has to be looked up, so that it may come at once.
      const listening = once(socket, 'listening')
      if ('fd' in place) socket.bind({ fd: place.fd })
      else socket.bind({ ...place, exclusive: true })
      await listening
    } catch (error) {
      door.close()
      throw error
    }
    // Of the network: an unreachable asker, a full line. The next query is answered as if nothing had been.
    socket.on('error', () => {})
    return door
  }

  get port(): number {
    return this.socket.address().port
  }

  /** Again: nothing. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.socket.close()
  }

  private received(packet: Buffer, from: RemoteInfo): void {
    const { rates, zone, answered } = this.options
    // RFC 768 allows port 0, which can be sent no answer.
    if (from.port === 0) return
    if (!rates.allows(from.address) || this.waiting >= MAX_WAITING) {
      this.send(answerTruncated(packet), from)
      answered.limited++
      return
    }
    this.waiting++
    void answer(packet, zone, 'udp').then(reply => {
      this.waiting--
      noteAnswer(answered, reply)
      this.send(reply, from)
    })
  }

  private send(reply: Buffer | undefined, { address, port }: RemoteInfo): void {
    if (reply === undefined || this.isClosed || this.socket.getSendQueueSize() > MAX_UNSENT_BYTES) return
    this.socket.send(reply, port, address, () => {})
  }
}
