// How a change of what is kept comes into force: everything concerned is read again, wherever the change was made.
import { type Clock, type Timer, untilLook } from '@pbt/proto'

/** How often it looks, half as long again at most: what another process changes has to be in force within a second. */
const LOOK_MS = 500
/** A timer takes no more (setTimeout's limit), and wall clocks are set: it is asked again then. */
const MAX_TIMER_MS = 3_600_000

/** How to see a change, and how to read everything again. */
export interface ChangesOptions {
  /** Another number after each change by another process; one's own are not told. */
  readonly version: () => Promise<number>
  /** Reads everything that can have changed. */
  readonly read: () => Promise<void>
  /** When something that was read ends by itself; undefined when nothing does. */
  readonly nextEnd?: () => Promise<Date | undefined>
  /** A look, or reading, failed; the next look tries again. Not called again before one has succeeded. */
  readonly onError: (error: unknown) => void
  readonly clock: Clock
}

/** A change by any process on the same database is in force here within a second. */
export class Changes {
  private readonly options: ChangesOptions
  private known: number
  private isOver = false
  private isFailing = false
  /** Of this process: not read yet. */
  private isOwed = false
  private reading = Promise.resolve()
  private timer: Timer
  private endTimer: Timer | undefined

  private constructor(options: ChangesOptions, known: number) {
    this.options = options
    this.known = known
    this.timer = this.again()
  }

  /** Reads at once, then after each change until `end`, never twice at a time. Rejects when the first time fails. */
  static async watch(options: ChangesOptions): Promise<Changes> {
    const known = await options.version()
    await options.read()
    const changes = new Changes(options, known)
    await changes.awaitEnd()
    return changes
  }

  /** This process has changed something: resolves when that is in force, or, when it could not be read, is about to be tried again. */
  async now(): Promise<void> {
    this.isOwed = true
    this.reading = this.reading.then(() => this.look())
    await this.reading
  }

  /** Looks no more; resolves when a look under way has ended. */
  async end(): Promise<void> {
    this.isOver = true
    this.timer.clear()
    this.endTimer?.clear()
    await this.reading
  }

  private again(): Timer {
    return this.options.clock.after(untilLook(this.options.clock, LOOK_MS), () => {
      this.reading = this.reading.then(() => this.look())
      void this.reading.then(() => {
        if (!this.isOver) this.timer = this.again()
      })
    })
  }

  /** Reads again when what was read ends by itself. */
  private async awaitEnd(): Promise<void> {
    const at = await this.options.nextEnd?.()
    this.endTimer?.clear()
    if (at === undefined || this.isOver) return
    const ms = Math.min(Math.max(0, at.getTime() - Date.now()) + 1, MAX_TIMER_MS)
    this.endTimer = this.options.clock.after(ms, () => void this.now())
  }

  /** Never rejects. */
  private async look(): Promise<void> {
    if (this.isOver) return
    try {
      const now = await this.options.version()
      if (now === this.known && !this.isOwed) return
      this.isOwed = false
      await this.options.read()
      await this.awaitEnd()
      this.known = now
      this.isFailing = false
    } catch (error) {
      this.isOwed = true
      if (!this.isFailing) this.options.onError(error)
      this.isFailing = true
    }
  }
}
