// Who may call, judged from a request's head alone, before anything of its body is read: the adapter parses bodies before its
// interceptors run, and makes a URL of the host outside any promise.
import type { TLSSocket } from 'node:tls'
import type { TokenCheck } from '../access/token-check.ts'
import type { TrustedProxies } from '../access/trusted-proxies.ts'
import type { Caller } from './caller.ts'
import type { Refusal, Request } from './refusal.ts'

/** The cookie of the panel's session: `__Host-` says that no other host set it (RFC 6265bis section 4.1.3.2). */
export const SESSION_COOKIE = '__Host-pbt'

/** Types of calls; forms and plain text, which any page may send anywhere, are none. */
const CALL_TYPE = /^application\/(?:json|proto|connect\+(?:json|proto)|grpc(?:-web)?(?:\+(?:json|proto))?)(?: *;|$)/
/** Methods that answer everybody. */
const OPEN: ReadonlySet<string> = new Set(['/pbt.admin.v1.PanelService/Login', '/pbt.admin.v1.PanelService/GetSession'])

/** Host names and ports, and the functions that judge addresses, tokens and cookies. */
export interface DoorOptions {
  readonly baseDomain: string
  /** The ports at which visitors find the admin host. */
  readonly ports: () => readonly number[]
  readonly tokens: TokenCheck
  readonly proxies: TrustedProxies
  /** The session of this cookie, if it is one. */
  readonly sessionOf: (cookie: string) => { readonly id: string; readonly tokenId: number } | undefined
  /** Whether a session, or a token, is still what it was when it was shown. */
  readonly hasSession: (id: string) => boolean
  readonly hasToken: (id: number) => boolean
  /** Whether an address may come to the admin host at all. */
  readonly admits: (address: string) => boolean
  /** A wrong token was shown. */
  readonly refusedToken: (address: string) => void
}

/** A call that may go on, or why not. */
export type Verdict = { readonly caller: Caller } | { readonly refusal: Refusal } | TurnedAway

/** What is no call of the API, or not at this host. */
export interface TurnedAway {
  readonly status: number
  readonly text: string
}

/** Reads heads only; never answers a request itself. */
export class Door {
  private readonly options: DoorOptions

  constructor(options: DoorOptions) {
    this.options = options
  }

  /** The visitor's address, behind a trusted proxy what that says. */
  addressOf(request: Request): string {
    const { proxies } = this.options
    const peer = (request.socket as TLSSocket).remoteAddress ?? ''
    if (!proxies.trusts(peer)) return peer
    const hops = String(request.headers['x-forwarded-for'] ?? '')
      .split(',')
      .map(hop => hop.trim())
      .filter(hop => hop !== '')
    return proxies.originOf(hops)?.address ?? peer
  }

  /** Whether the request is for this host and its visitor may come; undefined when it is. */
  atHost(request: Request): TurnedAway | undefined {
    if (!this.hosts().includes(authorityOf(request))) {
      return { status: 421, text: 'This connection is for another host name.' }
    }
    const address = this.addressOf(request)
    if (this.options.admits(address)) return undefined
    return { status: 403, text: `Your address ${address} is not in admin-allow of pbt-server.` }
  }

  /** Judges a call; the host has been. */
  judge(request: Request): Verdict {
    const type = String(request.headers['content-type'] ?? '')
    if (request.method !== 'POST') return { status: 405, text: 'Calls must be POST requests.' }
    if (!CALL_TYPE.test(type)) return { status: 415, text: 'The content type is not one of Connect, gRPC or gRPC-Web.' }
    const origin = request.headers.origin
    if (origin !== undefined && !this.origins().includes(origin)) return otherSite(`the origin ${origin.slice(0, 200)}`)
    const authorization = headerValues(request, 'authorization')
    const site = request.headers['sec-fetch-site']
    if (site !== undefined && site !== 'same-origin' && !(site === 'none' && authorization.length > 0)) {
      return otherSite(`a ${String(site).slice(0, 50)} request`)
    }
    const path = pathOf(request)
    const caller = this.callerOf(request, authorization, origin)
    if (caller === undefined) return OPEN.has(path) ? { caller: this.anybody(request) } : { refusal: UNKNOWN_CALLER }
    return 'refusal' in caller && OPEN.has(path) && authorization.length === 0
      ? { caller: this.anybody(request) }
      : caller
  }

  /** Whether what this caller has shown is still good. */
  isGood({ kind, sessionId, tokenId }: Caller): boolean {
    if (kind === 'session') return this.options.hasSession(sessionId)
    return kind !== 'token' || this.options.hasToken(tokenId)
  }

  private callerOf(
    request: Request,
    authorization: readonly string[],
    origin: string | undefined,
  ): Verdict | undefined {
    const address = this.addressOf(request)
    const userAgent = String(request.headers['user-agent'] ?? '').slice(0, 300)
    if (authorization.length > 0) {
      const check = this.options.tokens.check(authorization, address)
      if (check.verdict === 'limited') return { refusal: TOO_MANY_WRONG }
      if (check.verdict === 'refused') {
        this.options.refusedToken(address)
        return { refusal: WRONG_TOKEN }
      }
      return { caller: { kind: 'token', address, userAgent, tokenId: check.tokenId, sessionId: '' } }
    }
    const cookie = cookieOf(request)
    const session = cookie === undefined ? undefined : this.options.sessionOf(cookie)
    if (session === undefined) return undefined
    // A browser says with each POST where it is from; what does not is none.
    if (origin === undefined)
      return { refusal: { ...UNKNOWN_CALLER, message: 'a call with a session needs the Origin header' } }
    return { caller: { kind: 'session', address, userAgent, tokenId: session.tokenId, sessionId: session.id } }
  }

  private anybody(request: Request): Caller {
    const userAgent = String(request.headers['user-agent'] ?? '').slice(0, 300)
    return { kind: 'anybody', address: this.addressOf(request), userAgent, tokenId: 0, sessionId: '' }
  }

  private hosts(): string[] {
    const host = `admin.${this.options.baseDomain}`
    return [host, ...this.options.ports().map(port => `${host}:${port}`)]
  }

  private origins(): string[] {
    const host = `https://admin.${this.options.baseDomain}`
    return this.options.ports().map(port => (port === 443 ? host : `${host}:${port}`))
  }
}

/** Paths of services; all others are the panel's. */
export function isCall(request: Request): boolean {
  return /^\/(?:pbt\.admin|grpc)\.[\w.]+\//.test(pathOf(request))
}

/** Without the query. */
export function pathOf({ url = '' }: Request): string {
  return url.split('?', 1)[0] ?? ''
}

/** As it was written: a comparison is all that it is good for. */
function authorityOf(request: Request): string {
  const { host } = request.headers
  if (!('authority' in request) || request.headers[':authority'] === undefined) return host ?? ''
  const authority = String(request.headers[':authority'])
  // One of each would let them differ.
  return host === undefined || host === authority ? authority : ''
}

/** Each one that came: Node shows the first one alone. */
function headerValues({ rawHeaders }: Request, wanted: string): string[] {
  const values: string[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === wanted) values.push(rawHeaders[index + 1] ?? '')
  }
  return values
}

/** The value of the session's cookie; undefined when it comes never or more than once. */
function cookieOf(request: Request): string | undefined {
  const found = headerValues(request, 'cookie')
    .flatMap(value => value.split(';'))
    .map(pair => pair.trim())
    .filter(pair => pair.startsWith(`${SESSION_COOKIE}=`))
  return found.length === 1 ? found[0]?.slice(SESSION_COOKIE.length + 1) : undefined
}

const UNKNOWN_CALLER: Refusal = {
  code: 'unauthenticated',
  reason: 'token-refused',
  message: 'this call needs the token ("authorization: Bearer <token>") or a session of the panel',
  cure: 'the token is in the configuration of a client, or "pbt-server token rotate" makes a new one',
}

/** The same for whatever is wrong with it. */
const WRONG_TOKEN: Refusal = {
  code: 'unauthenticated',
  reason: 'token-refused',
  message: 'the token is not valid here',
  cure: '"pbt-server token list" shows what became of it, "pbt-server token rotate" makes a new one',
}

const TOO_MANY_WRONG: Refusal = {
  code: 'resource_exhausted',
  reason: 'limited',
  message: 'too many wrong tokens from this address',
  cure: 'try again in a minute',
  retryAfterSeconds: 60,
}

function otherSite(what: string): Verdict {
  return {
    refusal: {
      code: 'permission_denied',
      reason: 'not-allowed',
      message: `${what} is not allowed here`,
      cure: 'call from the panel, or without a browser',
    },
  }
}
