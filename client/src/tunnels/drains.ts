// Sessions that finish what is in flight on the link of a server that goes down, while another has taken their place.
import type { Clock, Timer } from '@pbt/proto'
import type { Line } from '../session/dial.ts'
import type { Session } from '../session/session.ts'

/** How long such a link is kept; the server closes it itself when it has no more visitors. */
const DRAIN_MS = 3_605_000

/** Owns the sessions that are added; ends each one once, when it is done or after a fixed time. */
export class Drains {
  private readonly clock: Clock
  private readonly end: (session: Session) => void
  private readonly all = new Map<Session, { line: Line; timer: Timer }>()

  /** `end` ends a session whose time is over. */
  constructor(clock: Clock, end: (session: Session) => void) {
    this.clock = clock
    this.end = end
  }

  get sessions(): Iterable<Session> {
    return this.all.keys()
  }

  get isEmpty(): boolean {
    return this.all.size === 0
  }

  has(session: Session): boolean {
    return this.all.has(session)
  }

  add(session: Session, line: Line): void {
    const timer = this.clock.after(DRAIN_MS, () => this.drained(session))
    this.all.set(session, { line, timer })
  }

  /** The line is gone, and with it the session that it carried. */
  lineOver(line: Line): void {
    for (const [session, drain] of this.all) if (drain.line === line) this.drained(session)
  }

  /** It has nothing left to finish, or cannot. Nothing when it is not among these. */
  drained(session: Session): void {
    const drain = this.all.get(session)
    if (drain === undefined) return
    this.all.delete(session)
    drain.timer.clear()
    this.end(session)
    drain.line.hangUp()
  }

  close(): void {
    for (const session of [...this.all.keys()]) this.drained(session)
  }
}
