// Addresses that the owner gives to tunnels: a tunnel that is online serves there at once, and another tunnel that had it loses it.
import type { Log } from '../observe/log.ts'
import { type Address, tunnelKindFor } from './address.ts'
import type { Book, Holder, TunnelRecord } from './book.ts'

/** An address as it is kept, in what matters here. */
export interface KeptMapping {
  readonly tunnel: string
  readonly isMapped: boolean
}

/** Where addresses are held and kept, and what is called when a tunnel is renamed. */
export interface MappingsOptions {
  readonly book: Book
  readonly log: Log
  /** On disk when it resolves: the tunnel has the addresses, and its client is there. */
  readonly claim: (tunnel: TunnelRecord, addresses: readonly string[]) => Promise<void>
  /** A tunnel has another name from now on. */
  readonly renamed: (holder: Holder) => void
}

/** Applies what the owner has given to tunnels, also to those that are online. */
export class Mappings {
  private readonly options: MappingsOptions

  constructor(options: MappingsOptions) {
    this.options = options
  }

  /** Those that a tunnel of this name and kind gets besides what it asks for. */
  of(name: string, kind: string, asked: readonly Address[]): Address[] {
    const isAsked = ({ key }: Address) => asked.some(other => other.key === key)
    return this.options.book.mappedTo(name).filter(each => tunnelKindFor(each) === kind && !isAsked(each))
  }

  /** What is kept of the address has been read: `before` is the tunnel that it was given to until then. */
  follow(address: Address, before: string | undefined, { tunnel, isMapped }: KeptMapping): void {
    const now = isMapped ? tunnel : undefined
    if (now === before) return
    if (now === undefined) this.takeBack(address)
    else this.give(address, now)
  }

  private give(address: Address, tunnel: string): void {
    const { book } = this.options
    const current = book.holderOf(address)
    const holder = book.named(tunnel)
    // It asked for the address itself.
    if (current !== undefined && current === holder) return
    if (current !== undefined) this.takeAway(address, `the owner gave the address ${address.text} to "${tunnel}"`)
    if (holder === undefined || holder.affinity.kind !== tunnelKindFor(address)) return
    book.give(address, holder)
    book.online([address], holder)
    this.write(holder, address)
  }

  private takeBack(address: Address): void {
    const { book } = this.options
    const holder = book.holderOf(address)
    if (holder === undefined) return
    if (book.isGiven(address)) this.takeAway(address, `the owner took the address ${address.text} back`)
    // It asked for the address itself, and goes on to have it.
    else this.write(holder, address)
  }

  private takeAway(address: Address, message: string): void {
    const renamed = this.options.book.takeAway(address, { code: 'tunnel-closed', message })
    if (renamed !== undefined) this.options.renamed(renamed)
  }

  private write(holder: Holder, address: Address): void {
    const { book, claim, log } = this.options
    const { affinity, allow, name, client } = holder
    book.remember([address], affinity, name)
    claim({ ...affinity, name, allow, client }, [address.text]).catch((error: unknown) => {
      const fields = { address: address.text, tunnel: name, error: String(error) }
      log.error('could not save that a tunnel has an address', fields)
    })
  }
}
