// Visitors who speak HTTP/1: their connections, the clock of their waits, and how all of them end.
import type { Socket } from 'node:net'
import { Http1Connection } from './http1-connection.ts'
import type { Http1Options } from './http1-options.ts'

/** Waits are counted in these: coarse, so that no request needs a timer. */
const TICK_MS = 1_000

/** All HTTP/1 connections of one port; a single timer checks their timeouts every second. */
export class Http1 {
  private readonly options: Http1Options
  private readonly connections = new Set<Http1Connection>()
  private readonly timer: NodeJS.Timeout
  private now = 0
  private isClosed = false

  constructor(options: Omit<Http1Options, 'tick'>) {
    this.options = { ...options, tick: () => this.now }
    // After what has come meanwhile was read: a request that waits in the system must not meet the end of an idle connection.
    this.timer = setInterval(() => setImmediate(this.tick), TICK_MS).unref()
  }

  /** Takes over a connection. Errors of the socket are the caller's to hear. */
  accept(socket: Socket): void {
    this.connections.add(new Http1Connection(socket, this.options, this.now, over => this.connections.delete(over)))
  }

  /** Cuts all connections. */
  close(): void {
    this.isClosed = true
    clearInterval(this.timer)
    for (const { socket } of this.connections) socket.destroy()
  }

  private readonly tick = (): void => {
    if (this.isClosed) return
    this.now++
    for (const connection of this.connections) connection.tick(this.now)
  }
}
