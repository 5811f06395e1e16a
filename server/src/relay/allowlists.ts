// The allowlists that the owner set on the server. Each belongs to an address and stands in for what the clients say whose
// tunnels have it.
import { isDeepStrictEqual } from 'node:util'
import { Allowlist } from '../access/allowlist.ts'
import type { Log } from '../observe/log.ts'

/** What is remembered of an allowlist. */
export interface StoredAllowlist {
  /** A label below the base domain, a port as `tcp:20022`, or the full name of a custom domain. */
  readonly address: string
  /** Addresses and CIDR blocks; none: everybody. */
  readonly entries: readonly string[]
}

/** A list that visitors can be judged by. */
export type Judge = Pick<Allowlist, 'allows'>

export interface AllowlistsOptions {
  readonly store: { allowlists(): Promise<StoredAllowlist[]> }
  readonly baseDomain: string
  readonly log: Log
}

/** In place of a list that cannot be read: whoever it was to keep out stays out. */
const NOBODY: Judge = { allows: () => false }

export class Allowlists {
  private readonly options: AllowlistsOptions
  /** By the registry's address. */
  private lists: ReadonlyMap<string, { readonly entries: readonly string[]; readonly judge: Judge }> = new Map()

  constructor(options: AllowlistsOptions) {
    this.options = options
  }

  /** Reads again what is remembered; `of` tells it from then on. Rejects when it cannot be read, and then nothing has changed. */
  async load(): Promise<void> {
    const stored = await this.options.store.allowlists()
    this.lists = new Map(
      stored.map(({ address, entries }) => {
        const key = this.keyOf(address)
        return [key, { entries, judge: this.judge(key, entries) }]
      }),
    )
  }

  /** The list that is set for an address of the registry; undefined: none is. The same one as long as it says the same. */
  of(address: string): Judge | undefined {
    return this.lists.get(address)?.judge
  }

  private keyOf(address: string): string {
    return /[.:]/.test(address) ? address : `${address}.${this.options.baseDomain}`
  }

  private judge(key: string, entries: readonly string[]): Judge {
    const before = this.lists.get(key)
    if (before !== undefined && isDeepStrictEqual(before.entries, entries)) return before.judge
    try {
      return new Allowlist(entries)
    } catch (error) {
      // Written by hand: the command refuses what cannot be read.
      const holds = before === undefined ? 'nobody may visit' : 'the one before holds'
      this.options.log.error(`allowlist cannot be used, ${holds}`, { address: key, error: String(error) })
      return before?.judge ?? NOBODY
    }
  }
}
