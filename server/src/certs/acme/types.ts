// The seams of automatic certificates: what orders, issuer, DNS responder and preflight promise each other.

/**
 * How a name proves that it is this server's. `http`: HTTP-01, for names that lead here. `delegated`: DNS-01 through the responder, for
 * wildcards too. A later `persist` (one static TXT record, no token) is one kind more: whoever meets a kind that it does not know ignores it.
 */
export type ProofKind = 'http' | 'delegated'

/** Where the answers to challenges are put. Both are in the database before the promise resolves, so that any process of this server can answer. */
export interface ChallengeStore {
  /**
   * `http`: `token` is the last part of the path, `value` the key authorization. `delegated`: `value` is the TXT record's text (base64url of the
   * key authorization's SHA-256), `token` what tells several of one name apart. `name` is the name that is proved, without `*.`.
   */
  put(kind: ProofKind, name: string, token: string, value: string): Promise<void>
  /** Exactly this one; the others of the name stay (wildcard and apex are proved at once). One that is not there is no error. */
  remove(kind: ProofKind, name: string, token: string): Promise<void>
}

/** What the responder answers TXT questions from. */
export interface TxtSource {
  /**
   * The texts at a name such as `k3f9x2.acme.tunnel.example.com` (lower-case, no dot at the end). Empty: the name is there and has none now
   * (NODATA). Undefined: there is no such name (NXDOMAIN). Never rejects; a name that is nobody's costs no look into the database.
   */
  txt(name: string): Promise<readonly string[] | undefined>
}

/** External account binding (RFC 8555, 7.3.4). */
export interface AccountBinding {
  readonly kid: string
  /** In base64url. */
  readonly hmacKey: string
}

/** The CA that is asked. */
export interface Authority {
  /** URL of its directory. */
  readonly directory: string
  /** PEM of the roots to trust for its API beside the usual ones; '' for none. */
  readonly ca: string
}

/** The account at the CA. */
export interface Account {
  /** P-256, PKCS#8 in PEM. The account is found, or made, by its key. */
  readonly key: string
  /** '' for none. */
  readonly email: string
}

export interface IssueRequest extends Authority {
  readonly account: Account
  /** Lower-case ASCII, 1 to 25; the first is the common name where there is one. */
  readonly names: readonly string[]
  /** The certificate's own: P-256, PKCS#8 in PEM. */
  readonly key: string
  /** One kind for all names of an order. */
  readonly proof: ProofKind
  /** The ARI identifier of the certificate that this one replaces (RFC 9773, 5), from `ariIdOf`. */
  readonly replaces?: string
  readonly profile?: string
  readonly eab?: AccountBinding
  readonly challenges: ChallengeStore
  /**
   * Hears how far it is: `newOrder`, `challenge`, … and `finalize` BEFORE the CA is sent that request: from then on the order may count against the
   * CA's limits even if nothing is heard of it again. Never throws.
   */
  readonly onStage?: (stage: string) => void
  /** Ends everything at once; the promise resolves with a failure of `code` `stopped`. */
  readonly signal: AbortSignal
}

/** A certificate as the CA sent it: the caller checks key, names, dates and chain before it uses it. */
export interface Issued {
  readonly isIssued: true
  /** PEM, leaf first. */
  readonly chain: string
  /** The account's URL at the CA. */
  readonly accountUrl: string
}

/** Why there is no certificate. */
export interface IssueFailure {
  readonly isIssued: false
  /**
   * `ca`: it answered with a problem (`type`). `unreachable`: no answer, or none that could be read. `timeout`: it did not decide in time.
   * `process`: the issuing process broke. `stopped`: by `signal`.
   */
  readonly code: 'ca' | 'unreachable' | 'timeout' | 'process' | 'stopped'
  /** The CA's problem type without `urn:ietf:params:acme:error:`, for example `rateLimited`, `dns`, `caa`; '' when it gave none. */
  readonly type: string
  /** For people: the CA's own words where it has some. At most 1,000 characters, no secret. */
  readonly message: string
  /** Where it failed: directory, newAccount, newOrder, challenge, finalize, certificate, …; '' when not known. */
  readonly stage: string
  /** The name that it is about; '' when all. */
  readonly name: string
  /** How long the CA wants to be left alone (Retry-After); undefined when it did not say. */
  readonly retryAfterMs: number | undefined
  /** Where the owner lifts the CA's pause of a name (Let's Encrypt: "paused"); '' when it is not that. */
  readonly pausedLink: string
}

/** Obtains certificates. Whatever the library inside does (exits, hangs, floods) comes out as a failure. */
export interface Issuer {
  /** One order from account to chain; never rejects, has an own deadline. Whatever it put into `challenges` is removed again. */
  issue(request: IssueRequest): Promise<Issued | IssueFailure>
  /** When to renew (RFC 9773); undefined: the CA has no ARI. Rejects with Failure when it should have answered and did not. */
  renewalInfo(authority: Authority, chain: string, signal: AbortSignal): Promise<RenewalInfo | undefined>
}

/** The CA's suggestion; times in Unix ms. */
export interface RenewalInfo {
  readonly start: number
  readonly end: number
  /** '' for none. */
  readonly explanationUrl: string
  /** When to ask again. */
  readonly retryAfterMs: number | undefined
}

/** A record for the owner to create, ready to be copied. */
export interface DnsRecord {
  /** Full, without a dot at the end. */
  readonly name: string
  readonly type: 'A' | 'AAAA' | 'CNAME' | 'NS' | 'CAA' | 'TXT'
  readonly value: string
}

/**
 * What one check found. `ok`; `failed`: a definite contrary answer, no order is made; `waiting`: what the owner has to create is not there yet,
 * no order is made and it is no error; `not-checked`: could not be found out from here, a warning that stops nothing.
 */
export type CheckState = 'ok' | 'failed' | 'waiting' | 'not-checked'

/** One step of the way to a certificate. */
export interface Check {
  /** Stable, for programs: `delegation`, `address`, `caa`, `dnssec`, `port-80`, `port-53`, `clock`, `limits`, … */
  readonly step: string
  /** The name that it is about. */
  readonly name: string
  readonly state: CheckState
  /** What was found: a sentence without a period. */
  readonly message: string
  /** What to do; '' when nothing. */
  readonly cure: string
  /** The record to create, when that is the cure. */
  readonly record?: DnsRecord
}

/** What is to be checked: the names of one certificate and how they are to be proved. */
export interface CheckedDomain {
  readonly names: readonly string[]
  readonly proof: ProofKind
  /** For `delegated`: where `_acme-challenge.<name>` has to lead by CNAME, for each name without `*.`. */
  readonly delegation: ReadonlyMap<string, string>
}

/** Looks at each prerequisite of an order. */
export interface Preflight {
  /** Each step as soon as it is known, in a stable order; bounded in time; never throws for what DNS or a peer answers. */
  check(domain: CheckedDomain, signal: AbortSignal): AsyncIterable<Check>
}

/** What an outside place says of a port of this server; `undefined` from the function that asks: nobody could be asked. */
export interface OutsideView {
  readonly isReachable: boolean
  /** A definite answer that nobody listens there; else silence, which may be that of the network that looked. */
  readonly isRefused: boolean
  /** For people: who looked and what happened. */
  readonly words: string
}

/** A port of this server to be looked at from outside: 80 and 443 over TCP, 53 over both. */
export interface OutsidePlace {
  readonly address: string
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
}

/** Asks a connected client to connect there from where it is. */
export type AskOutside = (place: OutsidePlace, signal: AbortSignal) => Promise<OutsideView | undefined>
