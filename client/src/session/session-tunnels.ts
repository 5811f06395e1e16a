// The tunnels of one session: those that are wanted, those that the server has not answered for, and those closed a moment ago.
import type { Clock, Timer } from '@pbt/proto'
import type { TunnelPlan } from './plan.ts'

/** How long visitors may still come for a tunnel that was closed: those that were on their way. */
const LATE_MS = 10_000

/** Owned by a session, which ends it. */
export class SessionTunnels {
  private readonly clock: Clock
  /** Tunnels that were asked for and neither refused nor closed, by their numbers. */
  private readonly wanted = new Map<number, TunnelPlan>()
  /** Tunnels that were closed a moment ago, by either end. */
  private readonly late = new Map<TunnelPlan, Timer>()
  /** Tunnels that the server has not answered for. */
  private readonly asked = new Set<number>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Of those that are wanted; a copy. */
  get numbers(): number[] {
    return [...this.wanted.keys()]
  }

  /** The server owes an answer. */
  get isWaiting(): boolean {
    return this.asked.size > 0
  }

  /** One that is wanted. */
  get(tunnel: number): TunnelPlan | undefined {
    return this.wanted.get(tunnel)
  }

  /** It is wanted, and the server has said yes. */
  isOpen(tunnel: number): boolean {
    return this.wanted.has(tunnel) && !this.asked.has(tunnel)
  }

  /** The server is asked for it. */
  ask(plan: TunnelPlan): void {
    this.wanted.set(plan.number, plan)
    this.asked.add(plan.number)
  }

  /** The answer for a tunnel has come, or is not waited for any more; false when it was not. */
  answered(tunnel: number): boolean {
    return this.asked.delete(tunnel)
  }

  /** It was refused: nobody can be on the way to it. */
  drop({ number }: TunnelPlan): void {
    this.wanted.delete(number)
  }

  /** It is closed; visitors may be on their way, since what is small overtakes them. */
  retire(plan: TunnelPlan): void {
    this.wanted.delete(plan.number)
    this.late.get(plan)?.clear()
    this.late.set(
      plan,
      this.clock.after(LATE_MS, () => this.late.delete(plan)),
    )
  }

  /** The one that a visitor came for. */
  visited(tunnel: number): TunnelPlan | undefined {
    const plan = this.wanted.get(tunnel)
    if (plan !== undefined || this.late.size === 0) return plan
    return [...this.late.keys()].find(({ number }) => number === tunnel)
  }

  /** Again: nothing. */
  end(): void {
    for (const timer of this.late.values()) timer.clear()
    this.late.clear()
  }
}
