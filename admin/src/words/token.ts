// How a token stands, by the clock of the browser: no word of the server comes when a grace time is over.
import { type Client, type Event, type Token, Token_State } from '@pbt/proto/admin/v1'
import { millis } from './time.ts'

/** `ended`: nobody is let in with it; also one that is not known any more. */
export type TokenStanding = 'valid' | 'ending' | 'ended'

/** `now`: milliseconds. */
export function tokenStanding(token: Token | undefined, now: number): TokenStanding {
  if (token?.state === Token_State.VALID) return 'valid'
  const end = millis(token?.endTime)
  return token?.state === Token_State.ENDING && (end === undefined || end > now) ? 'ending' : 'ended'
}

/** The one that a client showed last. */
export function tokenOf({ tokenId }: Client, tokens: readonly Token[]): Token | undefined {
  return tokens.find(({ id }) => id === tokenId)
}

/** Why a client will not have its token after a restart, as it said when it took it; '' when it will, or was started since. */
export function notStoredAt({ id, tokenId }: Client, events: readonly Event[]): string {
  // The newest first.
  const last = events.find(
    ({ kind, fields }) => /^(token\.taken|client\.connected)$/.test(kind) && fields.client === id,
  )
  if (last?.kind !== 'token.taken' || last.fields.token !== String(tokenId)) return ''
  return last.fields.notStored ?? ''
}
