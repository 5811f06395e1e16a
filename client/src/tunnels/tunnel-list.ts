// The list of tunnels of a process: what is wanted, changed while the others run, and brought to whichever agent there is.
import type { Clock, Timer } from '@pbt/proto'
import type { TunnelPlan } from '../session/session.ts'
import type { Agent } from './agent.ts'
import { STOP_MS, whenIdle } from './idle.ts'
import type { MakePlan } from './plans.ts'
import { keyOf, nameOf, planOf, type TunnelSpec } from './specs.ts'

/** A tunnel that is wanted, and whether it is to run. */
export interface Entry {
  readonly spec: TunnelSpec
  readonly isStopped: boolean
}

/** An entry as it is kept up. */
export interface Item extends Entry {
  /** Of the plan that runs, undefined while it is stopped, and before there is an agent. */
  readonly number: number | undefined
}

/** What the list needs of its process. */
export interface TunnelListOptions {
  readonly clock: Clock
  readonly make: (makePlan: MakePlan) => TunnelPlan
  /** The one that keeps the session; undefined while there is none. */
  readonly agent: () => Agent | undefined
  /** The server's name for the tunnel with this number, '' until it has told it. */
  readonly nameOf: (number: number) => string
  /** A tunnel is not wanted any more that no agent has. */
  readonly onGone: (number: number) => void
}

/** What a tunnel has under way when it is told to stop, and when that is over. */
export interface Draining {
  readonly open: number
  readonly limitMs: number
  readonly over: Promise<void>
}

/** Owns the plans, and the time that what is under way has when one is taken away. */
export class TunnelList {
  private readonly options: TunnelListOptions
  private all: readonly Item[] = []
  /** By the number of the tunnel that is taken away. */
  private readonly drains = new Map<number, { timer: Timer; over: () => void }>()

  constructor(options: TunnelListOptions) {
    this.options = options
  }

  get items(): readonly Item[] {
    return this.all
  }

  /** The place of the tunnel with this name: its own, the server's, its first address, or its target where only one has that. -1: none. */
  find(name: string): number {
    const index = this.all.findIndex(item => this.nameAt(item) === name || nameOf(item.spec) === name)
    if (index >= 0) return index
    const byTarget = this.all.flatMap(({ spec }, at) => (spec.target === name ? [at] : []))
    return byTarget.length === 1 ? (byTarget[0] ?? -1) : -1
  }

  /** The server's name where it is known, else what the spec says. */
  nameAt({ number, spec }: Item): string {
    return (number === undefined ? '' : this.options.nameOf(number)) || nameOf(spec)
  }

  /**
   * From now on these. Tunnels that are the same go on untouched; the others are taken away, letting what is under way end within
   * STOP_MS, and opened. `asked`: the place of one that a person asks for just now, which is opened again even if the owner ended it.
   * Throws Failure `usage`, and changes nothing, when one cannot be.
   */
  set(entries: readonly Entry[], asked = -1): Map<number, Draining> {
    const before = new Map<string, Item[]>()
    for (const item of this.all) before.set(keyOf(item.spec), [...(before.get(keyOf(item.spec)) ?? []), item])
    const wanted = entries.map((entry, index) => {
      const known = before.get(keyOf(entry.spec))?.shift()
      const isKept = known?.number !== undefined && !entry.isStopped && index !== asked
      const makePlan = isKept || entry.isStopped ? undefined : planOf(entry.spec)
      return { entry, isKept, known, makePlan, isAsked: index === asked }
    })
    const goes = [...before.values()].flat().map(({ number }) => number)
    goes.push(...wanted.flatMap(({ isKept, known }) => (isKept ? [] : [known?.number])))
    const draining = new Map<number, Draining>()
    for (const number of goes) if (number !== undefined) draining.set(number, this.close(number))
    this.all = wanted.map(({ entry, isKept, known, makePlan, isAsked }) => {
      if (isKept) return { ...entry, number: known?.number }
      return { ...entry, number: makePlan === undefined ? undefined : this.open(makePlan, isAsked) }
    })
    return draining
  }

  /** Plans for an agent that is about to begin; those of the one before are closed with it. */
  plansForNext(): TunnelPlan[] {
    const plans: TunnelPlan[] = []
    this.all = this.all.map(({ spec, isStopped }) => {
      if (isStopped) return { spec, isStopped, number: undefined }
      const plan = this.options.make(planOf(spec))
      plans.push(plan)
      return { spec, isStopped, number: plan.number }
    })
    return plans
  }

  /** The process ends, or its agent does. */
  end(): void {
    for (const { timer, over } of this.drains.values()) {
      timer.clear()
      over()
    }
    this.drains.clear()
  }

  /** Without an agent it waits for the next one. */
  private open(makePlan: MakePlan, isAsked: boolean): number | undefined {
    const agent = this.options.agent()
    if (agent === undefined) return undefined
    const plan = this.options.make(makePlan)
    agent.open(plan, isAsked)
    return plan.number
  }

  private close(number: number): Draining {
    const { clock } = this.options
    const agent = this.options.agent()
    const open = agent?.carried.underWayOf(number) ?? 0
    if (agent === undefined) {
      this.options.onGone(number)
      return { open, limitMs: 0, over: Promise.resolve() }
    }
    agent.close(number)
    const { promise, resolve } = Promise.withResolvers<void>()
    const cut = () => {
      this.drains.delete(number)
      agent.cut(number, 'the tunnel was stopped')
      resolve()
    }
    const timer = whenIdle(clock, () => agent.carried.underWayOf(number) === 0, STOP_MS, cut)
    this.drains.set(number, { timer, over: resolve })
    return { open, limitMs: STOP_MS, over: promise }
  }
}
