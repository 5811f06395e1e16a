// Connections to one target: kept for the next request while it is safe to, and never used by two at once.
import type { Clock, PbtError, Timer } from '@pbt/proto'
import { Connection } from './connection.ts'
import { type Dialer, dial } from './dial.ts'

/** Idle connections kept. */
const MAX_IDLE = 256
/**
 * Half of the five seconds after which common servers close theirs: a request must not meet a closing connection, also
 * when either program was held up for a while. A new connection to a target nearby costs next to nothing.
 */
const IDLE_MS = 2_500
/** Of a target's own `Keep-Alive: timeout`, for the same reason. */
const IDLE_SHARE = 0.5
const SWEEP_MS = 1_000

interface Idle {
  readonly connection: Connection
  readonly until: number
}

export interface Waiter {
  onConnection(connection: Connection): void
  onUnreachable(error: PbtError): void
}

export class Pool {
  private readonly dialer: Dialer
  private readonly clock: Clock
  /** The one used last at the end: it is the freshest, and the others may age. */
  private readonly idle: Idle[] = []
  private readonly stopLending: () => void
  private sweep: Timer | undefined
  private isClosed = false

  constructor(dialer: Dialer) {
    this.dialer = dialer
    this.clock = dialer.clock
    this.stopLending = dialer.places.lend(() => this.giveUpOldest())
  }

  /** An idle connection, undefined when there is none. */
  take(): Connection | undefined {
    const now = this.clock.now()
    for (let last = this.idle.pop(); last !== undefined; last = this.idle.pop()) {
      if (last.until > now && last.connection.isUsable) return last.connection
      last.connection.destroy()
    }
    return undefined
  }

  /** A new connection for the waiter, later. Returns what gives up. */
  dial(waiter: Waiter): () => void {
    return dial(this.dialer, {
      onConnected: socket => waiter.onConnection(new Connection(socket, connection => this.drop(connection))),
      onFailed: error => waiter.onUnreachable(error),
    })
  }

  /** Keeps a connection whose answer is whole. `seconds`: how long the target said it keeps it. */
  release(connection: Connection, seconds: number | undefined): void {
    const keepMs = seconds === undefined ? IDLE_MS : Math.min(IDLE_MS, seconds * 1000 * IDLE_SHARE)
    if (this.isClosed || keepMs <= 0 || this.idle.length >= MAX_IDLE) {
      connection.destroy()
      return
    }
    this.idle.push({ connection, until: this.clock.now() + keepMs })
    this.sweep ??= this.clock.after(SWEEP_MS, this.sweepIdle)
  }

  close(): void {
    this.isClosed = true
    this.stopLending()
    this.sweep?.clear()
    for (const { connection } of this.idle.splice(0)) connection.destroy()
  }

  private giveUpOldest(): boolean {
    const oldest = this.idle.shift()
    oldest?.connection.destroy()
    return oldest !== undefined
  }

  private readonly sweepIdle = (): void => {
    const now = this.clock.now()
    const kept = this.idle.filter(({ until }) => until > now)
    for (const { connection, until } of this.idle) if (until <= now) connection.destroy()
    this.idle.splice(0, this.idle.length, ...kept)
    this.sweep = kept.length > 0 ? this.clock.after(SWEEP_MS, this.sweepIdle) : undefined
  }

  private drop(connection: Connection): void {
    const at = this.idle.findIndex(each => each.connection === connection)
    if (at >= 0) this.idle.splice(at, 1)
  }
}
