// Connections to one target: kept for the next request while it is safe to, never used by two at once, and those that the target
// has authenticated never by another visitor.
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
  /** Those that the target may have authenticated, by the name of the visitor's connection they are for. */
  private readonly bound = new Map<string, Idle[]>()
  private size = 0
  private readonly stopLending: () => void
  private sweep: Timer | undefined
  private isClosed = false

  constructor(dialer: Dialer) {
    this.dialer = dialer
    this.clock = dialer.clock
    this.stopLending = dialer.places.lend(() => this.giveUpOldest())
  }

  /**
   * An idle connection for a request that came over the visitor's connection with this name, '' when that is not known;
   * undefined when there is none.
   */
  take(visitor: string): Connection | undefined {
    return this.bound.size === 0 ? this.takeFrom(this.idle) : (this.takeBound(visitor) ?? this.takeFrom(this.idle))
  }

  private takeBound(visitor: string): Connection | undefined {
    const list = this.bound.get(visitor)
    const found = list === undefined ? undefined : this.takeFrom(list)
    if (list?.length === 0) this.bound.delete(visitor)
    return found
  }

  private takeFrom(list: Idle[]): Connection | undefined {
    const now = this.clock.now()
    for (let last = list.pop(); last !== undefined; last = list.pop()) {
      this.size--
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
    // '': it is not known whose it is.
    if (this.isClosed || keepMs <= 0 || this.size >= MAX_IDLE || connection.boundTo === '') {
      connection.destroy()
      return
    }
    this.size++
    this.listFor(connection).push({ connection, until: this.clock.now() + keepMs })
    this.sweep ??= this.clock.after(SWEEP_MS, this.sweepIdle)
  }

  private listFor({ boundTo }: Connection): Idle[] {
    if (boundTo === undefined) return this.idle
    const list = this.bound.get(boundTo) ?? []
    this.bound.set(boundTo, list)
    return list
  }

  close(): void {
    this.isClosed = true
    this.stopLending()
    this.sweep?.clear()
    this.keepOnly(() => false)
  }

  private giveUpOldest(): boolean {
    const [list = []] = this.idle.length > 0 ? [this.idle] : this.bound.values()
    const [oldest] = list
    if (oldest === undefined) return false
    this.keepOnly(each => each !== oldest)
    return true
  }

  private readonly sweepIdle = (): void => {
    const now = this.clock.now()
    this.keepOnly(({ until }) => until > now)
    this.sweep = this.size > 0 ? this.clock.after(SWEEP_MS, this.sweepIdle) : undefined
  }

  private drop(connection: Connection): void {
    this.keepOnly(each => each.connection !== connection)
  }

  /** Ends all others. */
  private keepOnly(isKept: (idle: Idle) => boolean): void {
    for (const [name, list] of [['', this.idle] as const, ...this.bound]) {
      const over = list.filter(each => !isKept(each))
      if (over.length === 0) continue
      this.size -= over.length
      list.splice(0, list.length, ...list.filter(isKept))
      if (list.length === 0) this.bound.delete(name)
      for (const { connection } of over) connection.destroy()
    }
  }
}
