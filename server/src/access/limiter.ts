// Wrong tokens by address: who fails too often is refused for a while; everybody else notices nothing.
import { countedAs } from './peer-address.ts'

/** The failure within a minute with which an address is refused. A person who mistypes stays far below. */
export const FAILURES_A_MINUTE = 10

/** How long an address that went over it is refused, milliseconds. */
export const REFUSED_MS = 60_000

/** Addresses kept at once; the one that failed longest ago makes room. About 1 MiB. */
export const MAX_ADDRESSES = 10_000

const MINUTE_MS = 60_000

interface Failures {
  /** Failures left before the address is refused, with fractions, as of `at`. */
  left: number
  at: number
  refusedUntil: number
}

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
    const now = this.clock.now()
    const failures = this.byAddress.get(key) ?? { left: FAILURES_A_MINUTE, at: now, refusedUntil: 0 }
    const refilled = ((now - failures.at) / MINUTE_MS) * FAILURES_A_MINUTE
    failures.left = Math.min(FAILURES_A_MINUTE, failures.left + refilled) - 1
    failures.at = now
    const isRefused = failures.left < 1
    if (isRefused) {
      failures.refusedUntil = now + REFUSED_MS
      failures.left = 0
    }
    this.byAddress.delete(key)
    this.byAddress.set(key, failures)
    this.makeRoom()
    return isRefused
  }

  private makeRoom(): void {
    if (this.byAddress.size <= MAX_ADDRESSES) return
    const [oldest] = this.byAddress.keys()
    if (oldest !== undefined) this.byAddress.delete(oldest)
  }
}
