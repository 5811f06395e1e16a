// A clock that a test moves: nothing waits in real time, and the same run happens every time.
import type { Clock, Timer } from '../clock.ts'

interface Planned {
  at: number
  order: number
  call: (() => void) | undefined
}

export class FakeClock implements Clock {
  private time = 0
  private order = 0
  private readonly timers: Planned[] = []
  private soonCalls: (() => void)[] = []
  private afterIoCalls: (() => void)[] = []

  now(): number {
    return this.time
  }

  after(ms: number, call: () => void): Timer {
    const planned: Planned = { at: this.time + Math.max(0, ms), order: this.order++, call }
    this.insert(planned)
    return {
      clear: () => {
        planned.call = undefined
      },
    }
  }

  soon(call: () => void): void {
    this.soonCalls.push(call)
  }

  afterIo(call: () => void): void {
    this.afterIoCalls.push(call)
  }

  /** Runs everything due until `ms` from now, in order of time. */
  advance(ms: number): void {
    const until = this.time + ms
    this.settle()
    for (let next = this.timers[0]; next !== undefined && next.at <= until; next = this.timers[0]) {
      this.pop()
      this.time = next.at
      next.call?.()
      this.settle()
    }
    this.time = until
  }

  /** Advances in steps until the condition holds; throws after `limitMs`. */
  advanceUntil(condition: () => boolean, limitMs = 60_000, stepMs = 1): void {
    const end = this.time + limitMs
    this.settle()
    while (!condition()) {
      if (this.time >= end) throw new Error(`condition does not hold after ${limitMs} ms`)
      this.advance(stepMs)
    }
  }

  /** Runs what is due now without moving the time. */
  settle(): void {
    while (this.soonCalls.length > 0 || this.afterIoCalls.length > 0) {
      const calls = this.soonCalls.length > 0 ? this.soonCalls : this.afterIoCalls
      if (calls === this.soonCalls) this.soonCalls = []
      else this.afterIoCalls = []
      for (const call of calls) call()
    }
  }

  // A binary heap by time, then by order of planning.
  private insert(planned: Planned): void {
    const { timers } = this
    let index = timers.push(planned) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = timers[parent]
      if (above === undefined || isBefore(above, planned)) break
      timers[index] = above
      index = parent
    }
    timers[index] = planned
  }

  private pop(): void {
    const { timers } = this
    const last = timers.pop()
    if (last === undefined || timers.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      const left = timers[child]
      const right = timers[child + 1]
      if (left === undefined) break
      if (right !== undefined && isBefore(right, left)) child++
      const smaller = timers[child]
      if (smaller === undefined || isBefore(last, smaller)) break
      timers[index] = smaller
      index = child
    }
    timers[index] = last
  }
}

function isBefore(left: Planned, right: Planned): boolean {
  return left.at < right.at || (left.at === right.at && left.order < right.order)
}
