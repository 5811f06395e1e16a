// Connections to an HTTP/2 target and the requests that wait for one: as few as the target's limit of streams allows.
import { PbtError, type Timer } from '@pbt/proto'
import { type Dialer, dial } from '../dial.ts'
import { nameOf, type TargetName } from '../target-name.ts'
import { Http2Connection } from './connection.ts'

/** Connections that take requests; one is enough for a target without a limit of its own. */
const MAX_CONNECTIONS = 8
/** Requests that wait for a connection or a stream: less than half of a session's channels, which other tunnels share. */
const MAX_WAITING = 4_096
/** How long they wait: longer than dialling takes, which has more to say when it fails. */
const WAIT_MS = 20_000
/** After a connection that was of no use while others serve, or that took no request, before the next is dialled. */
const RETRY_MS = 1_000
/** How exactly the times of waiting and silence are kept. */
const SWEEP_MS = 1_000

/** A request that asks for a connection. */
export interface StreamUser {
  /** There is one that takes a stream now, or none is wanted. */
  onConnection(connection: Http2Connection): void
  onUnreachable(error: PbtError): void
}

/** Owns its connections; a request that waits gets one or an error, `limit` when too many wait. */
export class Http2Pool {
  private readonly dialer: Dialer
  private readonly name: TargetName | undefined
  private readonly connections = new Set<Http2Connection>()
  /** With the time since when: the first waits longest. */
  private readonly waiting = new Map<StreamUser, number>()
  private readonly stopLending: () => void
  private giveUpDialling: (() => void) | undefined
  private notBefore = 0
  private sweep: Timer | undefined
  private isClosed = false

  constructor(dialer: Dialer) {
    this.dialer = dialer
    this.name = nameOf(dialer.target, dialer.clock)
    this.stopLending = dialer.places.lend(() => this.giveUpIdle())
  }

  /** Calls the user, at once when there is a connection. Returns what gives up; nothing is called then. */
  ask(user: StreamUser): () => void {
    const free = this.waiting.size === 0 ? this.free() : undefined
    if (free !== undefined) {
      user.onConnection(free)
      return () => {}
    }
    if (this.waiting.size >= MAX_WAITING) {
      const text = `${this.dialer.target.label} takes no more requests: ${MAX_WAITING} wait for it already`
      this.dialer.clock.soon(() => user.onUnreachable(new PbtError('limit', text)))
      return () => {}
    }
    this.waiting.set(user, this.dialer.clock.now())
    this.watch()
    this.dialMore()
    return () => this.leave(user)
  }

  /** Ends connections that are idle, the others with their last request. */
  close(): void {
    this.isClosed = true
    this.stopLending()
    this.settle()
  }

  private leave(user: StreamUser): void {
    if (!this.waiting.delete(user) || this.waiting.size > 0) return
    this.giveUpDialling?.()
    this.giveUpDialling = undefined
  }

  private free(): Http2Connection | undefined {
    const now = this.dialer.clock.now()
    for (const connection of this.connections) if (connection.isFree(now)) return connection
    return undefined
  }

  /** Serves who waits as far as there is room, and sees to more of it. */
  private settle(): void {
    while (this.waiting.size > 0) {
      // In this order: looking for one may end another, and serve the first who waits.
      const connection = this.free()
      const [user] = this.waiting.keys()
      if (user === undefined || connection === undefined) break
      this.waiting.delete(user)
      user.onConnection(connection)
    }
    if (this.waiting.size > 0) this.dialMore()
    else if (this.isClosed) for (const connection of this.connections) connection.retire()
  }

  private dialMore(): void {
    if (this.giveUpDialling !== undefined || this.dialer.clock.now() < this.notBefore) return
    let usable = 0
    for (const connection of this.connections) {
      if (connection.isPromising) return
      if (connection.isUsable) usable++
    }
    if (usable >= MAX_CONNECTIONS) return
    this.giveUpDialling = dial(this.dialer, {
      onConnected: socket => {
        this.giveUpDialling = undefined
        this.connections.add(
          new Http2Connection(socket, this.dialer.target, this.dialer.clock, {
            onChange: () => this.settle(),
            onGone: (connection, error) => this.gone(connection, error),
          }),
        )
        this.watch()
      },
      onFailed: error => {
        this.giveUpDialling = undefined
        this.failed(error)
      },
    })
  }

  private gone(connection: Http2Connection, error: PbtError | undefined): void {
    this.connections.delete(connection)
    if (error !== undefined) {
      this.failed(error)
      return
    }
    if (!connection.wasUsed) this.notBefore = this.dialer.clock.now() + RETRY_MS
    this.settle()
  }

  /** No connection could be made: who waits may wait on for the streams of another. */
  private failed(error: PbtError): void {
    for (const connection of this.connections) {
      if (!connection.isUsable) continue
      this.notBefore = this.dialer.clock.now() + RETRY_MS
      return
    }
    this.refuse([...this.waiting.keys()], error)
  }

  private refuse(users: readonly StreamUser[], error: PbtError): void {
    for (const user of users) this.waiting.delete(user)
    for (const user of users) user.onUnreachable(error)
  }

  private giveUpIdle(): boolean {
    for (const connection of this.connections) {
      if (!connection.isIdle) continue
      connection.drop()
      return true
    }
    return false
  }

  private watch(): void {
    this.sweep ??= this.dialer.clock.after(SWEEP_MS, this.look)
  }

  private readonly look = (): void => {
    this.sweep = undefined
    const now = this.dialer.clock.now()
    for (const connection of this.connections) {
      // What it has under way ends there.
      if (connection.isUsable && this.name?.isElsewhere(connection.socket)) connection.retire()
      connection.tick(now)
    }
    this.refuseLate(now)
    if (this.waiting.size > 0) this.settle()
    if (this.waiting.size > 0 || this.connections.size > 0) this.watch()
  }

  private refuseLate(now: number): void {
    const late: StreamUser[] = []
    for (const [user, since] of this.waiting) {
      if (now - since < WAIT_MS) break
      late.push(user)
    }
    if (late.length === 0) return
    let streams = 0
    for (const connection of this.connections) streams += connection.streams
    const text = `${this.dialer.target.label} had none of its ${streams} streams free for ${WAIT_MS / 1000} s`
    this.refuse(late, new PbtError('target-timeout', text))
  }
}
