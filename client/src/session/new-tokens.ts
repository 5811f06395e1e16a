// New tokens that the server tells in a session: each one is stored, and the server hears that it was taken.
import { create } from '@bufbuild/protobuf'
import { Allowance, type Clock, type Mux, PbtError } from '@pbt/proto'
import { type NewToken, TokenTakenSchema } from '@pbt/proto/tunnel/v1'
import { isTokenLike } from '../config/config.ts'

/** The server may tell this many new tokens at once, and one an hour in the long run: each is written to disk. */
const MAX_NEW_TOKENS = 16
const NEW_TOKENS_A_SECOND = 1 / 3_600

/** Of one session. */
export class NewTokens {
  private readonly mux: Mux
  private readonly store: (token: string) => string
  private readonly allowance: Allowance
  private isNewestKnown = () => true

  /** `store` tells why the token will not be there after a restart, '' when it will. */
  constructor(clock: Clock, mux: Mux, store: (token: string) => string) {
    this.mux = mux
    this.store = store
    this.allowance = new Allowance(clock, MAX_NEW_TOKENS, NEW_TOKENS_A_SECOND)
  }

  /** Whether the server knows that the newest token was taken. */
  get isKnown(): boolean {
    return this.isNewestKnown()
  }

  /** Throws PbtError `limit` or `protocol` when it is one too many, or none. */
  take({ token, id }: NewToken): void {
    if (!this.allowance.spend(1)) throw new PbtError('limit', `more than ${MAX_NEW_TOKENS} new tokens`)
    // The next dial would fail on it, and for ever after a restart.
    if (!isTokenLike(token)) throw new PbtError('protocol', 'the new token is none')
    const notStored = this.store(token)
    this.isNewestKnown = () => false
    // A server of version 1.0 gives none a number.
    if (id > 0n) this.mux.sendSessionFrame({ case: 'tokenTaken', value: create(TokenTakenSchema, { id, notStored }) })
    this.isNewestKnown = this.mux.watchTaken()
  }
}
