// Notices that the machine has slept or stood still, or that its network has changed. Node has no event for either.
import { type Clock, type Timer, untilLook } from '@pbt/proto'

/** How often it is looked: with a probe and a dial after it, a link is back within two seconds. */
export const LOOK_EVERY_MS = 1_000
/** The wall clock went on without the other, as it does while a machine sleeps; less is a correction of the time. */
const JUMP_MS = 5_000
/** The process did not run for so long though it should: a machine that is only busy is not so late. */
const LATE_MS = 5_000

/** What is looked at, so that a test can replace it. */
export interface NetworkWatchOptions {
  readonly clock: Clock
  /** Milliseconds since the epoch. */
  readonly wallTime: () => number
  /** A text that is another one when the network is. */
  readonly network: () => string
  /** The link, or what is known of it, may be of no use any more. Told once for each change. */
  readonly onChange: () => void
}

/** Looks until `end` is called. */
export class NetworkWatch {
  private readonly options: NetworkWatchOptions
  private timer: Timer
  private lookedAt: number
  private wallAt: number
  private network: string

  constructor(options: NetworkWatchOptions) {
    this.options = options
    this.lookedAt = options.clock.now()
    this.wallAt = options.wallTime()
    this.network = options.network()
    this.timer = this.plan()
  }

  end(): void {
    this.timer.clear()
  }

  private plan(): Timer {
    return this.options.clock.after(untilLook(this.options.clock, LOOK_EVERY_MS), () => this.look())
  }

  private look(): void {
    const { clock, wallTime, network, onChange } = this.options
    const [now, wall, seen] = [clock.now(), wallTime(), network()]
    const passedMs = now - this.lookedAt
    const isJump = Math.abs(wall - this.wallAt - passedMs) > JUMP_MS
    const isLate = passedMs > LOOK_EVERY_MS + LATE_MS
    const isOther = seen !== this.network
    this.lookedAt = now
    this.wallAt = wall
    this.network = seen
    this.timer = this.plan()
    if (isJump || isLate || isOther) onChange()
  }
}
