// What one visitor address has under way at the moment, and what it makes the server hold for it.
import { MAX_CHANNELS, MIB, SESSION_CREDIT_BYTES } from '@pbt/proto'

/**
 * What all visits of an address may have had sent to them that they do not take; the visit that goes beyond it is cut. One
 * session's grown windows and the first credit of 32 channels fit, so that no ordinary visitor whose line stands still is cut.
 */
export const MAX_HELD_BYTES = SESSION_CREDIT_BYTES + 8 * MIB
/**
 * The same for an address that has more than FEW_UNDER_WAY: what many pieces keep besides themselves comes on top. From half of it on it
 * may begin nothing new.
 */
export const MAX_HELD_BY_MANY_BYTES = 16 * MIB

/** An address that has at most so many connections and requests may have one of the last of a session's channels. */
export const FEW_UNDER_WAY = MAX_CHANNELS / 100

/** The address's own view, for its connections and visits. */
export interface AddressUse {
  /** A request begins, or waits to: false when the address has too many; otherwise `ended` when nothing of it is left. */
  began(): boolean
  ended(): void
  /** It has few connections and requests. */
  readonly isSmall: boolean
  /** It has many, and is none of the owner's: what only waits may have to go. */
  readonly isCrowded: boolean
  /** Connections of the address at the moment; 0 for the owner's own programs and proxies, whose number has no limit. */
  readonly crowd: number
  /** Bytes wait for the visitor to take them; false when that is too much for this address: cut what they are for. */
  hold(bytes: number): boolean
  /** They have been taken, or are gone with their connection. */
  release(bytes: number): void
}

/** The counters of one address, shared by all its connections and visits. */
export class UseOfAddress implements AddressUse {
  /** Open at the moment. */
  connections = 0
  /** Under way at the moment. */
  requests = 0
  private held = 0
  private readonly most: number
  private readonly all: { underWay: number }

  /** `all`: counts those of all addresses. */
  constructor(most: number, all: { underWay: number }) {
    this.most = most
    this.all = all
  }

  /** It has much under way and does not read what comes. */
  private get isUnread(): boolean {
    return this.isCrowded && this.held > MAX_HELD_BY_MANY_BYTES / 2
  }

  private get isLimited(): boolean {
    return this.most < Number.POSITIVE_INFINITY
  }

  get isIdle(): boolean {
    return this.connections === 0 && this.requests === 0
  }

  get isSmall(): boolean {
    return this.connections + this.requests <= FEW_UNDER_WAY
  }

  get isCrowded(): boolean {
    return this.isLimited && !this.isSmall
  }

  get crowd(): number {
    return this.isLimited ? this.connections : 0
  }

  began(): boolean {
    if (this.requests >= this.most || this.isUnread) return false
    this.requests++
    this.all.underWay++
    return true
  }

  ended(): void {
    this.requests--
    this.all.underWay--
  }

  hold(bytes: number): boolean {
    this.held += bytes
    return this.held <= (this.isSmall ? MAX_HELD_BYTES : MAX_HELD_BY_MANY_BYTES) || !this.isLimited
  }

  release(bytes: number): void {
    this.held -= bytes
  }
}
