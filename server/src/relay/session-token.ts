// Which token a session counts as of: the one that its client showed, until it has taken a newer one over the link.
import { PbtError } from '@pbt/proto'

/** By the token's number, not its text; changes only to a token that the client was sent. */
export class SessionToken {
  private current: number
  /** Those that the client was sent. */
  private readonly offered = new Set<number>()

  constructor(id: number) {
    this.current = id
  }

  get id(): number {
    return this.current
  }

  /** The client is sent this one. False: it was already, or has it. */
  offer(id: number): boolean {
    if (this.isOf(id)) return false
    this.offered.add(id)
    return true
  }

  /** Whether a link with this token is one of the session: that the client took it may not have been heard yet. */
  isOf(id: number): boolean {
    return id === this.current || this.offered.has(id)
  }

  /** The client says, or has shown, that it has this one. Throws PbtError `protocol` for one that it was never sent. */
  taken(id: number): void {
    if (!this.isOf(id)) throw new PbtError('protocol', `the client was never sent token ${id}`)
    this.offered.delete(id)
    this.current = id
  }
}
