// Tunnels that the server refused and may have later: each is asked for again by itself, and told of once for each reason.
import type { Clock, Timer } from '@pbt/proto'
import { Backoff, MAX_DELAY_MS } from './backoff.ts'
import type { ClientEvent } from './events.ts'

type ErrorEvent = Extract<ClientEvent, { event: 'error' }>

/** All that are refused together are asked for once in so many times this: the server bounds how often tunnels are opened. */
const TURN_MS = 600

interface Refusal {
  readonly backoff: Backoff
  readonly timer: Timer
  readonly message: string
}

/** Owns the timers of the next tries. */
export class Refusals {
  private readonly clock: Clock
  private readonly random: () => number
  private readonly onEvent: (event: ClientEvent) => void
  /** By the number of the tunnel. */
  private readonly all = new Map<number, Refusal>()

  /** `random`: from 0 to 1, as Math.random. */
  constructor(clock: Clock, random: () => number, onEvent: (event: ClientEvent) => void) {
    this.clock = clock
    this.random = random
    this.onEvent = onEvent
  }

  /**
   * The tunnel was refused, also again: tells it unless it was told with these words, and calls `ask` after a while, about `maximumMs` at
   * most where few are refused.
   */
  add(number: number, told: ErrorEvent, maximumMs: number, ask: () => void): void {
    const before = this.all.get(number)
    before?.timer.clear()
    const backoff = before?.backoff ?? this.newBackoff()
    const turnMs = (before === undefined ? this.all.size + 1 : this.all.size) * TURN_MS
    const timer = this.clock.after(Math.max(backoff.next(maximumMs), turnMs), ask)
    this.all.set(number, { backoff, timer, message: told.message })
    if (before?.message !== told.message) this.onEvent({ ...told, retrying: true })
  }

  /** It is online, or refused for good. */
  forget(number: number): void {
    this.all.get(number)?.timer.clear()
    this.all.delete(number)
  }

  close(): void {
    for (const number of [...this.all.keys()]) this.forget(number)
  }

  private newBackoff(): Backoff {
    const backoff = new Backoff(this.random)
    backoff.next(MAX_DELAY_MS) // the first wait is none
    return backoff
  }
}
