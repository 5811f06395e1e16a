// A TCP relay between client and server that a test can cut or turn into a black hole.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Cleaner } from './programs.ts'

export class Relay {
  private readonly pairs = new Set<readonly [Socket, Socket]>()
  private isBlackHole = false
  port = 0
  /** Connections ever made. */
  connections = 0

  /** Listens on a free port and relays to `target`; ended after the test. */
  async start(t: Cleaner, target: number): Promise<void> {
    const server = createServer({ noDelay: true }, near =>
      this.join(near, connect({ port: target, host: '127.0.0.1', noDelay: true })),
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

  /** Swallows everything, in both directions, also on new connections; nobody is told. */
  blackHole(): void {
    this.isBlackHole = true
    for (const pair of this.pairs) for (const socket of pair) socket.pause()
  }

  /** Lets bytes pass again; what stood still goes on. */
  heal(): void {
    this.isBlackHole = false
    for (const pair of this.pairs) for (const socket of pair) socket.resume()
  }

  private join(near: Socket, far: Socket): void {
    this.connections++
    const pair = [near, far] as const
    this.pairs.add(pair)
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('data', chunk => {
        if (!to.write(chunk)) from.pause()
      })
      to.on('drain', () => {
        if (!this.isBlackHole) from.resume()
      })
      from.on('end', () => to.end())
      from.on('error', () => to.destroy())
      from.on('close', () => {
        to.destroy()
        this.pairs.delete(pair)
      })
      if (this.isBlackHole) from.pause()
    }
  }
}
