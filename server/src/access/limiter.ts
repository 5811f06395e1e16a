// Wrong tokens by address: one that fails too often is refused for a while; others notice nothing.
import { Allowance } from '@pbt/proto'
import { countedAs } from './peer-address.ts'

/** The failure within a minute with which an address is refused. A person who mistypes stays far below. */
export const FAILURES_A_MINUTE = 10

/** How long an address that went over it is refused, milliseconds. */
export const REFUSED_MS = 60_000

/** Addresses kept at once; the one that failed longest ago makes room. About 1 MiB. */
export const MAX_ADDRESSES = 10_000

const SECONDS_A_MINUTE = 60

interface Failures {
  /** Failures before the one that has the address refused. */
  readonly allowance: Allowance
  refusedUntil: number
}

/** Counts wrong tokens by address, in memory only: a restart forgets them. */
export class FailureLimiter {
  private readonly clock: { now(): number }
  /** In the order of the last failure, the oldest first. */
  private readonly byAddress = new Map<string, Failures>()

  /** `clock.now` in milliseconds, monotonic. */
  constructor(clock: { now(): number }) {
    this.clock = clock
  }

  /** Addresses kept at the moment. */
  get size(): number {
    return this.byAddress.size
  }

  /** How long this address is still refused, milliseconds; 0 when it may try. Ask before looking at its token. */
  refusedForMs(address: string | undefined): number {
    const failures = this.byAddress.get(countedAs(address))
    return failures === undefined ? 0 : Math.max(0, failures.refusedUntil - this.clock.now())
  }

  /** This address has shown a wrong token. True when it is refused from now on, which is worth a line in the log. */
  failed(address: string | undefined): boolean {
    const key = countedAs(address)
    const failures = this.byAddress.get(key) ?? this.none()
    const isRefused = !failures.allowance.spend(1)
    if (isRefused) failures.refusedUntil = this.clock.now() + REFUSED_MS
    this.byAddress.delete(key)
    this.byAddress.set(key, failures)
    this.makeRoom()
    return isRefused
  }

  private none(): Failures {
    const allowance = new Allowance(this.clock, FAILURES_A_MINUTE - 1, FAILURES_A_MINUTE / SECONDS_A_MINUTE)
    return { allowance, refusedUntil: 0 }
  }

  private makeRoom(): void {
    if (this.byAddress.size <= MAX_ADDRESSES) return
    const [oldest] = this.byAddress.keys()
    if (oldest !== undefined) this.byAddress.delete(oldest)
  }
}
