// Which public port a TCP or UDP tunnel gets: the one asked for, the one its target had last time, or a free one.
import { randomInt } from 'node:crypto'
import { PbtError } from '@pbt/proto'
import { Book, type Holder, type TunnelOwner } from './book.ts'
import type { Registry } from './registry.ts'

export type Protocol = 'tcp' | 'udp'

/** What is remembered of a port over restarts. */
export interface StoredPort extends TunnelOwner {
  readonly protocol: Protocol
  readonly number: number
  /** Its client was there when this was last written. */
  readonly isOnline: boolean
}

/** What the ports need remembered; acknowledged means on disk. */
export interface PortStore {
  /** The one used last at the end. */
  load(): Promise<StoredPort[]>
  /** The port now belongs to this target, online. */
  claim(owner: TunnelOwner, protocol: Protocol, number: number): Promise<void>
  setOffline(protocol: Protocol, number: number): Promise<void>
}

/** Who listens. Visitors of a port are led by the registry's `addressOf`. */
export interface Listeners {
  /** Listens if it does not yet. Rejects with the system's error. */
  listen(protocol: Protocol, number: number): Promise<void>
  /** Ends what `listen` began. */
  unlisten(protocol: Protocol, number: number): void
}

export interface PortRange {
  readonly first: number
  readonly last: number
}

export interface PortsOptions {
  /** Where tunnels may be. */
  readonly range: PortRange
  /** Whence the system takes ports for connections of its own: not chosen, but given when asked for. */
  readonly ephemeral: PortRange | undefined
  readonly registry: Registry
  readonly store: PortStore
  readonly listeners: Listeners
}

/** Ports tried before giving up, each used by another program. */
const BUSY_ATTEMPTS = 100
const FIRST_UNPRIVILEGED = 1024

/** The registry's key of a port. */
export function addressOf(protocol: Protocol, number: number): string {
  return `${protocol}:${number}`
}

export class Ports {
  private readonly options: PortsOptions
  private readonly book: Book
  /** Addresses about to be claimed by somebody: not free any more, not yet taken. */
  private readonly chosen = new Set<string>()

  constructor(options: PortsOptions) {
    this.options = options
    this.book = new Book(options.registry)
  }

  /**
   * Reads what is remembered and listens on it, so that no other program takes the port; ports whose clients were online
   * are awaited for `graceMs`. Resolves with the ports that could not be had. Once, at start.
   */
  async load(graceMs: number): Promise<{ protocol: Protocol; number: number; error: unknown }[]> {
    const { registry, store, listeners } = this.options
    const failed: { protocol: Protocol; number: number; error: unknown }[] = []
    for (const { protocol, number, isOnline, ...owner } of await store.load()) {
      const address = addressOf(protocol, number)
      this.book.remember(owner, [address])
      if (isOnline) registry.setAwaited(address, graceMs)
      else registry.setOffline(address)
      await listeners.listen(protocol, number).catch((error: unknown) => failed.push({ protocol, number, error }))
    }
    return failed
  }

  /**
   * Gives the tunnel its port, `wanted` or, with 0, the one of last time or a free one; it leads to the tunnel when this
   * resolves. Rejects with PbtError `port-taken`, `port-invalid` or `limit`, and then nothing has changed.
   */
  async claim(holder: Holder, clientId: string, protocol: Protocol, wanted: number): Promise<number> {
    const number =
      wanted > 0
        ? await this.named(protocol, wanted)
        : ((await this.usual(holder, clientId, protocol)) ?? (await this.free(protocol)))
    const address = addressOf(protocol, number)
    this.chosen.delete(address)
    const obstacle = this.book.obstacle(address, holder, clientId)
    if (obstacle !== undefined) {
      throw new PbtError('port-taken', `${protocol} port ${number} is taken by ${obstacle.description}`, {
        cure: 'stop that tunnel, or choose another port with --reserve-port',
      })
    }
    const isNew = !this.book.isKnown(address)
    // Taken before the write, so that nobody else gets it meanwhile.
    this.book.take(address, holder)
    try {
      await this.options.store.claim(holder.owner, protocol, number)
    } catch (error) {
      this.book.release(address, holder)
      if (isNew) this.options.listeners.unlisten(protocol, number)
      throw error
    }
    this.book.remember(holder.owner, [address])
    this.book.online([address], holder)
    return number
  }

  /** The tunnel is closed: its port stays reserved, offline. As `Reservations.close`. */
  async close(holder: Holder, protocol: Protocol, number: number, isComingBack: boolean): Promise<void> {
    const wasHeld = this.book.release(addressOf(protocol, number), holder)
    if (wasHeld && !isComingBack) await this.options.store.setOffline(protocol, number)
  }

  private async named(protocol: Protocol, number: number): Promise<number> {
    const { first, last } = this.options.range
    if (number < first || number > last) {
      const why = number < FIRST_UNPRIVILEGED ? 'it is privileged, and' : 'it is'
      throw new PbtError('port-invalid', `port ${number} cannot be used: ${why} outside of ${first}-${last}`, {
        cure: `choose a port from ${first} to ${last} with --reserve-port, or widen port-range of the server`,
      })
    }
    try {
      await this.options.listeners.listen(protocol, number)
      return number
    } catch (cause) {
      throw new PbtError('port-taken', `the server cannot listen on ${protocol} port ${number}: ${reasonOf(cause)}`, {
        cure: 'end that program, or choose another port with --reserve-port',
        cause,
      })
    }
  }

  private async usual(holder: Holder, clientId: string, protocol: Protocol): Promise<number | undefined> {
    const { first, last } = this.options.range
    const address = this.book.usual(holder, clientId)
    const number = Number(address?.split(':')[1] ?? 0)
    if (number < first || number > last) return undefined
    // Somebody else's program may have it since: the owner gets another one rather than none.
    return await this.options.listeners.listen(protocol, number).then(
      () => number,
      () => undefined,
    )
  }

  /** Whether the system could give the port to a connection of its own; a range that has no other is taken as it is. */
  private isEphemeral(number: number): boolean {
    const { range, ephemeral } = this.options
    if (ephemeral === undefined) return false
    if (ephemeral.first <= range.first && range.last <= ephemeral.last) return false
    return ephemeral.first <= number && number <= ephemeral.last
  }

  private isTaken(protocol: Protocol, number: number): boolean {
    const address = addressOf(protocol, number)
    return this.book.isKnown(address) || this.chosen.has(address)
  }

  private async free(protocol: Protocol): Promise<number> {
    const { range, listeners } = this.options
    const candidates: number[] = []
    for (let number = range.first; number <= range.last; number++) {
      if (!this.isEphemeral(number) && !this.isTaken(protocol, number)) candidates.push(number)
    }
    for (let attempt = 0; attempt < BUSY_ATTEMPTS && candidates.length > 0; attempt++) {
      // Any of them, so that ports tell nothing and the order of clients does not matter.
      const [number = 0] = candidates.splice(randomInt(candidates.length), 1)
      if (this.isTaken(protocol, number)) continue // by somebody who chose while we listened
      this.chosen.add(addressOf(protocol, number))
      const isOurs = await listeners.listen(protocol, number).then(
        () => true,
        () => false,
      )
      if (isOurs) return number
      this.chosen.delete(addressOf(protocol, number))
    }
    throw new PbtError('limit', `no ${protocol} port is free in ${range.first}-${range.last}`, {
      cure: 'release ports that are not needed, or widen port-range of the server',
    })
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE') return 'another program uses it'
  if (code === 'EACCES') return 'not permitted'
  return error instanceof Error ? error.message : String(error)
}
