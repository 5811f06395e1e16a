// Which public port a TCP or UDP tunnel gets: the one asked for, the one its target had last time, or a free one.
import { randomInt } from 'node:crypto'
import { PbtError } from '@pbt/proto'
import type { Log } from '../observe/log.ts'
import { Book, type Holder } from './book.ts'
import type { Registry, TunnelOwner } from './registry.ts'

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
  /** Whether pbt-server itself listens there, for visitors, metrics or names. */
  readonly isOwn: (protocol: Protocol, number: number) => boolean
  readonly log: Log
}

/** Of the ports that are remembered. */
export interface LoadedPorts {
  /** Could not be had. */
  readonly failed: readonly { protocol: Protocol; number: number; error: unknown }[]
  /** Kept, but nobody may have them today: not listened on. */
  readonly outside: readonly string[]
}

/** The port that a target had last time, and why it cannot have it now. */
interface Lost {
  readonly number: number
  readonly error: unknown
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
   * are awaited for `graceMs`. Once, at start.
   */
  async load(graceMs: number): Promise<LoadedPorts> {
    const { registry, store } = this.options
    const failed: { protocol: Protocol; number: number; error: unknown }[] = []
    const outside: string[] = []
    for (const { protocol, number, isOnline, ...owner } of await store.load()) {
      const address = addressOf(protocol, number)
      this.book.remember(owner, [address])
      if (!this.isInRange(number)) {
        outside.push(address)
        continue
      }
      if (isOnline) registry.setAwaited(address, graceMs)
      else registry.setOffline(address)
      await this.listen(protocol, number).catch((error: unknown) => failed.push({ protocol, number, error }))
    }
    return { failed, outside }
  }

  /**
   * Gives the tunnel its port, `wanted` or, with 0, the one of last time or a free one; it leads to the tunnel when this
   * resolves. Rejects with PbtError `port-taken`, `port-invalid` or `limit`, and then nothing has changed.
   */
  async claim(holder: Holder, clientId: string, protocol: Protocol, wanted: number): Promise<number> {
    if (wanted === 0) return await this.claimAny(holder, clientId, protocol)
    await this.listenOn(protocol, wanted)
    const obstacle = this.book.obstacle(addressOf(protocol, wanted), holder, clientId)
    if (obstacle !== undefined) {
      throw new PbtError('port-taken', `${protocol} port ${wanted} is taken by ${obstacle.description}`, {
        cure: 'stop that tunnel, or choose another port with --reserve-port',
      })
    }
    await this.take(holder, protocol, wanted)
    return wanted
  }

  private async claimAny(holder: Holder, clientId: string, protocol: Protocol): Promise<number> {
    const lost: Lost[] = []
    for (;;) {
      const number = (await this.usual(holder, clientId, protocol, lost)) ?? (await this.free(protocol))
      const address = addressOf(protocol, number)
      this.chosen.delete(address)
      // Somebody who asked for it may have got it while we listened.
      if (this.book.obstacle(address, holder, clientId) !== undefined) continue
      await this.take(holder, protocol, number)
      for (const { number: port, error } of lost) {
        const fields = { protocol, port, reason: reasonOf(error), given: number, target: holder.description }
        this.options.log.warn('a reserved port cannot be had, the tunnel got another one', fields)
      }
      return number
    }
  }

  /** Nobody stands in the way, and the port is listened on: it leads to the tunnel when this resolves. */
  private async take(holder: Holder, protocol: Protocol, number: number): Promise<void> {
    const address = addressOf(protocol, number)
    // Taken before the write, so that nobody else gets it meanwhile.
    this.book.take(address, holder)
    try {
      await this.options.store.claim(holder.owner, protocol, number)
    } catch (error) {
      if (!this.book.owns(holder.owner, [address])) {
        this.book.abandon(address, holder)
        if (!this.isTaken(protocol, number)) this.options.listeners.unlisten(protocol, number)
        throw error
      }
      // Whose it is is on disk: only when it was used last is not.
      this.options.log.error('could not write that a port is in use', { port: address, error: String(error) })
    }
    this.book.remember(holder.owner, [address])
    this.book.online([address], holder)
  }

  /** The tunnel is closed: its port stays reserved, offline. As `Reservations.close`. */
  async close(holder: Holder, protocol: Protocol, number: number, isComingBack: boolean): Promise<void> {
    const wasHeld = this.book.release(addressOf(protocol, number), holder)
    if (wasHeld && !isComingBack) await this.options.store.setOffline(protocol, number)
  }

  private isInRange(number: number): boolean {
    const { first, last } = this.options.range
    return first <= number && number <= last
  }

  private async listen(protocol: Protocol, number: number): Promise<void> {
    if (this.options.isOwn(protocol, number)) throw new Error('pbt-server itself uses it')
    await this.options.listeners.listen(protocol, number)
  }

  /** Listens on the port that was asked for. */
  private async listenOn(protocol: Protocol, number: number): Promise<void> {
    if (!this.isInRange(number)) {
      const { first, last } = this.options.range
      const why = number < FIRST_UNPRIVILEGED ? 'it is privileged, and' : 'it is'
      throw new PbtError('port-invalid', `port ${number} cannot be used: ${why} outside of ${first}-${last}`, {
        cure: `choose a port from ${first} to ${last} with --reserve-port, or widen port-range of the server`,
      })
    }
    try {
      await this.listen(protocol, number)
    } catch (cause) {
      throw new PbtError('port-taken', `the server cannot listen on ${protocol} port ${number}: ${reasonOf(cause)}`, {
        cure: cureOf(cause),
        cause,
      })
    }
  }

  /** What the target had last time, if it can have it; it is chosen then. What it cannot have goes to `lost`. */
  private async usual(holder: Holder, clientId: string, protocol: Protocol, lost: Lost[]): Promise<number | undefined> {
    const isFit = (address: string) => this.isInRange(numberIn(address)) && !this.chosen.has(address)
    for (;;) {
      const isLost = (address: string) => lost.some(({ number }) => number === numberIn(address))
      const address = this.book.usual(holder, clientId, each => isFit(each) && !isLost(each))
      if (address === undefined) return undefined
      const number = numberIn(address)
      this.chosen.add(address)
      try {
        await this.listen(protocol, number)
        return number
      } catch (error) {
        // Somebody else's program may have it since: the owner gets another one rather than none.
        this.chosen.delete(address)
        lost.push({ number, error })
      }
    }
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
    const { range } = this.options
    const candidates: number[] = []
    for (let number = range.first; number <= range.last; number++) {
      if (!this.isEphemeral(number) && !this.isTaken(protocol, number)) candidates.push(number)
    }
    for (let attempt = 0; attempt < BUSY_ATTEMPTS && candidates.length > 0; attempt++) {
      // Any of them, so that ports tell nothing and the order of clients does not matter.
      const [number = 0] = candidates.splice(randomInt(candidates.length), 1)
      if (this.isTaken(protocol, number)) continue // by somebody who chose while we listened
      this.chosen.add(addressOf(protocol, number))
      const isOurs = await this.listen(protocol, number).then(
        () => true,
        () => false,
      )
      if (isOurs) return number
      this.chosen.delete(addressOf(protocol, number))
    }
    throw new PbtError('limit', `no ${protocol} port is free in ${range.first}-${range.last}`, {
      cure: 'widen port-range of the server',
    })
  }
}

function numberIn(address: string): number {
  return Number(address.split(':')[1])
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** Why a port cannot be listened on. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error)
  if (code === 'EADDRINUSE') return 'another program uses it'
  if (code === 'EACCES') return 'the server may not listen there'
  return error instanceof Error ? error.message : String(error)
}

function cureOf(error: unknown): string {
  const another = 'choose another port with --reserve-port'
  const code = codeOf(error)
  if (code === 'EADDRINUSE') return `end that program, or ${another}`
  if (code === 'EACCES') return `${another}, or let pbt-server listen on it (deploy/README.md)`
  return another
}
