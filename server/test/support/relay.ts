// A TCP relay between client and server that a test can cut or turn into a black hole, both ways or one.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Cleaner } from './programs.ts'

/** `up`: from whoever connected to the target. */
export type Direction = 'up' | 'down'

export class Relay {
  /** The side that connected and the target's. */
  private readonly pairs = new Set<readonly [near: Socket, far: Socket]>()
  private swallowed: readonly Direction[] = []
  port = 0
  /** Where new connections go. */
  target = 0
  /** Connections ever made. */
  connections = 0

  /** Listens on a free port and relays to `target`; ended after the test. */
  async start(t: Cleaner, target: number): Promise<void> {
    this.target = target
    const server = createServer({ noDelay: true }, near =>
      this.join(near, connect({ port: this.target, host: '127.0.0.1', noDelay: true })),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.port = (server.address() as AddressInfo).port
    t.after(() => {
      this.cut()
      server.close()
    })
  }

  /** Resets every connection on both sides. */
  cut(): void {
    for (const [near, far] of this.pairs) {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
  }

  /** Swallows everything in these directions, also on new connections; nobody is told. */
  blackHole(...directions: readonly Direction[]): void {
    this.swallowed = directions.length === 0 ? ['up', 'down'] : directions
    for (const pair of this.pairs) this.hold(pair)
  }

  /** Lets bytes pass again; what stood still goes on. */
  heal(): void {
    this.swallowed = []
    for (const pair of this.pairs) for (const socket of pair) socket.resume()
  }

  private hold([near, far]: readonly [Socket, Socket]): void {
    if (this.swallowed.includes('up')) near.pause()
    if (this.swallowed.includes('down')) far.pause()
  }

  private join(near: Socket, far: Socket): void {
    this.connections++
    const pair = [near, far] as const
    this.pairs.add(pair)
    this.pass(near, far, 'up')
    this.pass(far, near, 'down')
    for (const socket of pair) {
      socket.on('close', () => {
        near.destroy()
        far.destroy()
        this.pairs.delete(pair)
      })
    }
    this.hold(pair)
  }

  private pass(from: Socket, to: Socket, direction: Direction): void {
    from.on('data', chunk => {
      if (!to.write(chunk)) from.pause()
    })
    to.on('drain', () => {
      if (!this.swallowed.includes(direction)) from.resume()
    })
    from.on('end', () => to.end())
    from.on('error', () => to.destroy())
  }
}
