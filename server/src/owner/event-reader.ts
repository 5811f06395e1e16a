// A reader of events: the number it knows, and nothing else, so that a reader that pauses costs nothing and misses nothing.
import type { Clock } from '@pbt/proto'
import type { KeptEvent } from './event.ts'

/** What a reader reads from. */
export interface EventSource {
  /** The newest number. */
  readonly last: number
  /** Those after a number, the oldest first; at most `most`. */
  after(number: number, most: number): Promise<readonly KeptEvent[]>
  readonly clock: Clock
}

/** Events in their order, each once. */
export interface Taken {
  readonly events: readonly KeptEvent[]
  /** Some after the number that the reader knew are no longer kept: it goes on after `at`. */
  readonly isMissing: boolean
}

const NOTHING: Taken = { events: [], isMissing: false }
const MISSING: Taken = { events: [], isMissing: true }

/** Holds a number and no events, however slowly it is read. */
export class EventReader {
  /** The last number it knows. */
  at: number
  /** It has ended, or what it reads from has. */
  isOver = false
  private readonly source: EventSource
  private readonly onEnd: () => void
  private wakeUp: (() => void) | undefined

  constructor(source: EventSource, after: number, onEnd: () => void) {
    this.source = source
    this.at = after
    this.onEnd = onEnd
  }

  /** Those that are there, the oldest first and each once, at most `most`; none: there are none. One call at a time. */
  async take(most: number): Promise<Taken> {
    const { last } = this.source
    if (this.at > last) {
      // Of another database, or of one from before it was put back.
      this.at = last
      return MISSING
    }
    if (this.at === last) return NOTHING
    const events = await this.source.after(this.at, most)
    const [first] = events
    if (first === undefined || first.number !== this.at + 1) {
      this.at = first === undefined ? last : first.number - 1
      return MISSING
    }
    this.at += events.length
    return { events, isMissing: false }
  }

  /** Resolves when there is something to take, when it is over, or after `ms`. One call at a time. */
  async wait(ms: number): Promise<void> {
    if (this.isOver || this.at !== this.source.last) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = this.source.clock.after(ms, resolve)
    this.wakeUp = resolve
    await promise
    this.wakeUp = undefined
    timer.clear()
  }

  /** There is something to take. */
  wake(): void {
    this.wakeUp?.()
  }

  /** Reads no more. Again: nothing. */
  end(): void {
    if (this.isOver) return
    this.isOver = true
    this.onEnd()
    this.wake()
  }
}
