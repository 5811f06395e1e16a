// Looks whether something listens where tunnels lead to, when they begin and until something does: nobody should learn it from
// the first visitor.
import type { Clock, Timer } from '@pbt/proto'
import type { TunnelPlan } from '../session/session.ts'
import { isListening, type Listening } from './listening.ts'

/**
 * A service that is being started is there in a moment; the longer one is not, the less often it is looked for: the next look is
 * after as long again as has passed. A look takes milliseconds, since Linux goes through its whole table of connections for it:
 * once in 15 s it was a third of what a process at rest took.
 */
const SOONEST_MS = 2_000
const LATEST_MS = 60_000
/** Who asks gets what was seen so long ago at most. */
const FRESH_MS = 1_000

/** The clock, what is looked at, and who is told. */
export interface ListenersOptions {
  readonly clock: Clock
  readonly readListening?: (() => Listening | undefined) | undefined
  /** `message`: what is missing, '' once it is there. */
  readonly onSeen: (number: number, message: string) => void
}

/** For all tunnels of a process together; one that is found is not looked at again: its visitors tell. */
export class Listeners {
  private readonly options: ListenersOptions
  /** By the number of the tunnel. */
  private readonly missing = new Map<number, TunnelPlan>()
  private timer: Timer | undefined
  private begunAt = 0
  private lookedAt = Number.NEGATIVE_INFINITY
  /** Those of them that were told of. */
  private readonly told = new Set<number>()

  constructor(options: ListenersOptions) {
    this.options = options
  }

  /** A tunnel that begins. */
  watch(plan: TunnelPlan): void {
    if (plan.endpoint === undefined || this.options.readListening === undefined) return
    this.missing.set(plan.number, plan)
    this.begunAt = this.options.clock.now()
    this.plan(0)
  }

  /** Somebody asks how targets are: what is missing is looked for now. */
  freshen(): void {
    if (this.missing.size > 0 && this.options.clock.now() - this.lookedAt >= FRESH_MS) this.look()
  }

  forget(number: number): void {
    this.missing.delete(number)
    this.told.delete(number)
  }

  end(): void {
    this.timer?.clear()
    this.missing.clear()
    this.told.clear()
  }

  private plan(inMs: number): void {
    this.timer?.clear()
    this.timer = this.options.clock.after(inMs, () => this.look())
  }

  private look(): void {
    const { clock, readListening } = this.options
    this.timer?.clear()
    this.lookedAt = clock.now()
    const listening = readListening?.()
    if (listening === undefined) {
      this.missing.clear()
      return
    }
    for (const [number, { kind, endpoint, target }] of this.missing) {
      const found = endpoint === undefined ? undefined : isListening(listening, kind, endpoint)
      if (found === false) {
        this.told.add(number)
        this.options.onSeen(number, `nothing listens on ${target}`)
        continue
      }
      this.missing.delete(number)
      if (this.told.delete(number)) this.options.onSeen(number, '')
    }
    if (this.missing.size === 0) return
    const passedMs = this.lookedAt - this.begunAt
    this.plan(Math.min(LATEST_MS, Math.max(SOONEST_MS, passedMs)))
  }
}
