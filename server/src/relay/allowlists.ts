// The allowlists that the owner set on the server. Each belongs to an address and stands in for what the clients say whose tunnels have it.
import { isDeepStrictEqual } from 'node:util'
import { Allowlist, EVERYBODY, type Judge, NOBODY } from '../access/allowlist.ts'
import type { Log } from '../observe/log.ts'
import { keptAddress } from './address.ts'

/** Who may visit an address: everybody, or those of a list, which may be empty. */
export type Access = 'everybody' | 'listed'

/** What is remembered of an allowlist. */
export interface StoredAllowlist {
  /** An address's text. */
  readonly address: string
  readonly access: Access
  /** Addresses and CIDR blocks. */
  readonly blocks: readonly string[]
}

/** Where allowlists are kept; rejects when they cannot be read. */
export interface AllowlistStore {
  allowlists(): Promise<StoredAllowlist[]>
}

/** Where allowlists are kept, and what their addresses are below. */
export interface AllowlistsOptions {
  readonly store: AllowlistStore
  readonly baseDomain: string
  readonly log: Log
}

interface Kept {
  readonly stored: StoredAllowlist
  readonly judge: Judge
}

/** The owner's allowlists, in memory, by address; `load` brings changes into force. */
export class Allowlists {
  private readonly options: AllowlistsOptions
  /** By the address's key. */
  private lists: ReadonlyMap<string, Kept> = new Map()

  constructor(options: AllowlistsOptions) {
    this.options = options
  }

  /** Reads again what is remembered; `of` tells it from then on. Rejects when it cannot be read, and then nothing has changed. */
  async load(): Promise<void> {
    const all = await this.options.store.allowlists()
    this.lists = new Map(
      all.map(stored => {
        const { key } = keptAddress(stored.address, this.options.baseDomain)
        return [key, { stored, judge: this.judge(key, stored) }]
      }),
    )
  }

  /** The list that is set for an address's key; undefined: none is. The same one as long as it says the same. */
  of(key: string): Judge | undefined {
    return this.lists.get(key)?.judge
  }

  private judge(key: string, stored: StoredAllowlist): Judge {
    if (stored.access === 'everybody') return EVERYBODY
    const before = this.lists.get(key)
    if (before !== undefined && isDeepStrictEqual(before.stored, stored)) return before.judge
    try {
      return new Allowlist(stored.blocks)
    } catch (error) {
      // Written by hand: the verbs refuse what cannot be read. Visitors it was to keep out stay out.
      const holds = before === undefined ? 'nobody may visit' : 'the previous one applies'
      this.options.log.error(`allowlist cannot be used, ${holds}`, { address: stored.address, error: String(error) })
      return before?.judge ?? NOBODY
    }
  }
}
