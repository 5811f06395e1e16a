// Receive credit of one channel: arithmetic over what was granted, received and read. No I/O, time is passed in.
import { INITIAL_CREDIT_BYTES, MAX_CREDIT_BYTES, SESSION_CREDIT_BYTES } from '../limits.ts'

/** What all windows of a session and direction share. */
export interface CreditPool {
  /** Bytes by which windows have grown beyond the initial credit. */
  grownBytes: number
}

/** A grant is worth a frame once this part of the window was read: four grants a window. */
const GRANT_PART = 4
/**
 * A window read within this many usual round trips was too small for the line; twice as much would wait in this process.
 * Usual, not lowest: on a line with a queue the window has to fill that too, or it is the window that sets the rate.
 */
const GROWTH_ROUND_TRIPS = 1.5
/** Below this the scheduling of two processes decides. */
const MIN_ROUND_TRIP_MS = 4

/** Flow control of one channel at its receiver, in bytes; the window grows while it is what limits the rate. */
export class ReceiveWindow {
  private size = INITIAL_CREDIT_BYTES
  /** What the peer may still send. */
  private open = INITIAL_CREDIT_BYTES
  private readSinceGrant = 0
  private readSinceGrowth = 0
  private growthCheckedAt = 0
  private readonly pool: CreditPool

  constructor(pool: CreditPool, now: number) {
    this.pool = pool
    this.growthCheckedAt = now
  }

  /** Notes bytes received; false when the peer was not allowed to send them. */
  received(bytes: number): boolean {
    this.open -= bytes
    return this.open >= 0
  }

  /** Notes bytes read and returns the credit to grant now, 0 for none yet. */
  consumed(bytes: number, now: number, roundTripMs: number): number {
    this.readSinceGrant += bytes
    this.readSinceGrowth += bytes
    if (this.readSinceGrant * GRANT_PART < this.size) return 0
    const grant = this.readSinceGrant + this.growth(now, roundTripMs)
    this.readSinceGrant = 0
    this.open += grant
    return grant
  }

  /** Gives the growth back to the session when the channel is over. */
  release(): void {
    this.pool.grownBytes -= this.size - INITIAL_CREDIT_BYTES
    this.size = INITIAL_CREDIT_BYTES
  }

  private growth(now: number, roundTripMs: number): number {
    if (this.readSinceGrowth < this.size) return 0
    const elapsed = now - this.growthCheckedAt
    this.readSinceGrowth = 0
    this.growthCheckedAt = now
    if (elapsed > GROWTH_ROUND_TRIPS * Math.max(roundTripMs, MIN_ROUND_TRIP_MS)) return 0
    const room = SESSION_CREDIT_BYTES - this.pool.grownBytes
    const growth = Math.min(this.size, MAX_CREDIT_BYTES - this.size, room)
    this.size += growth
    this.pool.grownBytes += growth
    return growth
  }
}
