// Whether targets take connections, as visitors met them: the server is told when that changes, and not more often than it may be.
import type { Clock, Timer } from '@pbt/proto'

/** Between two tellings of one tunnel, milliseconds. */
const QUIET_MS = 2_000

/** What is known of a target. */
export interface Health {
  readonly isAnswering: boolean
  /** For so long. */
  readonly sinceMs: number
  /** Why it does not answer. */
  readonly message: string
}

/** The clock, and how the server is told. */
export interface TargetHealthsOptions {
  readonly clock: Clock
  /** Tells the server; nothing where there is none. */
  readonly tell: (tunnel: number, health: Health) => void
  /** A target that answered does not any more, or the other way round; of one that is new only that it does not. */
  readonly onChange?: (tunnel: number, message: string) => void
}

interface Known {
  isAnswering: boolean
  message: string
  since: number
  toldAt: number
  /** What was told last. */
  told: boolean | undefined
  timer: Timer | undefined
}

/** For all tunnels of the process; survives sessions. */
export class TargetHealths {
  private readonly options: TargetHealthsOptions
  /** By the number of the tunnel. */
  private readonly all = new Map<number, Known>()

  constructor(options: TargetHealthsOptions) {
    this.options = options
  }

  /** A visitor's connection reached the target, or did not: `message` says why, '' when it did. */
  saw(tunnel: number, message: string): void {
    const { clock } = this.options
    const isAnswering = message === ''
    const known = this.all.get(tunnel)
    if (known === undefined) {
      const toldAt = Number.NEGATIVE_INFINITY
      const fresh = { isAnswering, message, since: clock.now(), toldAt, told: undefined, timer: undefined }
      this.all.set(tunnel, fresh)
      if (!isAnswering) this.options.onChange?.(tunnel, message)
      this.changed(tunnel, fresh)
    } else if (known.isAnswering !== isAnswering) {
      known.isAnswering = isAnswering
      known.message = message
      known.since = clock.now()
      this.options.onChange?.(tunnel, message)
      this.changed(tunnel, known)
    }
  }

  /** A session has the tunnel, perhaps a new one, which does not know yet. */
  opened(tunnel: number): void {
    const known = this.all.get(tunnel)
    if (known === undefined) return
    known.told = undefined
    this.changed(tunnel, known)
  }

  /** The tunnel is over. */
  forget(tunnel: number): void {
    this.all.get(tunnel)?.timer?.clear()
    this.all.delete(tunnel)
  }

  end(): void {
    for (const tunnel of [...this.all.keys()]) this.forget(tunnel)
  }

  private changed(tunnel: number, known: Known): void {
    const { clock } = this.options
    if (known.timer !== undefined) return
    const waitMs = known.toldAt + QUIET_MS - clock.now()
    if (waitMs <= 0) this.tell(tunnel, known)
    else {
      known.timer = clock.after(waitMs, () => {
        known.timer = undefined
        // It may be again as it was told.
        if (known.told !== known.isAnswering) this.tell(tunnel, known)
      })
    }
  }

  private tell(tunnel: number, known: Known): void {
    const { isAnswering, message, since } = known
    const now = this.options.clock.now()
    known.toldAt = now
    known.told = isAnswering
    this.options.tell(tunnel, { isAnswering, message, sinceMs: now - since })
  }
}
