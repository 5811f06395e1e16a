// What is remembered of domains, certificates and orders; the database keeps it.
import type { ProofKind } from './types.ts'

/** Where a domain is on its way to a certificate. */
export type DomainState = 'pending' | 'verified' | 'issuing' | 'issued' | 'renewing' | 'error'

/** Why a domain has no new certificate. */
export interface Problem {
  /** The CA's problem type, or the step of the check; '' when there is none. */
  readonly type: string
  /** For people: the CA's own words where it has some. */
  readonly message: string
  readonly cure: string
  /** Where the owner lifts the CA's pause; '' when it is not that. */
  readonly link: string
}

/** What gets its certificate automatically. */
export interface KeptDomain {
  /** The first of its names, lower-case ASCII: `app.mine.uk`, `*.mine.uk`. */
  readonly name: string
  readonly names: readonly string[]
  readonly proof: ProofKind
  /** The server's own: there as long as the server needs it. */
  readonly isBase: boolean
  readonly state: DomainState
  /** The last one, until a certificate comes. */
  readonly problem: (Problem & { readonly at: Date }) | undefined
  /** Orders that the CA refused in a row. */
  readonly failures: number
  /** Looks at DNS in a row that found something missing. */
  readonly looks: number
  /** Nothing is tried before; undefined: at once. */
  readonly nextAt: Date | undefined
  /** Tried too often: not again before the owner says so. */
  readonly isGivenUp: boolean
  readonly createdAt: Date
}

/** A domain that is to be kept. */
export type NewDomain = Pick<KeptDomain, 'name' | 'names' | 'proof' | 'isBase'>

/** What changes as a domain goes its way; `problem` null: none any more. */
export interface DomainChange {
  readonly state?: DomainState
  readonly problem?: Problem | null
  readonly failures?: number
  readonly looks?: number
  /** null: at once. */
  readonly nextAt?: Date | null
  readonly isGivenUp?: boolean
}

/** A certificate of the CA. */
export interface KeptCertificate {
  readonly id: number
  /** Sorted. */
  readonly names: readonly string[]
  /** PEM, leaf first. */
  readonly chain: string
  /** In the directory of keys. */
  readonly keyFile: string
  readonly directory: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly renewsAt: Date
  /** What the CA suggests for that (RFC 9773). */
  readonly window: { readonly start: Date; readonly end: Date } | undefined
  /** When the CA is to be asked for that again. */
  readonly askAt: Date
}

/** A certificate that has come. */
export type NewCertificate = Omit<KeptCertificate, 'id' | 'window'>

/** An order at the CA: what its limits have to be kept with. */
export interface KeptOrder {
  readonly id: number
  readonly names: readonly string[]
  readonly directory: string
  readonly isRenewal: boolean
  readonly stage: string
  /** '': under way, or its process was killed. */
  readonly outcome: 'issued' | 'failed' | ''
  readonly startedAt: Date
}

/** The account at a CA. */
export interface KeptAccount {
  readonly keyFile: string
  /** '' while it is not known. */
  readonly url: string
  /** The CA has asked to be left alone until then. */
  readonly heldUntil: Date | undefined
}

/** The answer to a challenge that is open. */
export interface KeptChallenge {
  readonly kind: ProofKind
  readonly name: string
  readonly token: string
  readonly value: string
  /** Of the name: where it is answered below `acme.<base>`. */
  readonly label: string
}

/** What owner and scheduler need of domains. Sets of names are sorted by who asks. */
export interface DomainRecords {
  domains(): Promise<KeptDomain[]>
  domain(name: string): Promise<KeptDomain | undefined>
  /** False when it is kept already. */
  addDomain(domain: NewDomain): Promise<boolean>
  /** False when there is no such domain. */
  changeDomain(name: string, change: DomainChange): Promise<boolean>
  /** False when there is no such domain. */
  removeDomain(name: string): Promise<boolean>
  /** The newest first; those that have ended too, for a while. */
  certificates(): Promise<KeptCertificate[]>
  /** Orders of exactly these names since a time, the newest first. */
  ordersOf(names: readonly string[], since: Date): Promise<KeptOrder[]>
}

/** What the scheduler needs besides. */
export interface OrderRecords extends DomainRecords {
  addOrder(order: Pick<KeptOrder, 'names' | 'directory' | 'isRenewal' | 'startedAt'>): Promise<number>
  orderStage(id: number, stage: string): Promise<void>
  /** It has ended, and the CA has certainly issued nothing. */
  endOrder(id: number, outcome: 'failed'): Promise<void>
  /** The order has ended and the certificate is kept: both or none. */
  issued(orderId: number, certificate: NewCertificate): Promise<void>
  /** When to renew it, and when to ask the CA for that again. */
  setRenewal(
    id: number,
    renewal: Pick<KeptCertificate, 'renewsAt' | 'askAt'> & { readonly window: KeptCertificate['window'] },
  ): Promise<void>
  account(directory: string): Promise<KeptAccount | undefined>
  /** A new account, in the place of the one that there may be. */
  setAccount(directory: string, keyFile: string): Promise<void>
  changeAccount(directory: string, change: { readonly url?: string; readonly heldUntil?: Date | null }): Promise<void>
  /** Orders since a time, all names. */
  ordersSince(since: Date): Promise<KeptOrder[]>
  /** The names of key files that something stands on. */
  keyFiles(): Promise<string[]>
  /** Forgets certificates that ended, and orders that began, before. */
  prune(before: Date): Promise<void>
  /** Takes or keeps the lease, unless another has it who is alive. */
  lease(holder: string, until: Date, isGone: (holder: string) => boolean): Promise<boolean>
  release(holder: string): Promise<void>
  challenges(): Promise<KeptChallenge[]>
  putChallenge(challenge: KeptChallenge): Promise<void>
  removeChallenge(challenge: Pick<KeptChallenge, 'kind' | 'name' | 'token'>): Promise<void>
  /** Those that a killed process left behind. */
  clearChallenges(): Promise<void>
}
