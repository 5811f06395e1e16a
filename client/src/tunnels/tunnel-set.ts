// The tunnels that this process wants, and what the server has said of each.
import type { Clock, ErrorCode } from '@pbt/proto'
import type { TunnelOpened } from '@pbt/proto/tunnel/v1'
import { Failure, type FailureCode, isWorthRetrying } from '../failure.ts'
import type { TunnelEnd, TunnelPlan } from '../session/session.ts'
import { MAX_DELAY_MS, MAX_SOON_DELAY_MS } from './backoff.ts'
import type { ClientEvent } from './events.ts'
import { Refusals } from './refusals.ts'

/** The tunnels to begin with, and how long they are wanted. */
export interface TunnelSetOptions {
  readonly clock: Clock
  /** From 0 to 1, as Math.random. */
  readonly random: () => number
  readonly tunnels: readonly TunnelPlan[]
  /** A person has asked for them just now. */
  readonly isAskedByOwner: boolean
  /** Those that the owner ends on the server are kept, to be started again from there. */
  readonly keepsEnded: boolean
  readonly onEvent: (event: ClientEvent) => void
}

/** Survives sessions: opens the same tunnels again in a new one. */
export class TunnelSet {
  private readonly byNumber: Map<number, TunnelPlan>
  /** Names that the server gave, by the numbers of the tunnels. */
  private readonly names = new Map<number, string>()
  /** Those that a person has asked for, until the server has answered. */
  private readonly askedByOwner: Set<number>
  /** Those that the owner has ended, where they are kept. */
  private readonly ended = new Map<number, TunnelPlan>()
  private readonly keepsEnded: boolean
  private readonly refusals: Refusals
  private readonly onEvent: (event: ClientEvent) => void

  constructor({ clock, random, tunnels, isAskedByOwner, keepsEnded, onEvent }: TunnelSetOptions) {
    this.keepsEnded = keepsEnded
    this.askedByOwner = new Set(isAskedByOwner ? tunnels.map(({ number }) => number) : [])
    this.byNumber = new Map(tunnels.map(plan => [plan.number, plan]))
    this.refusals = new Refusals(clock, random, onEvent)
    this.onEvent = onEvent
  }

  get isEmpty(): boolean {
    return this.byNumber.size + this.ended.size === 0
  }

  /** A person wants it just now; else the process opens it by itself. */
  isAskedByOwner({ number }: TunnelPlan): boolean {
    return this.askedByOwner.has(number)
  }

  /** The owner starts a tunnel again that is kept though it was ended; undefined: there is none of this name. */
  restart(name: string): TunnelPlan | undefined {
    const plan = [...this.ended.values()].find(each => this.nameOf(each) === name)
    if (plan === undefined) return undefined
    this.ended.delete(plan.number)
    this.byNumber.set(plan.number, plan)
    this.askedByOwner.add(plan.number)
    return plan
  }

  /** Those that are wanted still, in the order in which they were. */
  get plans(): Iterable<TunnelPlan> {
    return this.byNumber.values()
  }

  /** The plan's number must be new. `isAskedByOwner`: a person asks for it just now. */
  add(plan: TunnelPlan, isAskedByOwner: boolean): void {
    const { number, kind, target, allow } = plan
    if (this.byNumber.has(number)) throw new Error(`tunnel ${number} is there already`)
    this.byNumber.set(number, plan)
    if (isAskedByOwner) this.askedByOwner.add(number)
    this.onEvent({ event: 'added', number, kind, target, allow })
  }

  /** It is not wanted any more; false when it was not. */
  remove(number: number): boolean {
    const plan = this.byNumber.get(number) ?? this.ended.get(number)
    if (plan === undefined) return false
    this.ended.delete(number)
    this.forget(plan)
    this.onEvent({ event: 'removed', number, tunnel: this.nameOf(plan) })
    this.names.delete(number)
    return true
  }

  /** The server serves it, or its addresses have changed. */
  opened(plan: TunnelPlan, { name: tunnel, urls, waiting, visitors }: TunnelOpened): void {
    const { number, kind, target } = plan
    this.refusals.forget(number)
    this.askedByOwner.delete(number)
    this.names.set(number, tunnel)
    if (urls.length > 0 || waiting.length === 0) {
      const allowlists = visitors?.allowlists.map(({ blocks, more }) => ({ blocks, more }))
      this.onEvent({ event: 'online', number, tunnel, kind, urls, target, allowlists })
    }
    for (const { url, reason, cure } of waiting) {
      this.onEvent({ event: 'waiting', number, tunnel, url, target, reason, cure })
    }
  }

  /** The server refused it: `ask` is called later when it may have it then; otherwise it is over. */
  refused(plan: TunnelPlan, end: TunnelEnd, ask: () => void): void {
    const { number, target } = plan
    // A server that failed has not heard the owner.
    if (end.code !== 'internal') this.askedByOwner.delete(number)
    const { code, message, cure } = new Failure(end.code, end.message, { cure: end.cure })
    const told: ClientEvent = { event: 'error', number, target, code, message, cure }
    const isKept = this.keepsEnded && code !== 'killed'
    if (end.mayPass || isWorthRetrying(code) || isKept) {
      // One who is away is back within the grace time, or has lost what it held; who holds an address lets go of it some day.
      this.refusals.add(number, told, end.mayPass ? MAX_SOON_DELAY_MS : MAX_DELAY_MS, ask)
      return
    }
    this.over(plan, code)
    this.onEvent(told)
  }

  /** The server ended it. */
  closed(plan: TunnelPlan, code: ErrorCode, reason: string): void {
    this.over(plan, code)
    this.onEvent({ event: 'closed', number: plan.number, tunnel: this.nameOf(plan), code, reason: reason || code })
  }

  /** The target takes connections, or does not: `message` says why, '' when it does. Tells what is new. */
  targetSeen(number: number, message: string): void {
    const plan = this.byNumber.get(number)
    if (plan === undefined) return
    const state = message === '' ? 'answers' : 'refuses'
    this.onEvent({ event: 'target', number, tunnel: this.nameOf(plan), target: plan.target, state, reason: message })
  }

  /** The process ends: nothing is asked for again, and targets are left alone. */
  end(): void {
    this.refusals.close()
    for (const plans of [this.byNumber, this.ended]) for (const { forwarder } of plans.values()) forwarder.close()
  }

  /** The server has ended it, or refused it for good. */
  private over(plan: TunnelPlan, code: ErrorCode | FailureCode): void {
    if (code !== 'killed' || !this.keepsEnded) {
      this.forget(plan)
      return
    }
    this.refusals.forget(plan.number)
    this.askedByOwner.delete(plan.number)
    this.byNumber.delete(plan.number)
    this.ended.set(plan.number, plan)
  }

  private forget(plan: TunnelPlan): void {
    this.refusals.forget(plan.number)
    this.askedByOwner.delete(plan.number)
    this.byNumber.delete(plan.number)
    plan.forwarder.close()
  }

  private nameOf(plan: TunnelPlan): string {
    return this.names.get(plan.number) ?? (plan.name || plan.target)
  }
}
