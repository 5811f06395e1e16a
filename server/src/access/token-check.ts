// Judges who asks for the link: the token, and whether its address has failed too often.
import { FailureLimiter } from './limiter.ts'
import { bearerOf, type TokenBook } from './tokens.ts'

/** `refused`: no valid token; `limited`: the address has failed too often, so its token was not looked at. */
export type TokenVerdict =
  | { readonly verdict: 'accepted'; readonly tokenId: number }
  | { readonly verdict: 'refused' }
  | { readonly verdict: 'limited' }

const REFUSED: TokenVerdict = { verdict: 'refused' }
const LIMITED: TokenVerdict = { verdict: 'limited' }

/** Checks bearer tokens (RFC 6750 section 2.1), and counts failures by address. */
export class TokenCheck {
  private readonly book: TokenBook
  private readonly limiter: FailureLimiter

  /** `clock.now` in milliseconds, monotonic. */
  constructor(book: TokenBook, clock: { now(): number }) {
    this.book = book
    this.limiter = new FailureLimiter(clock)
  }

  /**
   * The verdict on the values of an `authorization` field from this address. Whatever is wrong with them gets the same
   * answer. Does no I/O and never throws.
   */
  check(authorization: readonly unknown[], address: string | undefined): TokenVerdict {
    if (this.limiter.refusedForMs(address) > 0) return LIMITED
    const token = bearerOf(authorization)
    const tokenId = token === undefined ? undefined : this.book.find(token)
    if (tokenId !== undefined) return { verdict: 'accepted', tokenId }
    this.limiter.failed(address)
    return REFUSED
  }

  /** Whether the token of this id is still valid. */
  has(tokenId: number): boolean {
    return this.book.has(tokenId)
  }

  /** How long this address is still refused, milliseconds; 0 when it may try. */
  limitedForMs(address: string | undefined): number {
    return this.limiter.refusedForMs(address)
  }

  /** This address has shown something else that was wrong. */
  failed(address: string | undefined): void {
    this.limiter.failed(address)
  }
}
