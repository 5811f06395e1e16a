// Who is logged in to the panel: by the token, or by a link that works once. A session is known by a cookie; only its digest is kept.
import { randomBytes } from 'node:crypto'
import type { TokenCheck } from '../access/token-check.ts'
import { hashToken, type KnownToken, type TokenBook } from '../access/tokens.ts'
import { Failure } from '../failure.ts'
import type { Tell } from './event.ts'
import { panelEnded, panelLogin } from './happenings.ts'

/** A browser that is logged in. */
export interface KeptSession {
  readonly id: number
  /** The token that it goes with. */
  readonly tokenId: number
  readonly userAgent: string
  readonly address: string
  /** Else by a link. */
  readonly isByToken: boolean
  readonly createdAt: Date
  /** To the minute. */
  readonly lastSeenAt: Date
  readonly endsAt: Date
}

/** A session and how its cookie is told. */
export interface StoredSession extends KeptSession {
  /** SHA-256 of the cookie's value, in hexadecimal. */
  readonly hash: string
}

/** What is kept of sessions. */
export interface SessionRecords {
  /** Those that have not ended, the newest first. */
  live(): Promise<StoredSession[]>
  /** The same, and the tokens that are valid, as they were at one moment. */
  withTokens(): Promise<{ sessions: StoredSession[]; tokens: KnownToken[] }>
  add(session: Omit<StoredSession, 'id'>): Promise<StoredSession>
  /** Ends them; ones that are not there are as good. Tells how many there were. */
  remove(ids: readonly number[]): Promise<number>
  seen(id: number, at: Date): Promise<void>
}

/** With what somebody logs in. */
export type Proof =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'code'; readonly code: string }

/** Who logs in, and from where. */
export interface Visitor {
  readonly address: string
  readonly userAgent: string
}

/** What is kept of sessions, what judges tokens, and what is told of logins. */
export interface PanelVerbsOptions {
  readonly records: SessionRecords
  readonly tokens: TokenBook
  /** Judges tokens, and counts failures by address. */
  readonly check: TokenCheck
  /** When a token that was once valid was replaced. */
  readonly endOf: (hash: Buffer) => Promise<Date | undefined>
  /** Where the panel is, without a slash at the end; undefined: no server runs. */
  readonly url: () => string | undefined
  /** A login was refused, other than for being one too many. */
  readonly refused: (visitor: Visitor) => void
  readonly onError: (error: unknown) => void
  readonly clock: { now(): number }
  readonly tell: Tell
}

const DAY_MS = 24 * 3_600_000
const SESSION_MS = 30 * DAY_MS
/** How long a link is good, milliseconds. */
const LINK_MS = 60_000
const SEEN_STEP_MS = 60_000
/** Links that are good at once. */
const MAX_LINKS = 100
/** Browsers that are logged in at once; the one that was seen longest ago makes room. */
const MAX_SESSIONS = 1_000
const SECRET_BYTES = 32
const SECRET = /^[A-Za-z0-9_-]{43}$/

/** All reject with Failure. */
export class PanelVerbs {
  private readonly options: PanelVerbsOptions
  /** By digest. */
  private sessions = new Map<string, StoredSession>()
  /** Changes of `sessions` that were kept here: what was read before is out of date. */
  private changes = 0
  /** When each ends, on the clock, by digest. */
  private readonly links = new Map<string, number>()

  constructor(options: PanelVerbsOptions) {
    this.options = options
  }

  /** Reads again who is logged in, and which tokens are valid: both at once, since a session may have been given the new one. */
  async load(): Promise<void> {
    const { records, tokens } = this.options
    for (;;) {
      const { changes } = this
      const kept = await records.withTokens()
      if (changes !== this.changes) continue
      tokens.replace(kept.tokens)
      this.sessions = new Map(kept.sessions.map(session => [session.hash, session]))
      return
    }
  }

  /** The session of this cookie, without a question to the database. */
  sessionOf(cookie: string): KeptSession | undefined {
    const session = SECRET.test(cookie) ? this.sessions.get(digest(cookie)) : undefined
    if (session === undefined || !this.isGood(session)) return undefined
    this.noteSeen(session)
    return session
  }

  /** Whether this session has not ended. */
  isLoggedIn(id: number): boolean {
    for (const session of this.sessions.values()) if (session.id === id) return this.isGood(session)
    return false
  }

  private isGood({ endsAt, tokenId }: StoredSession): boolean {
    return endsAt.getTime() > Date.now() && this.options.tokens.has(tokenId)
  }

  /** Logs in; `secret` is the cookie's value. A proof is good for one new session, whatever cookie came with it. */
  async login(proof: Proof, visitor: Visitor): Promise<{ session: KeptSession; secret: string }> {
    const tokenId = proof.kind === 'token' ? await this.byToken(proof.token, visitor) : this.byCode(proof.code, visitor)
    await this.makeRoom()
    const secret = randomBytes(SECRET_BYTES).toString('base64url')
    const now = new Date()
    const session = await this.options.records.add({
      ...{ hash: digest(secret), tokenId, isByToken: proof.kind === 'token' },
      ...{ address: visitor.address, userAgent: visitor.userAgent },
      ...{ createdAt: now, lastSeenAt: now, endsAt: new Date(now.getTime() + SESSION_MS) },
    })
    this.sessions.set(session.hash, session)
    this.changes++
    this.options.tell(panelLogin(visitor.address, session.isByToken ? 'with the token' : 'by a link'))
    return { session, secret }
  }

  /** A link that logs in once, from now on for `ms`. */
  link(ms = LINK_MS): { url: string; endsAt: Date } {
    const now = this.options.clock.now()
    const url = this.options.url()
    if (url === undefined) {
      throw new Failure('not-running', 'no server runs on this data directory', {
        cure: 'start it with "pbt-server start"',
      })
    }
    for (const [hash, endsAt] of this.links) if (endsAt <= now) this.links.delete(hash)
    if (this.links.size >= MAX_LINKS) {
      throw new Failure('limited', `there are ${MAX_LINKS} unused links already`, {
        cure: 'try again in a minute',
      })
    }
    const code = randomBytes(SECRET_BYTES).toString('base64url')
    this.links.set(digest(code), now + ms)
    return { url: `${url}/login#${code}`, endsAt: new Date(Date.now() + ms) }
  }

  /** Who is logged in, the newest first. */
  async list(): Promise<KeptSession[]> {
    return (await this.options.records.live()).filter(({ tokenId }) => this.options.tokens.has(tokenId))
  }

  /** Ends these sessions; none: all but `own`. Tells how many. */
  async end(ids: readonly number[], own: number): Promise<number> {
    const wanted = ids.length > 0 ? ids : (await this.list()).map(({ id }) => id).filter(id => id !== own)
    const ended = await this.options.records.remove(wanted)
    const gone = new Set(wanted)
    for (const [hash, { id }] of this.sessions) if (gone.has(id)) this.sessions.delete(hash)
    this.changes++
    if (ended > 0) this.options.tell(panelEnded(ended))
    return ended
  }

  private async byToken(token: string, visitor: Visitor): Promise<number> {
    const { check } = this.options
    const verdict = check.check([`Bearer ${token}`], visitor.address)
    if (verdict.verdict === 'accepted') return verdict.tokenId
    if (verdict.verdict === 'limited') throw this.limited(visitor)
    this.options.refused(visitor)
    const end = await this.options.endOf(hashToken(token))
    if (end === undefined) throw wrong('the token is not valid here', '"pbt-server login" makes a link that needs none')
    throw wrong('the token has been replaced', '"pbt-server login" makes a link that needs none', {
      replaced_at: end.toISOString(),
    })
  }

  private byCode(code: string, visitor: Visitor): number {
    const { check, clock, tokens, refused } = this.options
    if (check.limitedForMs(visitor.address) > 0) throw this.limited(visitor)
    const hash = digest(code)
    const endsAt = this.links.get(hash)
    this.links.delete(hash)
    if (endsAt !== undefined && endsAt > clock.now() && tokens.newest !== undefined) return tokens.newest
    check.failed(visitor.address)
    refused(visitor)
    throw wrong('the link has been used or has expired', '"pbt-server login" makes another one')
  }

  private limited({ address }: Visitor): Failure {
    const seconds = Math.ceil(this.options.check.limitedForMs(address) / 1_000)
    return new Failure('limited', `too many failed logins from ${address}`, {
      cure: `try again in ${seconds} s`,
      metadata: { retry_after: String(seconds) },
    })
  }

  private noteSeen(session: StoredSession): void {
    const now = new Date()
    if (now.getTime() - session.lastSeenAt.getTime() < SEEN_STEP_MS) return
    this.sessions.set(session.hash, { ...session, lastSeenAt: now })
    this.options.records.seen(session.id, now).catch(this.options.onError)
  }

  private async makeRoom(): Promise<void> {
    const oldest = [...this.sessions.values()].sort(
      (one, other) => one.lastSeenAt.getTime() - other.lastSeenAt.getTime(),
    )
    const surplus = oldest.slice(0, Math.max(0, oldest.length - MAX_SESSIONS + 1))
    if (surplus.length > 0)
      await this.end(
        surplus.map(({ id }) => id),
        0,
      )
  }
}

function digest(secret: string): string {
  return hashToken(secret).toString('hex')
}

function wrong(message: string, cure: string, metadata: Record<string, string> = {}): Failure {
  return new Failure('token-refused', message, { cure, metadata })
}
