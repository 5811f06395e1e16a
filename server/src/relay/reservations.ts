// Which names a tunnel gets: those asked for, those its target had last time, or a new one.
import { PbtError } from '@pbt/proto'
import { Book, type Holder } from './book.ts'
import { type Hostname, parseHostname, randomLabel } from './names.ts'
import type { Registry, TunnelOwner } from './registry.ts'

/** What is remembered of a subdomain over restarts. */
export interface StoredName extends TunnelOwner {
  readonly label: string
  /** Its client was there when this was last written. */
  readonly isOnline: boolean
}

/** What the reservations need remembered; acknowledged means on disk. */
export interface NameStore {
  /** The one used last at the end. */
  load(): Promise<StoredName[]>
  /** The labels now belong to this target, online. */
  claim(owner: TunnelOwner, labels: readonly string[]): Promise<void>
  setOffline(labels: readonly string[]): Promise<void>
}

const MAX_DOMAINS = 32
const RANDOM_ATTEMPTS = 50

export class Reservations {
  private readonly baseDomain: string
  private readonly registry: Registry
  private readonly store: NameStore
  private readonly onUnwritten: (error: unknown) => void
  private readonly book: Book

  /** `onUnwritten`: names that are their tunnel's own were given back to it, and that could not be written. */
  constructor(baseDomain: string, registry: Registry, store: NameStore, onUnwritten: (error: unknown) => void) {
    this.baseDomain = baseDomain
    this.registry = registry
    this.store = store
    this.onUnwritten = onUnwritten
    this.book = new Book(registry)
  }

  /** Reads what is remembered; names whose clients were online are awaited for `graceMs`. Once, at start. */
  async load(graceMs: number): Promise<void> {
    for (const { label, isOnline, ...owner } of await this.store.load()) {
      const host = this.hostOf(label)
      this.book.remember(owner, [host])
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
    const labelled = labels.map(label => this.hostOf(label))
    // Taken before the write, so that nobody else gets them meanwhile.
    for (const { host } of names) this.book.take(host, holder)
    try {
      if (labels.length > 0) await this.store.claim(holder.owner, labels)
    } catch (error) {
      if (!this.book.owns(holder.owner, labelled)) {
        for (const { host } of names) this.book.abandon(host, holder)
        throw error
      }
      // Whose they are is on disk: only when they were used last is not.
      this.onUnwritten(error)
    }
    this.book.remember(holder.owner, labelled)
    this.book.online(
      names.map(({ host }) => host),
      holder,
    )
    return names
  }

  /**
   * The tunnel is closed: its names stay reserved, offline. `isComingBack`: after a restart of the server its client is
   * awaited. Rejects when that could not be written.
   */
  async close(holder: Holder, names: readonly Hostname[], isComingBack: boolean): Promise<void> {
    const held = names.filter(({ host }) => this.book.release(host, holder))
    const labels = held.flatMap(({ label }) => (label === undefined ? [] : [label]))
    if (!isComingBack && labels.length > 0) await this.store.setOffline(labels)
  }

  private hostOf(label: string): string {
    return `${label}.${this.baseDomain}`
  }

  private parse(domains: readonly string[]): Hostname[] {
    const names = domains.map(text => parseHostname(text, this.baseDomain))
    return names.filter((name, index) => names.findIndex(other => other.host === name.host) === index)
  }

  /** What the target had last time if it is free, else a new one. */
  private usual(holder: Holder, clientId: string): Hostname {
    const usual = this.book.usual(holder, clientId)
    if (usual !== undefined) return { host: usual, label: usual.slice(0, -this.baseDomain.length - 1) }
    for (let attempt = 0; attempt < RANDOM_ATTEMPTS; attempt++) {
      const label = randomLabel()
      if (!this.book.isKnown(this.hostOf(label))) return { host: this.hostOf(label), label }
    }
    throw new PbtError('name-taken', 'no free random name was found', { cure: 'choose one with --domain' })
  }

  private checkFree({ host, label }: Hostname, holder: Holder, clientId: string): void {
    const obstacle = this.book.obstacle(host, holder, clientId)
    if (obstacle === undefined) return
    throw new PbtError('name-taken', `name "${label ?? host}" is taken by ${obstacle.description}`, {
      cure: 'stop that tunnel, or choose another name with --domain',
    })
  }
}
