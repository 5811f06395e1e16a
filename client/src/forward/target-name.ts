// The addresses behind a target's name: what the name service said is not believed for ever.
import { lookup } from 'node:dns'
import { isIP, type Socket } from 'node:net'
import { type Clock, PbtError, type Timer } from '@pbt/proto'
import type { Target } from '../config/target.ts'

/** Addresses are asked for again after this time; the system's resolver does not tell for how long they hold. */
const RENEW_MS = 30_000
/** After a failure they are asked for again at once, but not more often than this. */
const DOUBT_MS = 1_000
/** The resolver may take this long; then who waits is told, and it is asked again. */
const LOOKUP_MS = 10_000
/** Of a name with many addresses. */
const MAX_ADDRESSES = 64

/** `dns.lookup` with all addresses. */
export type Resolve = (
  host: string,
  call: (error: Error | null, found: readonly { readonly address: string }[]) => void,
) => void

type Call = (error: PbtError | undefined) => void

const resolveByDns: Resolve = (host, call) => lookup(host, { all: true }, (error, found) => call(error, found ?? []))

/** Known addresses are given at once; when they are old, the name service is asked beside that. */
export class TargetName {
  private readonly host: string
  private readonly clock: Clock
  private readonly resolve: Resolve
  /** The same list until the addresses are others. */
  private known: readonly string[] = []
  private askedAt = Number.NEGATIVE_INFINITY
  private readonly waiting = new Set<Call>()
  /** Of the question that is under way. */
  private deadline: Timer | undefined

  constructor(host: string, clock: Clock, resolve = resolveByDns) {
    this.host = host
    this.clock = clock
    this.resolve = resolve
  }

  /** What is known; asks again beside that when it is old. Empty while nothing is. */
  current(): readonly string[] {
    if (this.clock.now() - this.askedAt >= RENEW_MS) this.ask()
    return this.known
  }

  /** Whether the connection leads to an address that the name has no more. */
  isElsewhere({ remoteAddress = '' }: Socket): boolean {
    const addresses = this.current()
    return addresses.length > 0 && !addresses.includes(remoteAddress)
  }

  /** Calls once `current` has something to say, at once when it has; with an error when it has not. Returns what gives up. */
  whenKnown(call: Call): () => void {
    if (this.current().length > 0) call(undefined)
    else {
      this.waiting.add(call)
      this.ask()
    }
    return () => {
      this.waiting.delete(call)
    }
  }

  /** One of the addresses is of no use. */
  doubt(): void {
    if (this.clock.now() - this.askedAt >= DOUBT_MS) this.ask()
  }

  private ask(): void {
    if (this.deadline !== undefined) return
    this.askedAt = this.clock.now()
    const over = (error: PbtError | undefined) => {
      if (this.deadline !== deadline) return
      deadline.clear()
      this.deadline = undefined
      this.tell(error)
    }
    const deadline = this.clock.after(LOOKUP_MS, () =>
      over(unreachable(`its name was not found within ${LOOKUP_MS / 1_000} s`)),
    )
    this.deadline = deadline
    this.resolve(this.host, (error, found) => {
      if (this.deadline !== deadline) return
      if (error === null && found.length > 0) this.learn(found)
      over(error === null && found.length > 0 ? undefined : unreachable(error?.message ?? 'its name has no address'))
    })
  }

  private learn(found: readonly { readonly address: string }[]): void {
    const addresses = found.slice(0, MAX_ADDRESSES).map(({ address }) => address)
    // A resolver may give them in another order each time.
    const isSame = addresses.length === this.known.length && this.known.every(address => addresses.includes(address))
    if (!isSame) this.known = addresses
  }

  /** What was known before is of more use than a failure. */
  private tell(error: PbtError | undefined): void {
    const calls = [...this.waiting]
    this.waiting.clear()
    for (const call of calls) call(this.known.length > 0 ? undefined : error)
  }
}

/** The name that a target is given by; undefined for an address, a socket, or this machine. */
export function nameOf(target: Target, clock: Clock, resolve?: Resolve): TargetName | undefined {
  const { endpoint } = target
  const [host = '', ...others] = endpoint.kind === 'tcp' ? endpoint.hosts : []
  if (host === '' || others.length > 0 || isIP(host) !== 0) return undefined
  return new TargetName(host, clock, resolve)
}

function unreachable(reason: string): PbtError {
  return new PbtError('target-unreachable', reason)
}
