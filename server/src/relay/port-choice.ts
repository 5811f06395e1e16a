// Which public port a TCP or UDP tunnel gets: the one asked for, the one its target had last time, or a free one; listened on, so that
// no other program takes it.
import { randomInt } from 'node:crypto'
import { PbtError } from '@pbt/proto'
import type { Log } from '../observe/log.ts'
import { type PortAddress, type Protocol, portAddress } from './address.ts'
import type { Book, Holder } from './book.ts'

/** Where visitors of ports arrive. */
export interface Listeners {
  /** Listens if it does not yet. Rejects with the system's error. */
  listen(protocol: Protocol, number: number): Promise<void>
  /** Ends what `listen` began. */
  unlisten(protocol: Protocol, number: number): void
}

/** Both ends are included. */
export interface PortRange {
  readonly first: number
  readonly last: number
}

/** Which ports may be given, and what listens on them. */
export interface PortChoiceOptions {
  /** Where tunnels may be. */
  readonly range: PortRange
  /** Whence the system takes ports for connections of its own: not chosen, but given when asked for. */
  readonly ephemeral: PortRange | undefined
  readonly listeners: Listeners
  /** Whether pbt-server itself listens there, for visitors, metrics or names. */
  readonly isOwn: (protocol: Protocol, number: number) => boolean
  readonly log: Log
}

/** The port that a target had last time, and why it cannot have it now. */
interface Lost {
  readonly number: number
  readonly error: unknown
}

/** Ports tried before giving up, each used by another program. */
const BUSY_ATTEMPTS = 100
const FIRST_UNPRIVILEGED = 1024

/** Chooses ports so that two tunnels that ask at the same time never get the same one. */
export class PortChoice {
  private readonly options: PortChoiceOptions
  private readonly book: Book
  /** Keys of addresses about to be claimed: no longer free, not yet taken. */
  private readonly chosen = new Set<string>()

  constructor(options: PortChoiceOptions, book: Book) {
    this.options = options
    this.book = book
  }

  isInRange(number: number): boolean {
    const { first, last } = this.options.range
    return first <= number && number <= last
  }

  /** Rejects with the reason why it cannot be listened on. */
  async listen({ kind, number }: PortAddress): Promise<void> {
    if (this.options.isOwn(kind, number)) throw new Error('pbt-server itself uses it')
    await this.options.listeners.listen(kind, number)
  }

  /** Ends listening on a port that no tunnel has. */
  unlistenIfFree(address: PortAddress): void {
    if (!this.isTaken(address)) this.options.listeners.unlisten(address.kind, address.number)
  }

  /** The port that was asked for, listened on. Rejects with PbtError `port-invalid` or `port-taken`. */
  async wanted(protocol: Protocol, number: number): Promise<PortAddress> {
    if (!this.isInRange(number)) {
      const { first, last } = this.options.range
      const why = number < FIRST_UNPRIVILEGED ? 'it is privileged, and' : 'it is'
      throw new PbtError('port-invalid', `port ${number} cannot be used: ${why} outside of ${first}-${last}`, {
        cure: `choose a port from ${first} to ${last} with --reserve-port, or widen port-range of the server`,
      })
    }
    const address = portAddress(protocol, number)
    try {
      await this.listen(address)
    } catch (cause) {
      throw new PbtError(
        'port-taken',
        `the server cannot listen on ${protocol} port ${number}: ${whyNotListening(cause)}`,
        {
          cure: cureOf(cause),
          cause,
        },
      )
    }
    return address
  }

  /** The port of last time or a free one, listened on; nothing is in the way at this moment. Rejects with PbtError `limit`. */
  async any(holder: Holder, protocol: Protocol, name: string): Promise<PortAddress> {
    const lost: Lost[] = []
    for (;;) {
      const address = (await this.usual(holder, name, lost)) ?? (await this.free(protocol))
      this.chosen.delete(address.key)
      // Another tunnel that asked for it may have got it while we listened.
      if (this.book.obstacle(address, holder, false) !== undefined) continue
      for (const { number: port, error } of lost) {
        const fields = {
          protocol,
          port,
          reason: whyNotListening(error),
          given: address.number,
          target: holder.description,
        }
        this.options.log.warn('a reserved port is not available, the tunnel got another one', fields)
      }
      return address
    }
  }

  /** What the target had last time, if it can have it; it is chosen then. What it cannot have goes to `lost`. */
  private async usual(holder: Holder, name: string, lost: Lost[]): Promise<PortAddress | undefined> {
    for (;;) {
      const address = this.book.usual(holder, name, each => {
        if (!('number' in each) || !this.isInRange(each.number) || this.chosen.has(each.key)) return false
        return !lost.some(({ number }) => number === each.number)
      })
      if (address === undefined || !('number' in address)) return undefined
      this.chosen.add(address.key)
      try {
        await this.listen(address)
        return address
      } catch (error) {
        // Another program may have it since: the owner gets another one rather than none.
        this.chosen.delete(address.key)
        lost.push({ number: address.number, error })
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

  private isTaken(address: PortAddress): boolean {
    return this.book.isKnown(address) || this.chosen.has(address.key)
  }

  /** A port that no tunnel has, listened on and chosen. Rejects with PbtError `limit`. */
  private async free(protocol: Protocol): Promise<PortAddress> {
    const { range } = this.options
    const candidates: PortAddress[] = []
    for (let number = range.first; number <= range.last; number++) {
      const address = portAddress(protocol, number)
      if (!this.isEphemeral(number) && !this.isTaken(address)) candidates.push(address)
    }
    for (let attempt = 0; attempt < BUSY_ATTEMPTS && candidates.length > 0; attempt++) {
      // Any of them, so that ports tell nothing and the order of clients does not matter.
      const [address] = candidates.splice(randomInt(candidates.length), 1)
      if (address === undefined || this.isTaken(address)) continue // by another tunnel, while we listened
      this.chosen.add(address.key)
      const isOurs = await this.listen(address).then(
        () => true,
        () => false,
      )
      if (isOurs) return address
      this.chosen.delete(address.key)
    }
    throw new PbtError('limit', `no ${protocol} port is free in ${range.first}-${range.last}`, {
      cure: 'widen port-range of the server',
    })
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** Why a port cannot be listened on. */
export function whyNotListening(error: unknown): string {
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
