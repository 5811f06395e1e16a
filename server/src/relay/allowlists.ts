// The allowlists that the owner set on the server; each stands in for what its tunnel's client says.
import { ownerKey, type TunnelOwner } from './book.ts'

/** What is remembered of an allowlist. */
export interface StoredAllowlist extends TunnelOwner {
  /** Addresses and CIDR blocks; none: everybody. */
  readonly entries: readonly string[]
}

export class Allowlists {
  private readonly store: { allowlists(): Promise<StoredAllowlist[]> }
  private lists: ReadonlyMap<string, readonly string[]> = new Map()

  constructor(store: { allowlists(): Promise<StoredAllowlist[]> }) {
    this.store = store
  }

  /** Reads again what is remembered; `of` tells it from then on. Rejects when it cannot be read, and then nothing has changed. */
  async load(): Promise<void> {
    const stored = await this.store.allowlists()
    this.lists = new Map(stored.map(({ entries, ...owner }) => [ownerKey(owner), entries]))
  }

  /** The list that is set for this owner's tunnel; undefined: what its client says holds. */
  of(owner: TunnelOwner): readonly string[] | undefined {
    return this.lists.get(ownerKey(owner))
  }
}
