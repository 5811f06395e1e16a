// Which names a tunnel gets: those asked for, those its target had last time, or a new one; and who holds them now.
import { PbtError } from '@pbt/proto'
import { type Hostname, parseHostname, randomLabel } from './names.ts'
import type { LiveTunnel, Registry } from './registry.ts'

/** What is remembered of a subdomain over restarts. */
export interface StoredName {
  readonly label: string
  readonly machineId: string
  readonly kind: string
  readonly target: string
  /** Its client was there when this was last written. */
  readonly isOnline: boolean
}

/** What the reservations need remembered; acknowledged means on disk. */
export interface NameStore {
  load(): Promise<StoredName[]>
  /** The labels now belong to this target, online. */
  claim(owner: NameOwner, labels: readonly string[]): Promise<void>
  setOffline(owner: NameOwner): Promise<void>
}

export interface NameOwner {
  readonly machineId: string
  readonly kind: string
  readonly target: string
}

/** Who serves a name at the moment. */
export interface Holder extends LiveTunnel {
  readonly owner: NameOwner
  /** For people: the client's label and the target. */
  readonly description: string
  /** Whether somebody else may take a name of this tunnel: its own client's newer session, or, while the link is down, its machine. */
  yieldsTo(owner: NameOwner, clientId: string): boolean
  /** Gives up a name to somebody else. */
  lose(host: string): void
}

const MAX_DOMAINS = 32
const RANDOM_ATTEMPTS = 50

export class Reservations {
  private readonly baseDomain: string
  private readonly registry: Registry
  private readonly store: NameStore
  /** Labels last used, by owner. */
  private readonly labels = new Map<string, string[]>()
  /** Owner of each label ever used. */
  private readonly owners = new Map<string, NameOwner>()
  private readonly holders = new Map<string, Holder>()

  constructor(baseDomain: string, registry: Registry, store: NameStore) {
    this.baseDomain = baseDomain
    this.registry = registry
    this.store = store
  }

  /** Reads what is remembered; names whose clients were online are awaited for `graceMs`. Once, at start. */
  async load(graceMs: number): Promise<void> {
    for (const { label, isOnline, ...owner } of await this.store.load()) {
      this.remember(owner, [label])
      const host = `${label}.${this.baseDomain}`
      if (isOnline) this.registry.setAwaited(host, graceMs)
      else this.registry.setOffline(host)
    }
  }

  /**
   * Gives the tunnel its names; they lead to it when this resolves. Rejects with PbtError `name-taken`, `name-invalid` or
   * `name-reserved`, and then nothing has changed.
   */
  async claim(holder: Holder, clientId: string, domains: readonly string[]): Promise<Hostname[]> {
    if (domains.length > MAX_DOMAINS) {
      throw new PbtError('name-invalid', `a tunnel has at most ${MAX_DOMAINS} names, ${domains.length} were asked for`)
    }
    const names = domains.length > 0 ? this.parse(domains) : [this.usual(holder, clientId)]
    for (const name of names) this.checkFree(name, holder, clientId)
    const labels = names.flatMap(name => (name.label === undefined ? [] : [name.label]))
    // Taken before the write, so that nobody else gets them meanwhile.
    for (const { host } of names) this.take(host, holder)
    try {
      if (labels.length > 0) await this.store.claim(holder.owner, labels)
    } catch (error) {
      for (const { host } of names) this.release(host, holder)
      throw error
    }
    this.remember(holder.owner, labels)
    for (const { host } of names) if (this.holders.get(host) === holder) this.registry.setOnline(host, holder)
    return names
  }

  /**
   * The tunnel is closed: its names stay reserved, offline. `isComingBack`: after a restart of the server its client is
   * awaited. Never rejects; a write that failed is reported to `failed`.
   */
  async close(
    holder: Holder,
    names: readonly Hostname[],
    isComingBack: boolean,
    failed: (error: unknown) => void,
  ): Promise<void> {
    const held = names.filter(({ host }) => this.holders.get(host) === holder)
    for (const { host } of held) this.release(host, holder)
    if (isComingBack || !held.some(name => name.label !== undefined)) return
    try {
      await this.store.setOffline(holder.owner)
    } catch (error) {
      failed(error)
    }
  }

  private parse(domains: readonly string[]): Hostname[] {
    const names = domains.map(text => parseHostname(text, this.baseDomain))
    return names.filter((name, index) => names.findIndex(other => other.host === name.host) === index)
  }

  /** What the target had last time if it is free, else a new one. */
  private usual(holder: Holder, clientId: string): Hostname {
    for (const label of this.labels.get(keyOf(holder.owner)) ?? []) {
      const name = { host: `${label}.${this.baseDomain}`, label }
      const current = this.holders.get(name.host)
      const isOwn = sameOwner(this.owners.get(label), holder.owner)
      if (isOwn && (current === undefined || current.yieldsTo(holder.owner, clientId))) return name
    }
    for (let attempt = 0; attempt < RANDOM_ATTEMPTS; attempt++) {
      const label = randomLabel()
      if (!this.owners.has(label)) return { host: `${label}.${this.baseDomain}`, label }
    }
    throw new PbtError('name-taken', 'no free random name was found', { cure: 'choose one with --domain' })
  }

  private checkFree(name: Hostname, holder: Holder, clientId: string): void {
    const current = this.holders.get(name.host)
    if (current === undefined || current === holder || current.yieldsTo(holder.owner, clientId)) return
    throw new PbtError('name-taken', `name "${name.label ?? name.host}" is taken by ${current.description}`, {
      cure: 'stop that tunnel, or choose another name with --domain',
    })
  }

  private take(host: string, holder: Holder): void {
    const current = this.holders.get(host)
    if (current !== undefined && current !== holder) current.lose(host)
    this.holders.set(host, holder)
  }

  private release(host: string, holder: Holder): void {
    if (this.holders.get(host) !== holder) return
    this.holders.delete(host)
    this.registry.setOffline(host)
  }

  private remember(owner: NameOwner, labels: readonly string[]): void {
    if (labels.length === 0) return
    const key = keyOf(owner)
    const before = this.labels.get(key) ?? []
    this.labels.set(key, [...labels, ...before.filter(label => !labels.includes(label))])
    for (const label of labels) this.owners.set(label, owner)
  }
}

function keyOf(owner: NameOwner): string {
  return JSON.stringify([owner.machineId, owner.kind, owner.target])
}

function sameOwner(left: NameOwner | undefined, right: NameOwner): boolean {
  return left !== undefined && keyOf(left) === keyOf(right)
}
