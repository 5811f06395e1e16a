// What the owner may do with tokens: look at them, exchange the one that is valid for a new one, and end one that is on its way out.
import { hashToken, newToken } from '../access/tokens.ts'
import { Failure } from '../failure.ts'
import type { Tell } from './event.ts'
import { tokenEnded, tokenRotated } from './happenings.ts'

/** What is known of a token; the token itself is not kept. */
export interface KeptToken {
  readonly id: number
  readonly label: string
  readonly createdAt: Date
  /** A client connected with it, to the minute. */
  readonly lastUsedAt: Date | undefined
  /** From then on it is worth nothing; exactly one token has no end. */
  readonly endsAt: Date | undefined
}

/** What is kept of tokens. */
export interface TokenRecords {
  list(): Promise<KeptToken[]>
  /** The new one is the only one without an end, all others have ended. */
  replace(hash: Buffer, label: string): Promise<void>
  /** Ends one that has an end; false when there is none such. */
  end(id: number): Promise<boolean>
}

export interface TokenVerbsOptions {
  readonly records: TokenRecords
  /** Something has changed that a running server has to notice. Resolves when it is in force here. */
  readonly changed: () => Promise<void>
  readonly tell: Tell
}

const MAX_LABEL_CHARS = 100

/** All reject with Failure. */
export class TokenVerbs {
  private readonly options: TokenVerbsOptions

  constructor(options: TokenVerbsOptions) {
    this.options = options
  }

  /** Every token there was, the newest first. */
  async list(): Promise<KeptToken[]> {
    return await this.options.records.list()
  }

  /** A new token, shown only now; those before it have ended, and the sessions of their clients. */
  async rotate(label = ''): Promise<{ token: string }> {
    const token = newToken()
    await this.options.records.replace(hashToken(token), label.slice(0, MAX_LABEL_CHARS) || 'rotated')
    this.options.tell(tokenRotated(undefined))
    await this.options.changed()
    return { token }
  }

  /** Ends a token that has an end, before its time. */
  async revoke(id: number): Promise<void> {
    const found = (await this.options.records.list()).find(token => token.id === id)
    if (found === undefined) {
      throw new Failure('unknown-token', `there is no token ${id}`, { cure: '"pbt-server token list" shows them' })
    }
    if (found.endsAt === undefined) {
      throw new Failure('last-token', `token ${id} is the one that is valid: without it nobody could connect`, {
        cure: '"pbt-server token rotate" makes a new one in its place',
      })
    }
    // One that has ended already is what was asked for.
    if (!(await this.options.records.end(id))) return
    this.options.tell(tokenEnded(id))
    await this.options.changed()
  }
}
