// What the owner may do with tokens: look at them, exchange the one that is valid for a new one, and end one that is on its way out.
import { hashToken, newToken } from '../access/tokens.ts'
import { Failure } from '../failure.ts'
import type { LiveClient } from '../relay/sessions.ts'
import { type ClientView, present } from './clients.ts'
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
  /**
   * The new one, whose id this tells, is the only one without an end; all others end at this time at the latest. The panel's session of
   * this id, 0 for none, goes with the new one.
   */
  replace(hash: Buffer, label: string, endsAt: Date, session: number): Promise<number>
  /** Ends one that has an end; false when there is none such. */
  end(id: number): Promise<boolean>
}

/** Clients that are connected with tokens. */
export interface TokenClients {
  clients(): readonly LiveClient[]
  /** Every one that has another token is sent this one, also those that come within `ms`; those that were sent it now. */
  offer(id: number, token: string, ms: number): readonly LiveClient[]
}

/** What is kept of tokens, the connected clients, and what has to be told of a change. */
export interface TokenVerbsOptions {
  readonly records: TokenRecords
  /** Undefined: no server runs here. */
  readonly live?: TokenClients | undefined
  /** Something has changed that a running server has to notice. Resolves when it is in force here. */
  readonly changed: () => Promise<void>
  readonly tell: Tell
}

/** A token and who is connected with it. */
export interface TokenView extends KeptToken {
  readonly clients: readonly ClientView[]
}

/** The new token, which cannot be read again later. */
export interface Rotated {
  /** Shown only now. */
  readonly token: string
  readonly kept: TokenView
  /** Clients that are sent the new one. That they took it is told by events, and by the token that they have in lists. */
  readonly told: readonly ClientView[]
}

const MAX_LABEL_CHARS = 100

/** All reject with Failure. */
export class TokenVerbs {
  private readonly options: TokenVerbsOptions

  constructor(options: TokenVerbsOptions) {
    this.options = options
  }

  /** Every token there was, the newest first. */
  async list(): Promise<TokenView[]> {
    const byToken = Map.groupBy(this.options.live?.clients() ?? [], ({ tokenId }) => tokenId)
    const kept = await this.options.records.list()
    return kept.map(token => ({ ...token, clients: (byToken.get(token.id) ?? []).map(present) }))
  }

  /**
   * A new token in place of the one that is valid, which is good for `graceMs` still: clients that are connected, or come meanwhile, are sent
   * the new one over the link. Without grace those before it end at once, and with them the sessions of their clients, and of the panel but
   * `session`: that of who asks, 0 for none.
   */
  async rotate(label = '', graceMs = 0, session = 0): Promise<Rotated> {
    const { records, live, tell, changed } = this.options
    const token = newToken()
    const name = label.slice(0, MAX_LABEL_CHARS) || 'rotated'
    const id = await records.replace(hashToken(token), name, new Date(Date.now() + graceMs), session)
    tell(tokenRotated(id, graceMs))
    await changed()
    // In force, so that a client that takes it can use it at once.
    const told = live?.offer(id, token, graceMs).map(present) ?? []
    const kept = (await this.list()).find(each => each.id === id)
    if (kept === undefined) throw new Error(`token ${id} was written and is not there`)
    return { token, kept, told }
  }

  /** Ends a token that has an end, before its time. */
  async revoke(id: number): Promise<void> {
    const found = (await this.options.records.list()).find(token => token.id === id)
    if (found === undefined) {
      throw new Failure('unknown-token', `there is no token ${id}`, { cure: '"pbt-server token list" shows them' })
    }
    if (found.endsAt === undefined) {
      throw new Failure('last-token', `token ${id} is the valid one: without it no client could connect`, {
        cure: '"pbt-server token rotate" makes a new one in its place',
      })
    }
    // One that has ended already is what was asked for.
    if (!(await this.options.records.end(id))) return
    this.options.tell(tokenEnded(id))
    await this.options.changed()
  }
}
