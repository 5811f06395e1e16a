// Which tunnel a public address leads to, in memory: what the edge asks for each request, connection and flow. An address
// is a host name, one after `*.` that stands for any label there, or a port as `tcp:20022`.
import { type Channel, type ChannelHandler, type Clock, MAX_CHANNELS, type RequestHead, type Timer } from '@pbt/proto'
import { wildcardFor } from './address.ts'

/** A target of a machine: it gets again the addresses that it had. */
export interface Affinity {
  readonly machineId: string
  /** http, tcp or udp. */
  readonly kind: string
  readonly target: string
}

/** Whether both are the same target of the same machine. */
export function isSameTarget(one: Affinity | undefined, other: Affinity): boolean {
  return one?.machineId === other.machineId && one.kind === other.kind && one.target === other.target
}

/** A tunnel whose client is there, or expected back within the grace time of its session. */
export interface LiveTunnel {
  readonly name: string
  /** The target, whatever session serves it. */
  readonly affinity: Affinity
  /** Its session has few channels left: they are for visitors whose addresses have little under way. */
  readonly isNearlyFull: boolean
  /** Its session is nearly full, or its client recently had no room for a visitor: visitors that only wait may have to go. */
  readonly isShort: boolean
  /** How long a UDP flow may be silent. */
  readonly idleTimeoutMs: number
  /** The owner has visitors turned away; those who are here go on, flows of datagrams wait. */
  readonly isPaused: boolean
  /** How many times the bytes that came from a UDP source it may be sent until it is proven; undefined: no bound. */
  readonly replyFactor: number | undefined
  /** Whether a visitor with this address may come; counts those who may not. */
  allows(address: string): boolean
  /**
   * Opens a channel for a request; `head.tunnel` is filled in. Throws PbtError `limit` when the session has too many
   * channels and `link-lost` when it is over.
   */
  open(head: RequestHead, end: boolean, handler: ChannelHandler): Channel
  /** Opens a channel for a connection or flow. `visitor` and `local`: address and port. Throws as `open`. */
  connect(kind: 'tcp' | 'udp', visitor: string, local: string, handler: ChannelHandler): Channel
  /** Its client had no room for a visitor (`limit`). */
  noteShort(): void
}

/** What is at an address at this moment. */
export type Lookup =
  | { readonly state: 'online'; readonly tunnel: LiveTunnel }
  /** The client was online when the server stopped and may come back any moment: `whenKnown` tells. */
  | { readonly state: 'awaited' }
  | { readonly state: 'offline'; readonly retryAfterSeconds: number }
  | { readonly state: 'unknown' }

const UNKNOWN: Lookup = { state: 'unknown' }
const AWAITED: Lookup = { state: 'awaited' }
/** What visitors of an offline name are told: about how long a restart of the client takes. */
const OFFLINE: Lookup = { state: 'offline', retryAfterSeconds: 10 }

/**
 * Visitors who wait for clients that are expected back; more are turned away. A quarter of a minute's worth at 300 a second, for an upgrade
 * on a busy machine; the session that they wait for has room for as many again.
 */
const MAX_WAITERS = MAX_CHANNELS / 2

interface Entry {
  lookup: Lookup
  /** While it is awaited: until when. */
  timer: Timer | undefined
  waiters: Set<(lookup: Lookup) => void>
}

/** Finds the tunnel of an address without I/O. */
export class Registry {
  private readonly clock: Clock
  private readonly hosts = new Map<string, Entry>()
  private waiting = 0

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** `host`: lower-case, no port, no trailing dot; or a port. A name that is kept goes before a wildcard. */
  lookup(host: string): Lookup {
    return this.entryFor(host)?.lookup ?? UNKNOWN
  }

  /** The name leads to this tunnel from now on; those who waited for it are told. */
  setOnline(host: string, tunnel: LiveTunnel): void {
    this.set(host, { state: 'online', tunnel })
  }

  /** The name is kept for its owner, no client serves it. `tunnel`: only if it is still this one's. */
  setOffline(host: string, tunnel?: LiveTunnel): void {
    const lookup = this.hosts.get(host)?.lookup
    if (tunnel !== undefined && !(lookup?.state === 'online' && lookup.tunnel === tunnel)) return
    this.set(host, OFFLINE)
  }

  /** The name's client was online when the server stopped, or a tunnel is about to have it: it is awaited for `ms`, then offline. */
  setAwaited(host: string, ms: number): void {
    this.set(host, AWAITED).timer = this.clock.after(ms, () => this.setOffline(host))
  }

  /** No tunnel has or had the address. */
  forget(host: string): void {
    this.set(host, UNKNOWN)
    this.hosts.delete(host)
  }

  /**
   * Calls once, when an awaited name is online or has been given up, and returns how to stop waiting. Undefined when
   * too many wait already. What it calls must not throw.
   */
  whenKnown(host: string, call: (lookup: Lookup) => void): (() => void) | undefined {
    const entry = this.entryFor(host)
    if (entry?.lookup.state !== 'awaited' || this.waiting >= MAX_WAITERS) return undefined
    entry.waiters.add(call)
    this.waiting++
    return () => {
      if (entry.waiters.delete(call)) this.waiting--
    }
  }

  /** Ends all waiting. */
  close(): void {
    for (const host of [...this.hosts.keys()]) if (this.lookup(host) === AWAITED) this.setOffline(host)
  }

  private entryFor(host: string): Entry | undefined {
    return this.hosts.get(host) ?? this.hosts.get(wildcardFor(host))
  }

  private set(host: string, lookup: Lookup): Entry {
    const entry = this.hosts.get(host) ?? { lookup, timer: undefined, waiters: new Set() }
    entry.lookup = lookup
    entry.timer?.clear()
    entry.timer = undefined
    this.hosts.set(host, entry)
    if (lookup === AWAITED) return entry
    const waiters = [...entry.waiters]
    entry.waiters.clear()
    this.waiting -= waiters.length
    for (const call of waiters) call(lookup)
    return entry
  }
}
