// Ports of this server as a client sees them from where it is.
import { create } from '@bufbuild/protobuf'
import type { Clock, SessionFrame } from '@pbt/proto'
import { type LookedOutside, LookedOutside_Outcome, LookOutsideSchema } from '@pbt/proto/tunnel/v1'

/** The client has 10 s; the rest is for the line. */
const ANSWER_MS = 15_000
/** Questions to one client that are open at once. */
const MAX_OPEN = 16
const MAX_WORDS_CHARS = 200

/** What is to be looked at. */
export interface LookedAt {
  readonly address: string
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
}

/** What a client saw. */
export interface Sight {
  readonly isReachable: boolean
  /** A definite answer that nobody listens there; else silence. */
  readonly isRefused: boolean
  /** For people: who looked and what happened. */
  readonly words: string
}

/** The questions to one client. */
export class Looks {
  private readonly send: (frame: SessionFrame) => void
  private readonly clock: Clock
  private readonly open = new Map<bigint, (answer: LookedOutside | undefined) => void>()
  private last = 0n

  constructor(send: (frame: SessionFrame) => void, clock: Clock) {
    this.send = send
    this.clock = clock
  }

  /** Undefined when the client did not look, or did not answer in time. Never rejects. */
  async ask({ address, port, protocol }: LookedAt, label: string, signal: AbortSignal): Promise<Sight | undefined> {
    if (this.open.size >= MAX_OPEN || signal.aborted) return undefined
    const id = ++this.last
    const { promise, resolve } = Promise.withResolvers<LookedOutside | undefined>()
    this.open.set(id, resolve)
    const late = this.clock.after(ANSWER_MS, () => resolve(undefined))
    const givenUp = () => resolve(undefined)
    signal.addEventListener('abort', givenUp, { once: true })
    this.send({ case: 'lookOutside', value: create(LookOutsideSchema, { id, address, port, udp: protocol === 'udp' }) })
    const answer = await promise
    late.clear()
    signal.removeEventListener('abort', givenUp)
    this.open.delete(id)
    return answer === undefined ? undefined : sightOf(answer, label)
  }

  /** An answer came; one that was not asked for is left. */
  answered(answer: LookedOutside): void {
    this.open.get(answer.id)?.(answer)
  }

  /** The client is gone. */
  end(): void {
    for (const resolve of this.open.values()) resolve(undefined)
  }
}

function sightOf({ outcome, message }: LookedOutside, label: string): Sight | undefined {
  if (outcome === LookedOutside_Outcome.UNSPECIFIED) return undefined
  return {
    isReachable: outcome === LookedOutside_Outcome.REACHED,
    isRefused: outcome === LookedOutside_Outcome.REFUSED,
    words: `client "${label}": ${message.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_WORDS_CHARS)}`,
  }
}
