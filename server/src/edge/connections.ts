// The connections of visitors to some ports: counted against the limits of all, turned away when there are too many.
import type { Socket } from 'node:net'
import { type Clock, resetStream, type Timer } from '@pbt/proto'
import type { Verdict, VisitorLimits } from '../access/visitor-limits.ts'
import type { Log } from '../observe/log.ts'

/** How often connections that are not being read are asked whether their peer is still there. */
const PROBE_MS = 1_000

/** Refused connections are logged this often at most: floods must not fill the log. */
const LOG_INTERVAL_MS = 60_000

/** Over which limit a connection is that is told so before it ends. */
export type TurnedAway = Exclude<Verdict, 'welcome' | 'refused'>

/** What the connections are counted against, and where refusals are logged. */
export interface ConnectionsOptions {
  /** Shared by all ports. */
  readonly limits: VisitorLimits
  readonly clock: Clock
  readonly log: Log
}

/** Counts accepted sockets until they close, notices peers that have gone, and can reset all of them. */
export class Connections {
  private readonly options: ConnectionsOptions
  /** With what reads each: the connection itself, or TLS on top of it; undefined while that shakes hands, and when it is always read. */
  private readonly open = new Map<Socket, Socket | undefined>()
  /** Connections that shake hands, by both ends: TLS does not tell on which one it is. */
  private readonly shaking = new Map<string, Socket>()
  private readonly prober: { timer: Timer }
  /** Turned away since the start, with words or without. */
  refused = 0
  /** Those over a limit, by both ends: a TLS connection and the one beneath it have the same. */
  private readonly turnedAway = new Map<string, TurnedAway>()
  private readonly counts = { limited: 0, overloaded: 0, refused: 0, abusive: 0 }
  private loggedAt = Number.NEGATIVE_INFINITY

  constructor(options: ConnectionsOptions) {
    this.options = options
    this.prober = { timer: options.clock.after(PROBE_MS, () => this.probe()) }
  }

  get size(): number {
    return this.open.size
  }

  /**
   * Counts the connection until it closes. `limited` and `overloaded`: to be told so and ended, which the caller does;
   * `refused`: it has been destroyed. `isTls`: `secured` follows.
   */
  admit(socket: Socket, isTls = false): Verdict {
    const { limits } = this.options
    const { remoteAddress } = socket
    const verdict = limits.arrived(remoteAddress)
    if (verdict !== 'welcome') this.count(verdict, remoteAddress)
    if (verdict === 'refused') {
      socket.destroy()
      return verdict
    }
    this.open.set(socket, isTls ? undefined : socket)
    const ends = isTls ? endsOf(socket) : ''
    if (isTls) this.shaking.set(ends, socket)
    if (verdict !== 'welcome') this.noteTurnedAway(socket, verdict)
    socket.once('close', () => {
      this.open.delete(socket)
      if (this.shaking.get(ends) === socket) this.shaking.delete(ends)
      limits.left(remoteAddress, verdict)
    })
    return verdict
  }

  /** TLS is up. `isAlwaysRead`: nothing ever pauses it. */
  secured(top: Socket, isAlwaysRead: boolean): void {
    const ends = endsOf(top)
    const below = this.shaking.get(ends)
    this.shaking.delete(ends)
    if (below !== undefined && this.open.has(below) && !isAlwaysRead) this.open.set(below, top)
  }

  /**
   * A connection that is not read, because its channel takes no more, does not show that its visitor has reset it; sending
   * nothing does.
   */
  private probe(): void {
    for (const [socket, top] of this.open) if (top?.isPaused() && top.writableLength === 0) socket.write('')
    this.prober.timer = this.options.clock.after(PROBE_MS, () => this.probe())
  }

  private noteTurnedAway(socket: Socket, verdict: TurnedAway): void {
    const ends = endsOf(socket)
    this.turnedAway.set(ends, verdict)
    socket.once('close', () => this.turnedAway.delete(ends))
  }

  /** Why the connection, or the one beneath it, is over a limit; undefined: it is not. */
  turnedAwayFor(socket: Socket): TurnedAway | undefined {
    return this.turnedAway.size === 0 ? undefined : this.turnedAway.get(endsOf(socket))
  }

  /** A connection of this address had to be closed for what it did. */
  abused(address: string, what: string): void {
    this.count('abusive', address, what)
    this.options.limits.abused(address)
  }

  /** Cuts all so that none of the visitors takes it for a clean end. */
  reset(): void {
    this.prober.timer.clear()
    for (const socket of this.open.keys()) resetStream(socket)
  }

  destroy(): void {
    this.prober.timer.clear()
    for (const socket of this.open.keys()) socket.destroy()
  }

  private count(kind: keyof typeof this.counts, address: string | undefined, what = ''): void {
    this.counts[kind]++
    if (kind !== 'abusive') this.refused++
    const now = this.options.clock.now()
    if (now - this.loggedAt < LOG_INTERVAL_MS) return
    this.loggedAt = now
    this.options.log.warn('visitors were turned away', { ...this.counts, last: kind, address, what })
    for (const each of ['limited', 'overloaded', 'refused', 'abusive'] as const) this.counts[each] = 0
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
