// How many connections visitors may hold at once, in all and from one address.
import type { Socket } from 'node:net'
import { isLoopback } from './loopback.ts'

/** Each costs a descriptor and up to 100 KiB; the unit file allows 65,536 descriptors. */
const MAX_CONNECTIONS = 20_000
/** A whole office behind one address has fewer; a flood has more. Loopback is the owner. */
const MAX_PER_ADDRESS = 512

export class Connections {
  private readonly open = new Set<Socket>()
  private readonly perAddress = new Map<string, number>()
  /** Turned away since the start. */
  refused = 0

  get size(): number {
    return this.open.size
  }

  /** Counts the connection until it closes; false when there are too many, and then it is destroyed. */
  admit(socket: Socket): boolean {
    const address = socket.remoteAddress ?? ''
    const same = this.perAddress.get(address) ?? 0
    if (this.open.size >= MAX_CONNECTIONS || (same >= MAX_PER_ADDRESS && !isLoopback(address))) {
      this.refused++
      socket.destroy()
      return false
    }
    this.open.add(socket)
    this.perAddress.set(address, same + 1)
    socket.once('close', () => {
      this.open.delete(socket)
      const left = (this.perAddress.get(address) ?? 1) - 1
      if (left === 0) this.perAddress.delete(address)
      else this.perAddress.set(address, left)
    })
    return true
  }

  /** Cuts all so that none of the visitors takes it for a clean end. */
  reset(): void {
    for (const socket of this.open) socket.resetAndDestroy()
  }

  destroy(): void {
    for (const socket of this.open) socket.destroy()
  }
}
