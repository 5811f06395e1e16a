// What is asked of the server for the owner, one answer for each question.
import { create } from '@bufbuild/protobuf'
import { codeOf, type SessionFrame } from '@pbt/proto'
import { AllowPeerSchema, type PeerAllowed, Reason } from '@pbt/proto/tunnel/v1'
import { Failure } from '../failure.ts'

/** Who is to be let in where. */
export interface LetInWish {
  /** A tunnel of this machine by its name, or one of its addresses. */
  readonly tunnel: string
  readonly blocks: readonly string[]
  /** The address besides that the server sees this machine come from. */
  readonly isMe: boolean
  /** 0: for good. */
  readonly durationMs: number
}

/** Questions that wait for their answers. */
export class LetIns {
  private readonly send: (frame: SessionFrame) => void
  private readonly waiting = new Map<bigint, (answer: PeerAllowed) => void>()
  private last = 0n

  constructor(send: (frame: SessionFrame) => void) {
    this.send = send
  }

  /** Rejects with Failure when the server does not do it. Waits as long as the session lives: the caller has a deadline. */
  async ask({ tunnel, blocks, isMe: me, durationMs }: LetInWish): Promise<PeerAllowed> {
    const id = ++this.last
    const { promise, resolve } = Promise.withResolvers<PeerAllowed>()
    this.waiting.set(id, resolve)
    const value = create(AllowPeerSchema, { id, tunnel, blocks: [...blocks], me, durationMs: BigInt(durationMs) })
    this.send({ case: 'allowPeer', value })
    const answer = await promise
    const { reason, message, cure } = answer
    if (reason !== Reason.UNSPECIFIED) throw new Failure(codeOf(reason), message, { cure })
    return answer
  }

  /** An answer came; one that was not asked for is left. */
  answered(answer: PeerAllowed): void {
    this.waiting.get(answer.id)?.(answer)
    this.waiting.delete(answer.id)
  }
}

/** `agent`: of the server. */
export function tooOld(agent: string): Failure {
  return new Failure('unsupported', `the server (${agent}) does not change allowlists for clients`, {
    cure: 'upgrade pbt-server, or run there: pbt-server allow ADDRESS --add BLOCK',
  })
}
