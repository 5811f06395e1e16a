// Connections to one target: kept for the next request while it is safe to, never used by two at once, and those that the target
// has authenticated never by another visitor.
import type { Clock, PbtError, Timer } from '@pbt/proto'
import { Connection } from './connection.ts'
import { type Dialer, dial } from './dial.ts'
import { Habits, IDLE_MS } from './habits.ts'
import { hasToldSince, type Moment, moment } from './loop.ts'
import { nameOf, type TargetName } from './target-name.ts'

/** Idle connections kept. */
const MAX_IDLE = 256
const SWEEP_MS = 1_000
/** One is looked at before it is lent when the loop may have known for so long that it is over, and not told yet. A look costs 4 us. */
const LOOK_MS = 5
/** The one used last is kept for so long although it is not lent any more: a target that keeps it has shown that it does. */
const WATCHED_MS = 2 * IDLE_MS
/** One that rested when a request came is closed after so long if nobody took it: the target may have to see its end first. */
const IN_THE_WAY_MS = 100

interface Idle {
  readonly connection: Connection
  readonly since: number
  readonly moment: Moment
  /** How long the target said it keeps it, undefined when it did not say. */
  readonly announcedMs: number | undefined
  /** Closes it. */
  inTheWay: Timer | undefined
}

/** Waits for a dialled connection: exactly one of them is called, unless it gives up before. */
export interface Waiter {
  onConnection(connection: Connection): void
  onUnreachable(error: PbtError): void
}

/** Owns connections while they are idle; a taken one belongs to its exchange, which releases or destroys it. */
export class Pool {
  private readonly dialer: Dialer
  private readonly clock: Clock
  private readonly habits = new Habits()
  private readonly name: TargetName | undefined
  /** The one used last at the end: it is the freshest, and the others may age. */
  private readonly idle: Idle[] = []
  /** Those that the target may have authenticated, by the name of the visitor's connection they are for. */
  private readonly bound = new Map<string, Idle[]>()
  private size = 0
  /** The only one that idles while the target has not shown how long it keeps them. */
  private probe: { readonly idle: Idle; readonly timer: Timer; isInTheWay: boolean } | undefined
  /** The loop has told all that came before. */
  private toldAt = Number.NEGATIVE_INFINITY
  private readonly stopLending: () => void
  private sweep: Timer | undefined
  private isClosed = false

  constructor(dialer: Dialer) {
    this.dialer = dialer
    this.clock = dialer.clock
    this.name = nameOf(dialer.target, dialer.clock)
    this.stopLending = dialer.places.lend(() => this.giveUpOldest())
  }

  /**
   * An idle connection for a request that came over the visitor's connection with this name, '' when that is not known;
   * undefined when there is none.
   */
  take(visitor: string): Connection | undefined {
    const own = this.bound.size === 0 ? undefined : this.bound.get(visitor)
    return (own === undefined ? undefined : this.lend(own)) ?? this.lend(this.idle)
  }

  /** A new connection for the waiter, later. Returns what gives up. */
  dial(waiter: Waiter): () => void {
    return dial(this.dialer, {
      onConnected: socket => waiter.onConnection(new Connection(socket, connection => this.closed(connection))),
      onFailed: error => waiter.onUnreachable(error),
    })
  }

  /** Keeps a connection whose answer is whole. `seconds`: how long the target said it keeps it. */
  release(connection: Connection, seconds: number | undefined): void {
    connection.uses++
    const now = this.clock.now()
    const announcedMs = seconds === undefined ? undefined : seconds * 1_000
    // '': it is not known whose it is.
    const isUsedUp = connection.boundTo === '' || announcedMs === 0 || connection.uses >= this.habits.usesAt(now)
    const isElsewhere = connection.boundTo === undefined && this.name?.isElsewhere(connection.socket) === true
    if (isElsewhere || this.isClosed || this.size >= MAX_IDLE || isUsedUp) {
      connection.destroy()
      return
    }
    const idle = { connection, since: now, moment: moment(), announcedMs, inTheWay: undefined }
    if (connection.boundTo === undefined && this.habits.lendableMs(now, announcedMs) === 0 && !this.watch(idle)) {
      connection.destroy()
      return
    }
    this.size++
    this.listOf(connection).push(idle)
    this.sweep ??= this.clock.after(SWEEP_MS, this.sweepIdle)
  }

  /** The target broke off a connection, that had been used before, without a byte of an answer. */
  broke({ idledMs, uses }: Connection): void {
    this.habits.closed(idledMs, uses, this.clock.now())
  }

  close(): void {
    this.isClosed = true
    this.stopLending()
    this.sweep?.clear()
    for (const idle of this.all()) this.drop(idle)
  }

  /**
   * Of the freshest that have rested, until the loop has told what came along with their answer, one that is safe; those that are
   * not are ended.
   */
  private lend(list: readonly Idle[]): Connection | undefined {
    const now = this.clock.now()
    for (let at = list.length - 1; at >= 0; at--) {
      const idle = list[at]
      if (idle === undefined) continue
      const { connection, since } = idle
      const idledMs = now - since
      if (hasToldSince(idle.moment)) this.toldAt = Math.max(this.toldAt, since)
      else if (connection.boundTo === undefined) continue
      if (idledMs <= this.lendableMs(idle, now)) {
        this.remove(idle)
        const untoldMs = now - Math.max(this.toldAt, since)
        if (connection.isUsable && (untoldMs < LOOK_MS || connection.isSilent())) {
          connection.idledMs = idledMs
          return connection
        }
        this.habits.closed(idledMs, connection.uses, now)
        connection.destroy()
      } else if (this.probe?.idle === idle) this.probe.isInTheWay = true
      else this.giveUp(idle, now)
    }
    this.passedOver(list)
    return undefined
  }

  /** A connection is dialled beside those that rest: a target that serves one at a time does not look at it while they are open. */
  private passedOver(list: readonly Idle[]): void {
    for (let at = list.length - 1; at >= 0; at--) {
      const idle = list[at]
      if (idle === undefined || idle.connection.boundTo !== undefined || hasToldSince(idle.moment)) return
      if (this.probe?.idle === idle) this.probe.isInTheWay = true
      else idle.inTheWay ??= this.clock.after(IN_THE_WAY_MS, () => this.drop(idle))
    }
  }

  private lendableMs({ connection, announcedMs }: Idle, now: number): number {
    return connection.boundTo === undefined
      ? this.habits.lendableMs(now, announcedMs)
      : this.habits.lendableToOwnerMs(now, announcedMs)
  }

  /** False: there is one already, and more would only keep the target busy. */
  private watch(idle: Idle): boolean {
    const { probationMs } = this.habits
    if (this.probe !== undefined || probationMs === 0) return false
    const timer = this.clock.after(probationMs, () => {
      const isInTheWay = this.probe?.isInTheWay === true
      this.probe = undefined
      this.habits.kept(probationMs)
      // A target that serves one connection at a time has not seen those after it.
      if (isInTheWay) this.drop(idle)
    })
    this.probe = { idle, timer, isInTheWay: false }
    return true
  }

  private giveUpOldest(): boolean {
    const [oldest] = this.all()
    if (oldest === undefined) return false
    this.drop(oldest)
    return true
  }

  private readonly sweepIdle = (): void => {
    const now = this.clock.now()
    const newest = this.idle.at(-1)
    for (const idle of this.all()) {
      const mostMs = idle === newest ? WATCHED_MS : this.lendableMs(idle, now)
      if (idle !== this.probe?.idle && now - idle.since > mostMs) this.giveUp(idle, now)
    }
    this.sweep = this.size > 0 ? this.clock.after(SWEEP_MS, this.sweepIdle) : undefined
  }

  /** It is open, and has idled for too long. */
  private giveUp(idle: Idle, now: number): void {
    const { connection, since } = idle
    if (connection.isUsable) this.habits.kept(now - since)
    this.drop(idle)
  }

  private drop(idle: Idle): void {
    this.remove(idle)
    idle.connection.destroy()
  }

  /** By the target, if it idled here. */
  private closed(connection: Connection): void {
    const list = connection.boundTo === undefined ? this.idle : this.bound.get(connection.boundTo)
    const idle = list?.find(each => each.connection === connection)
    if (idle === undefined) return
    const now = this.clock.now()
    this.habits.closed(now - idle.since, connection.uses, now)
    this.remove(idle)
  }

  private remove(idle: Idle): void {
    const { boundTo } = idle.connection
    const list = this.listOf(idle.connection)
    list.splice(list.lastIndexOf(idle), 1)
    if (boundTo !== undefined && list.length === 0) this.bound.delete(boundTo)
    this.size--
    idle.inTheWay?.clear()
    if (this.probe?.idle !== idle) return
    this.probe.timer.clear()
    this.probe = undefined
  }

  /** The oldest of each kind first. */
  private all(): Idle[] {
    return [...this.idle, ...[...this.bound.values()].flat()]
  }

  private listOf({ boundTo }: Connection): Idle[] {
    if (boundTo === undefined) return this.idle
    const list = this.bound.get(boundTo) ?? []
    if (list.length === 0) this.bound.set(boundTo, list)
    return list
  }
}
