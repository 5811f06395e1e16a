// Who calls: what a request has shown before anything of it was read.
import { type ContextValues, createContextKey, createContextValues } from '@connectrpc/connect'

/** Facts that were checked, not what the request says of itself, except `userAgent`. */
export interface Caller {
  /** By the token, by a session of the panel, through the socket in the data directory, or nobody known: only what is open to all. */
  readonly kind: 'token' | 'session' | 'local' | 'anybody'
  /** As allowlists judge it; '' for the socket. */
  readonly address: string
  readonly userAgent: string
  /** The token that it showed, or that its session began with; 0 for none. */
  readonly tokenId: number
  /** The panel's session, '' for none. */
  readonly sessionId: string
}

/** The server itself: commands that find no server running call so. */
export const LOCAL: Caller = { kind: 'local', address: '', userAgent: '', tokenId: 0, sessionId: '' }

const CALLER = createContextKey<Caller>(LOCAL)

const CUT = createContextKey<() => void>(() => {})

/** For the router, beside a request. `cut` breaks the answer off. */
export function valuesOf(caller: Caller, cut: () => void): ContextValues {
  return createContextValues().set(CALLER, caller).set(CUT, cut)
}

/** Cuts the answer to a request whose peer does not read it. */
export function cutOf({ values }: { readonly values: ContextValues }): () => void {
  return values.get(CUT)
}

/** Whose request a service answers. */
export function callerOf({ values }: { readonly values: ContextValues }): Caller {
  return values.get(CALLER)
}
