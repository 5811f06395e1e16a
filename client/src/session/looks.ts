// Looks at ports of the server that it asks for in a session: as many as the checks of a person need, each with an answer.
import { create } from '@bufbuild/protobuf'
import { Allowance, type Clock, type SessionFrame } from '@pbt/proto'
import { LookedOutsideSchema, type LookOutside } from '@pbt/proto/tunnel/v1'
import type { Seen } from './look-outside.ts'

/** Looks at ports of the server at once, and a second in the long run: each is a connection of this machine. */
const MAX_LOOKS = 32
const LOOKS_A_SECOND = 0.5

/** Of one session. */
export class Looks {
  private readonly allowance: Allowance
  private readonly look: (look: LookOutside) => Promise<Seen>
  private readonly send: (frame: SessionFrame) => void

  /** `look` never rejects; `send` does nothing once the session is over. */
  constructor(clock: Clock, look: (look: LookOutside) => Promise<Seen>, send: (frame: SessionFrame) => void) {
    this.allowance = new Allowance(clock, MAX_LOOKS, LOOKS_A_SECOND)
    this.look = look
    this.send = send
  }

  /** The server asks for one. Never rejects. */
  async asked(look: LookOutside): Promise<void> {
    // More than a person's checks need: it goes unanswered.
    if (!this.allowance.spend(1)) return
    const seen = await this.look(look)
    this.send({ case: 'lookedOutside', value: create(LookedOutsideSchema, { ...seen, id: look.id }) })
  }
}
