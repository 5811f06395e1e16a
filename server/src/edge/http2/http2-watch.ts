// What one HTTP/2 connection costs without getting on: idleness, slow bodies, and frames that only keep the edge busy.
import { constants, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { KIB, MIB } from '@pbt/proto'

/** Times in ticks of the owner, one second each. A connection without a first request ends after this. */
const FIRST_REQUEST_TICKS = 15
/** A connection without an open request is kept this long. */
const IDLE_TICKS = 120
/** A connection that is to end has this long to take what is still unsent. */
const LINGER_TICKS = 10

/**
 * Bytes that may come without being part of a request: settings, pings, priorities, window updates, empty data. Node has
 * limits of its own for resets, continuations and what breaks the protocol, none for these. So many at once, and so many
 * a second; an ordinary visitor needs less than a tenth.
 */
const OVERHEAD_BURST_BYTES = 512 * KIB
const OVERHEAD_BYTES_A_SECOND = 64 * KIB
/** A request's fields, at most. */
const HEAD_BYTES = 64 * KIB
/** Each byte of a body may bring as much framing. */
const BODY_FACTOR = 2
/** Window updates for what was sent: 13 bytes for each 16 KiB, with much room. */
const SENT_PER_OVERHEAD_BYTE = 64
/** What may be on its way for a stream that was ended early: its window. */
const EARLY_END_BYTES = MIB
/** What may have come and wait, uncounted, to be read: the connection's window. */
const UNREAD_BYTES = 4 * MIB

/** A request as its connection sees it. */
export interface WatchedExchange {
  watchBody(leastRate: number, isScarce: boolean): void
  readonly isWaitingForChannel: boolean
  readonly isBodyUnread: boolean
}

/** Closes one HTTP/2 connection when it is idle for too long or sends too much that is part of no request. */
export class Http2Watch {
  /** The visitor's. */
  readonly address: string
  private readonly session: ServerHttp2Session
  private readonly socket: Socket
  private readonly exchanges = new Set<WatchedExchange>()
  private since: number
  private hasServed = false
  private isEnding = false
  private bytesRead = 0
  private bytesWritten = 0
  private allowance = OVERHEAD_BURST_BYTES

  constructor(session: ServerHttp2Session, address: string, tick: number) {
    this.session = session
    this.socket = session.socket
    this.address = address
    this.since = tick
  }

  opened(exchange: WatchedExchange): void {
    this.exchanges.add(exchange)
    this.hasServed = true
    this.allowance += HEAD_BYTES
  }

  closed(exchange: WatchedExchange, tick: number): void {
    if (!this.exchanges.delete(exchange)) return
    this.since = tick
    if (exchange.isBodyUnread) this.allowance += EARLY_END_BYTES
  }

  /** Bytes of a body have been read. */
  read(bytes: number): void {
    this.allowance += bytes * BODY_FACTOR
  }

  /** Opens no more streams and ends when those that are open have. */
  end(tick: number): void {
    this.isEnding = true
    this.since = tick
    this.session.close()
  }

  /** Called once a second, as `Exchange.watchBody` for each. True when the connection is an attack and has been closed for it. */
  tick(tick: number, leastBodyRate: number, isScarce: boolean): boolean {
    if (this.session.destroyed) return false
    if (this.isFlooding()) {
      this.session.destroy(new Error('frames without requests'), constants.NGHTTP2_ENHANCE_YOUR_CALM)
      return true
    }
    if (this.exchanges.size > 0) {
      this.since = tick
      this.watchBodies(leastBodyRate, isScarce)
      return false
    }
    if (this.isEnding) {
      if (tick - this.since > LINGER_TICKS) this.session.destroy()
    } else if (tick - this.since > (this.hasServed ? IDLE_TICKS : FIRST_REQUEST_TICKS)) this.end(tick)
    return false
  }

  private isFlooding(): boolean {
    const { bytesRead, bytesWritten } = this.socket
    const sent = bytesWritten - this.bytesWritten
    this.allowance += OVERHEAD_BYTES_A_SECOND + sent / SENT_PER_OVERHEAD_BYTE - (bytesRead - this.bytesRead)
    this.bytesRead = bytesRead
    this.bytesWritten = bytesWritten
    this.allowance = Math.min(this.allowance, OVERHEAD_BURST_BYTES)
    if (this.allowance >= 0) return false
    const isUnread = [...this.exchanges].some(exchange => exchange.isBodyUnread)
    return this.allowance < -(isUnread ? UNREAD_BYTES : 0)
  }

  /** Bodies share the connection's window: one that the target holds up may hold up the others. */
  private watchBodies(leastBodyRate: number, isScarce: boolean): void {
    for (const exchange of this.exchanges) if (exchange.isWaitingForChannel) return
    for (const exchange of this.exchanges) exchange.watchBody(leastBodyRate, isScarce)
  }
}
