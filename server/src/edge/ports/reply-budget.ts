// What may be sent to an address that datagrams seem to come from: so many times what came, and a little more. Anybody can
// write any sender on a datagram, the second as well as the first, so nothing that comes ever proves it (RFC 9000 section 8
// and RFC 8085 section 6 have the danger).
import type { Clock } from '@pbt/proto'
import { countedAs } from '../../access/peer-address.ts'

/** What a source is sent beyond the multiple of what came from it, over all ports together: the first answers, a download's start. */
const EXTRA_BYTES = 64 * 1024
/** It is given anew after this time, and not as long as the source has a flow; flows that end and begin again bring nothing. */
const EXTRA_EVERY_MS = 600_000
/** Sources whose use of it is remembered, at 200 bytes each. While so many are, others get the multiple and nothing beyond it. */
const MAX_REMEMBERED = 16_384
/** How often the server looks for those that it can forget. */
const FORGET_EVERY_MS = 1_000

/** What is left of the extra of one source. */
interface Extra {
  left: number
  /** When it was first drawn on. */
  readonly since: number
  /** Ports where the source has flows and draws on it. */
  users: number
}

/** Of the whole server: what each source has had beyond its multiple, for as long as that matters. */
export class ReplyBudget {
  private readonly clock: Clock
  /** In the order of `since`. */
  private readonly extras = new Map<string, Extra>()
  private lookedAt: number

  constructor(clock: Clock) {
    this.clock = clock
    this.lookedAt = clock.now()
  }

  /** Sources that are remembered. */
  get size(): number {
    return this.extras.size
  }

  /** For one more port; undefined while too many are remembered. Given back with `giveBack`. */
  extraOf(source: string): Extra | undefined {
    let extra = this.extras.get(source)
    if (extra === undefined) {
      if (this.extras.size >= MAX_REMEMBERED) return undefined
      extra = { left: EXTRA_BYTES, since: this.clock.now(), users: 0 }
      this.extras.set(source, extra)
    }
    extra.users++
    return extra
  }

  /** `bytes`: of what the port drew, those that the source has earned since. */
  giveBack(source: string, extra: Extra, bytes: number): void {
    extra.users--
    extra.left += bytes
    if (extra.users === 0 && extra.left >= EXTRA_BYTES) this.extras.delete(source)
  }

  /** Forgets those whose time is over; cheap when called often. */
  sweep(): void {
    const now = this.clock.now()
    if (now - this.lookedAt < FORGET_EVERY_MS) return
    this.lookedAt = now
    for (const [source, { since, users }] of this.extras) {
      if (now - since < EXTRA_EVERY_MS) break
      if (users === 0) this.extras.delete(source)
    }
  }
}

/** All flows of one address (IPv6: of one /64) at one port. */
export class Source {
  readonly counted: string
  flows = 0
  private readonly budget: ReplyBudget
  /** Bytes it may be sent: earned and drawn, and not sent yet. */
  private credit = 0
  private drawn = 0
  private extra: Extra | undefined

  constructor(budget: ReplyBudget, address: string) {
    this.budget = budget
    this.counted = countedAs(address)
  }

  /** It may be sent so many bytes more. */
  earn(bytes: number): void {
    this.credit += bytes
  }

  /** Whether so many bytes may be sent to it, and then they count as sent. */
  spend(bytes: number): boolean {
    if (bytes > this.credit && !this.draw(bytes - this.credit)) return false
    this.credit -= bytes
    return true
  }

  /** It has no flow here any more: what it earned is lost, and what it drew stays drawn as far as it did not earn it. */
  end(): void {
    if (this.extra !== undefined) this.budget.giveBack(this.counted, this.extra, Math.min(this.drawn, this.credit))
    this.extra = undefined
    this.credit = 0
    this.drawn = 0
  }

  private draw(bytes: number): boolean {
    this.extra ??= this.budget.extraOf(this.counted)
    const { extra } = this
    if (extra === undefined || extra.left < bytes) return false
    extra.left -= bytes
    this.drawn += bytes
    this.credit += bytes
    return true
  }
}
