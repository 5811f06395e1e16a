// Tokens: how one is made, how one is told from what a stranger sends, and which one it is.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** 256 random bits: guessing is hopeless, so one round of SHA-256 is enough to keep them safely. */
const TOKEN_BYTES = 32
const TOKEN_PREFIX = 'pbt_'

/** `Bearer `, the prefix and 43 characters; the scheme in any case (RFC 9110, 11.1). */
const AUTHORIZATION = /^bearer +(pbt_[A-Za-z0-9_-]{43})$/i

/** Longer values are not even looked at. */
const MAX_AUTHORIZATION_CHARS = 200

/** A token as it is kept. */
export interface KnownToken {
  readonly id: number
  /** SHA-256 of the token. */
  readonly hash: Buffer
}

/** A new token; shown once, never stored. */
export function newToken(): string {
  return TOKEN_PREFIX + randomBytes(TOKEN_BYTES).toString('base64url')
}

/** What is kept of a token. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** The token in the values of an `authorization` field; undefined for anything but one well-formed value. */
export function bearerOf(values: readonly unknown[]): string | undefined {
  const [value] = values
  if (values.length !== 1 || typeof value !== 'string' || value.length > MAX_AUTHORIZATION_CHARS) return undefined
  return AUTHORIZATION.exec(value)?.[1]
}

/** The tokens that are valid at the moment. */
export class TokenBook {
  private known: readonly KnownToken[]

  constructor(known: readonly KnownToken[]) {
    this.known = known
  }

  /** From now on these are valid and no others. */
  replace(known: readonly KnownToken[]): void {
    this.known = known
  }

  /** The id of the one that was made last; undefined when none is valid. */
  get newest(): number | undefined {
    return this.known.length === 0 ? undefined : Math.max(...this.known.map(({ id }) => id))
  }

  /** Whether the token of this id is valid. */
  has(tokenId: number): boolean {
    return this.known.some(({ id }) => id === tokenId)
  }

  /** The id of this token, or undefined. Compares with every known one, each in constant time. */
  find(token: string): number | undefined {
    const hash = hashToken(token)
    let found: number | undefined
    for (const { id, hash: other } of this.known) if (timingSafeEqual(hash, other)) found = id
    return found
  }
}
