// How much of a core a thread takes that works behind others: at once a little, in the long run a part, whatever it is given.

/** Worked without a rest, milliseconds, after as long a time of nothing as earns it: what an ordinary question needs. */
const BURST_MS = 100
/** Of the time, in the long run; less where others want every core, since its priority is low besides. */
const SHARE = 0.2
/** Rests are not shorter than this work deserves, milliseconds: the system's clock is no finer. */
const LEAST_DEBT_MS = 1

/** `sleep` blocks the thread for so many milliseconds. */
export interface PaceOptions {
  /** Milliseconds since some moment. */
  readonly now: () => number
  readonly sleep: (ms: number) => void
}

/** For one thread: `begin`, a `step` after each piece of work, `stop`. */
export class Pace {
  private readonly options: PaceOptions
  /** Work that may be done without a rest, milliseconds. */
  private credit = BURST_MS
  private at: number

  constructor(options: PaceOptions) {
    this.options = options
    this.at = options.now()
  }

  /** Work begins, after nothing was done since the last `step` or `begin`. */
  begin(): void {
    const now = this.options.now()
    this.credit = Math.min(BURST_MS, this.credit + (now - this.at) * SHARE)
    this.at = now
  }

  /** A step was done, and another one is to come: rests when it has to. */
  step(): void {
    this.stop()
    if (this.credit > -LEAST_DEBT_MS) return
    this.options.sleep(-this.credit / SHARE)
    this.begin()
  }

  /** The last step was done. */
  stop(): void {
    const now = this.options.now()
    this.credit -= (now - this.at) * (1 - SHARE)
    this.at = now
  }
}

/** Holds up the whole thread, which must not be the one that carries traffic. */
export function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
