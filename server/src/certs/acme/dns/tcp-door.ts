// The responder's TCP (RFC 7766): for answers that are too long for UDP, and for askers whose network asked too much over UDP.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Clock, Timer } from '@pbt/proto'
import { answer } from './answer.ts'
import { noteAnswer } from './answered.ts'
import { MAX_QUERY_BYTES } from './question.ts'
import { networkOf } from './rate.ts'
import type { DoorOptions, Place } from './udp-door.ts'

/** Open at once, of all networks; the one that has been silent longest gives way to a new one. */
const MAX_CONNECTIONS = 256
/** Open at once, of one network. */
const MAX_OF_NETWORK = 16
/** How long a connection may be silent, milliseconds. */
const IDLE_MS = 5_000
/** How long a connection may last, milliseconds. */
const LIFE_MS = 30_000
/** Queries on one connection. */
const MAX_QUERIES = 100
const LENGTH_BYTES = 2

export interface TcpDoorOptions extends DoorOptions {
  readonly clock: Clock
}

/** One listening socket and its connections. */
export class TcpDoor {
  private readonly server: Server
  private readonly options: TcpDoorOptions
  /** In the order of what was last heard of them, the most silent first. */
  private readonly connections = new Map<Socket, Connection>()

  private constructor(options: TcpDoorOptions) {
    this.options = options
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, socket => this.accept(socket))
  }

  /** Rejects with the system's error. */
  static async open(place: Place, options: TcpDoorOptions): Promise<TcpDoor> {
    const door = new TcpDoor(options)
    if ('fd' in place) door.server.listen({ fd: place.fd })
    else door.server.listen({ host: place.address, port: place.port, ipv6Only: true, reusePort: options.isShared })
    await once(door.server, 'listening')
    // Too few descriptors for one more connection: the next is accepted when there are some.
    door.server.on('error', () => {})
    return door
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  get connectionCount(): number {
    return this.connections.size
  }

  /** Cuts what is open. */
  async close(): Promise<void> {
    const closed = this.server.listening ? once(this.server, 'close') : undefined
    this.server.close()
    for (const connection of this.connections.values()) connection.end()
    await closed
  }

  private accept(socket: Socket): void {
    socket.on('error', () => socket.destroy())
    const network = networkOf(socket.remoteAddress ?? '')
    const ofNetwork = [...this.connections.values()].filter(each => each.network === network)
    const [mostSilent] = this.connections.values()
    if (ofNetwork.length >= MAX_OF_NETWORK) ofNetwork[0]?.end()
    else if (this.connections.size >= MAX_CONNECTIONS) mostSilent?.end()
    const connection = new Connection(socket, network, this.options, () => {
      this.connections.delete(socket)
      this.connections.set(socket, connection)
    })
    this.connections.set(socket, connection)
    socket.once('close', () => {
      this.connections.delete(socket)
      connection.end()
    })
  }
}

/** One connection: queries are read one after the other, and the next only when the answer before it is on its way. */
class Connection {
  readonly network: string
  private readonly socket: Socket
  private readonly options: TcpDoorOptions
  private readonly heard: () => void
  private readonly life: Timer
  private idle: Timer
  private unread: Buffer = Buffer.alloc(0)
  private queries = 0
  private isAnswering = false

  constructor(socket: Socket, network: string, options: TcpDoorOptions, heard: () => void) {
    this.socket = socket
    this.network = network
    this.options = options
    this.heard = heard
    this.life = options.clock.after(LIFE_MS, () => this.end())
    this.idle = options.clock.after(IDLE_MS, () => this.end())
    socket.on('data', (bytes: Buffer) => {
      this.unread = Buffer.concat([this.unread, bytes])
      void this.read()
    })
    socket.once('end', () => {
      if (!this.isAnswering) socket.end()
    })
  }

  /** At once. Again: nothing. */
  end(): void {
    this.life.clear()
    this.idle.clear()
    this.socket.destroy()
  }

  private async read(): Promise<void> {
    if (this.isAnswering) {
      // At most what the kernel hands over at once waits here: the peer's next bytes stay with the kernel.
      this.socket.pause()
      return
    }
    this.isAnswering = true
    for (let query = this.next(); query !== undefined; query = this.next()) await this.answer(query)
    this.isAnswering = false
    if (this.socket.destroyed) return
    if (this.socket.readableEnded) this.socket.end()
    else this.socket.resume()
  }

  /** The next whole query; undefined when there is none, or none that will be answered. */
  private next(): Buffer | undefined {
    if (this.socket.destroyed || this.unread.length < LENGTH_BYTES) return undefined
    const length = this.unread.readUInt16BE(0)
    if (length > MAX_QUERY_BYTES || this.queries >= MAX_QUERIES) {
      this.socket.destroySoon()
      return undefined
    }
    if (this.unread.length < LENGTH_BYTES + length) return undefined
    const query = this.unread.subarray(LENGTH_BYTES, LENGTH_BYTES + length)
    this.unread = this.unread.subarray(LENGTH_BYTES + length)
    return query
  }

  private async answer(query: Buffer): Promise<void> {
    const { zone, answered, clock } = this.options
    this.queries++
    this.heard()
    this.idle.clear()
    this.idle = clock.after(IDLE_MS, () => this.end())
    const reply = await answer(query, zone, 'tcp')
    noteAnswer(answered, reply)
    if (this.socket.destroyed) return
    if (reply === undefined) {
      this.socket.destroySoon()
      return
    }
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt16BE(reply.length)
    // Whoever does not read is asked nothing more until it has, or until its time is up.
    if (!this.socket.write(Buffer.concat([length, reply])))
      await Promise.race([once(this.socket, 'drain'), once(this.socket, 'close')]).catch(() => {})
  }
}
