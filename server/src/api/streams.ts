// Streams end with the right to them: who was logged out, or had a token that is no longer valid, hears nothing more.
import type { Caller } from './caller.ts'
import type { Response } from './refusal.ts'

/** How often is looked, milliseconds; it is promised within a second. */
const LOOK_MS = 500

/** Answers under way that do not end by themselves. Holds a timer while there are any. */
export class Streams {
  private readonly isGood: (caller: Caller) => boolean
  private readonly open = new Map<Response, Caller>()
  private timer: ReturnType<typeof setInterval> | undefined

  /** `isGood`: whether this caller might begin one now. */
  constructor(isGood: (caller: Caller) => boolean) {
    this.isGood = isGood
  }

  get count(): number {
    return this.open.size
  }

  /** From now on until it has ended. */
  add(response: Response, caller: Caller): void {
    this.open.set(response, caller)
    this.timer ??= setInterval(() => this.look(), LOOK_MS)
    response.once('close', () => {
      this.open.delete(response)
      if (this.open.size > 0) return
      clearInterval(this.timer)
      this.timer = undefined
    })
  }

  private look(): void {
    for (const [response, caller] of this.open) if (!this.isGood(caller)) response.destroy()
  }
}
