// How many connections and requests visitors may hold and open, in all and from one address: pure counting, the sockets are
// the edge's.

import { Allowance } from '@pbt/proto'
import { type AddressUse, UseOfAddress } from './address-use.ts'
import { countedAs } from './peer-address.ts'

/** Connections of visitors at once when descriptors allow it; each costs a descriptor and up to 100 KiB idle. */
export const MAX_CONNECTIONS = 20_000
/** Descriptors kept for the database, listeners, links, the admin API and the log. */
export const KEPT_DESCRIPTORS = 64
/** Of the descriptors this part is for visitors at most, so that `accept` never runs dry. */
export const DESCRIPTOR_SHARE = 0.9
/** Connections over a limit that are accepted to be told so; more are closed without an answer. */
export const MAX_TURNED_AWAY = 256
/** Of the descriptors this part is for these at most. */
export const TURNED_AWAY_SHARE = 0.05
/** Of these from one address: the same visitor needs no more. */
export const MAX_TURNED_AWAY_PER_ADDRESS = 8
/** New connections that may come at once: this many seconds' worth. A browser opens six for each host. */
export const BURST_SECONDS = 4
/** From this part of the connections on there are few left: those that only wait may have to go. */
export const SCARCE_SHARE = 0.75
/** Addresses remembered without an open connection; the one seen longest ago makes room. About 2 MiB. */
export const MAX_REMEMBERED = 10_000
/** Connections closed for abuse within a minute after which an address is held down for the next minute. */
export const ABUSES_A_MINUTE = 3
/** What an address that is held down may still open in a second. */
export const HELD_DOWN_A_SECOND = 1

const MINUTE_MS = 60_000

/**
 * `limited`: this address is over a limit; `overloaded`: all visitors together are. Both are counted, to be told so.
 * `refused`: too many are being told; not counted, to be closed.
 */
export type Verdict = 'welcome' | 'limited' | 'overloaded' | 'refused'

/** The limits that are set, and what the system allows. */
export interface VisitorLimitsOptions {
  /** Milliseconds, monotonic. */
  readonly clock: { now(): number }
  /** Descriptors that the process may have. */
  readonly descriptors: number
  /** Connections of one address at once. */
  readonly perAddress: number
  /** New connections of one address a second, on average. */
  readonly newPerSecond: number
  /** The owner's proxies, whose connections are those of many visitors: their number from one address has no limit. */
  readonly isProxy?: (address: string) => boolean
}

interface Address {
  turnedAway: number
  /** New connections it may still open. */
  readonly arrivals: Allowance
  /** When it was closed for abuse, within the last minute. */
  abuses: number[]
  /** Undefined: it is not held down. */
  heldDownUntil: number | undefined
  readonly use: UseOfAddress
}

/** How many connections there may be with this many descriptors. */
export function maxConnectionsFor(descriptors: number): number {
  return Math.max(1, Math.min(MAX_CONNECTIONS, Math.floor(descriptors * DESCRIPTOR_SHARE) - KEPT_DESCRIPTORS))
}

/** Counts connections of all visitors and of each address. Accepting and closing sockets is up to the caller. */
export class VisitorLimits {
  private readonly options: VisitorLimitsOptions
  private readonly maxConnections: number
  private readonly maxTurnedAway: number
  /** In the order in which they were seen last, the longest ago first. */
  private readonly addresses = new Map<string, Address>()
  /** Welcome connections at the moment. */
  open = 0
  /** No new visitors: set by the memory watch, read wherever connections are accepted. */
  isMemoryShort = false
  private turnedAway = 0
  private readonly requests = { underWay: 0 }

  constructor(options: VisitorLimitsOptions) {
    this.options = options
    this.maxConnections = maxConnectionsFor(options.descriptors)
    this.maxTurnedAway = Math.min(MAX_TURNED_AWAY, Math.floor(options.descriptors * TURNED_AWAY_SHARE))
  }

  /** Addresses remembered at the moment. */
  get size(): number {
    return this.addresses.size
  }

  /** There is little room for new visitors, in connections or memory. */
  get isScarce(): boolean {
    return this.isMemoryShort || this.open >= this.maxConnections * SCARCE_SHARE
  }

  /** A connection has come. A caller that gets anything but `refused` calls `left` when it closes, with that verdict. */
  arrived(address: string | undefined): Verdict {
    const isOwner = this.isOwner(address)
    const state = this.see(address)
    const isTooFast = !isOwner && !this.takeOne(state)
    const isOver = !isOwner && state.use.connections >= this.options.perAddress
    if (!isTooFast && !isOver && this.open < this.maxConnections && !this.isMemoryShort) {
      this.open++
      state.use.connections++
      return 'welcome'
    }
    if (this.turnedAway >= this.maxTurnedAway || state.turnedAway >= MAX_TURNED_AWAY_PER_ADDRESS) return 'refused'
    this.turnedAway++
    state.turnedAway++
    return isTooFast || isOver ? 'limited' : 'overloaded'
  }

  left(address: string | undefined, verdict: Exclude<Verdict, 'refused'>): void {
    const state = this.addresses.get(countedAs(address))
    if (verdict === 'welcome') this.open--
    else this.turnedAway--
    if (state === undefined) return
    if (verdict === 'welcome') state.use.connections--
    else state.turnedAway--
  }

  /** What this address has under way, to be counted by each of its visits; the same object for as long as it has any. */
  useOf(address: string): AddressUse {
    return this.see(address).use
  }

  /** A connection of this address had to be closed for abuse. True when the address is held down from now on. */
  abused(address: string | undefined): boolean {
    const now = this.options.clock.now()
    const state = this.see(address)
    state.abuses = state.abuses.filter(at => now - at < MINUTE_MS)
    state.abuses.push(now)
    if (state.abuses.length < ABUSES_A_MINUTE) return false
    state.abuses = []
    state.heldDownUntil = now + MINUTE_MS
    state.arrivals.change(HELD_DOWN_A_SECOND, HELD_DOWN_A_SECOND)
    return true
  }

  private takeOne(state: Address): boolean {
    const { clock, newPerSecond } = this.options
    if (state.heldDownUntil !== undefined && clock.now() >= state.heldDownUntil) {
      state.heldDownUntil = undefined
      state.arrivals.change(newPerSecond * BURST_SECONDS, newPerSecond)
    }
    return state.arrivals.spend(1)
  }

  /** The address's counters, seen just now. Those with connections stay for as long as these. */
  private see(address: string | undefined): Address {
    const key = countedAs(address)
    const known = this.addresses.get(key)
    const state = known ?? this.newcomer(address)
    this.addresses.delete(key)
    this.addresses.set(key, state)
    if (known === undefined) this.makeRoom()
    return state
  }

  private newcomer(address: string | undefined): Address {
    const { newPerSecond, perAddress, clock } = this.options
    const most = this.isOwner(address) ? Number.POSITIVE_INFINITY : perAddress
    const use = new UseOfAddress(most, this.requests)
    return {
      turnedAway: 0,
      arrivals: new Allowance(clock, newPerSecond * BURST_SECONDS, newPerSecond),
      abuses: [],
      heldDownUntil: undefined,
      use,
    }
  }

  /** The owner's own programs and proxies, whose number has no limit. */
  private isOwner(address: string | undefined): boolean {
    return isThisMachine(address) || this.options.isProxy?.(address ?? '') === true
  }

  private makeRoom(): void {
    if (this.addresses.size <= MAX_REMEMBERED + this.open + this.turnedAway + this.requests.underWay) return
    // Fewer than that many have something open, so one without is near; those passed by go to the back.
    for (const [key, state] of this.addresses) {
      this.addresses.delete(key)
      if (state.turnedAway === 0 && state.use.isIdle) return
      this.addresses.set(key, state)
    }
  }
}

/** The owner's programs on the server itself. The rest of 127.0.0.0/8 is for those who play strangers. */
function isThisMachine(address: string | undefined): boolean {
  return address === '127.0.0.1' || address === '::1' || address === '::ffff:127.0.0.1'
}
