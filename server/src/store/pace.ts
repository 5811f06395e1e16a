// How much of the processor a thread takes that works behind others: a little at once; in the long run a part of the time, and the
// less of it the more the rest of the server works. A low priority alone does not do: it gives every moment to such a thread in
// which the others wait for each other, and takes it from visitors where the cores are full.

/** Used without a rest, milliseconds of CPU, after as long a time of nothing as earns it: what an ordinary question needs. */
const BURST_MS = 100
/** Of the time, in the long run, while the rest of the server does nothing. */
const MOST_SHARE = 0.5
/** While the rest is busy, which it is from so much of a core on; between, the share falls in proportion. */
const LEAST_SHARE = 0.02
const BUSY_CORES = 0.15
/** How often it is looked how busy the rest is, milliseconds; a rest is not longer without a look. */
const LOOK_MS = 50
/** Over how long that is averaged, milliseconds: a server that other programs keep waiting for a moment is no idle one. */
const AVERAGE_MS = 1_000
/** A rest begins when so much more was used than was earned, milliseconds. */
const LEAST_DEBT_MS = 1
/** It ends when so much may be used again: who asks without a pause gets few answers of some worth, since answers cost the others too. */
const EARNED_MS = 4
/** No sleep is shorter, milliseconds: the system's clock is not much finer. */
const LEAST_REST_MS = 1

/** All in milliseconds since some moment; `sleep` blocks the thread for so many. */
export interface PaceOptions {
  readonly now: () => number
  /** CPU time that this thread has used. */
  readonly used: () => number
  /** CPU time that the rest of the process has used. */
  readonly usedByRest: () => number
  readonly sleep: (ms: number) => void
}

/** For one thread, which calls `rest` before each piece of its work. */
export class Pace {
  private readonly options: PaceOptions
  /** Work that may be done without a rest, milliseconds. */
  private credit = BURST_MS
  private share = MOST_SHARE
  /** What the rest uses, on average. */
  private cores = 0
  private isResting = false
  private at: number
  private used: number
  private lookedAt: number
  private usedByRest: number

  constructor(options: PaceOptions) {
    this.options = options
    this.at = options.now()
    this.lookedAt = this.at
    this.used = options.used()
    this.usedByRest = options.usedByRest()
  }

  /** Rests for what was used so far, when that was more than its part; not longer than `mostMs`, what is left is for the next time. */
  rest(mostMs: number): void {
    this.settle()
    if (this.credit <= -LEAST_DEBT_MS) this.isResting = true
    const until = this.at + mostMs
    while (this.isResting && this.at < until) {
      const earningMs = Math.max(LEAST_REST_MS, (EARNED_MS - this.credit) / this.share)
      this.options.sleep(Math.min(earningMs, until - this.at, LOOK_MS))
      this.settle()
    }
  }

  private settle(): void {
    const now = this.options.now()
    if (now - this.lookedAt >= LOOK_MS) this.look(now)
    const used = this.options.used()
    this.credit = Math.min(BURST_MS, this.credit + (now - this.at) * this.share - (used - this.used))
    if (this.credit >= EARNED_MS) this.isResting = false
    this.at = now
    this.used = used
  }

  private look(now: number): void {
    const usedByRest = this.options.usedByRest()
    const passed = now - this.lookedAt
    const cores = (usedByRest - this.usedByRest) / passed
    this.cores += (cores - this.cores) * Math.min(1, passed / AVERAGE_MS)
    this.share = Math.max(LEAST_SHARE, MOST_SHARE * (1 - this.cores / BUSY_CORES))
    this.usedByRest = usedByRest
    this.lookedAt = now
  }
}

/** The clocks of the thread that calls this, which must not be the one that carries traffic: `sleep` would hold it up. */
export function ownClocks(): PaceOptions {
  const used = () => millisecondsOf(process.threadCpuUsage())
  const cell = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  return {
    now: () => performance.now(),
    used,
    usedByRest: () => millisecondsOf(process.cpuUsage()) - used(),
    sleep: ms => void Atomics.wait(cell, 0, 0, ms),
  }
}

function millisecondsOf({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1_000
}
