// What the server and its issuing process say to each other: a line of JSON each, over the process's standard input and output.

/** An order for the library; nothing in it is secret. */
export interface Job {
  /** URL of the CA's directory. */
  readonly directory: string
  readonly newAccount: string
  readonly newOrder: string
  readonly names: readonly string[]
  readonly challenge: 'http-01' | 'dns-01'
  /** The certificate request: DER in base64url. */
  readonly csr: string
  readonly userAgent: string
}

/** What the library may have the server do, with one argument: a URL of the CA or a challenge's token. */
export const VERBS = [
  /** Registers the account; its URL. */
  'register',
  /** Makes the order; `OrderView`. */
  'order',
  /** Reads an authorization; `AuthorizationView`. */
  'authorize',
  /** Puts the answer to a challenge in its place. */
  'put',
  /** Removes it. */
  'remove',
  /** Tells the CA to look; `StatusView`. */
  'answer',
  /** Waits, then asks what it has seen; `StatusView`. */
  'poll-challenge',
  /** Sends the certificate request; `OrderView`. */
  'finalize',
  /** Waits, then asks for the order; `OrderView`. */
  'poll-order',
  /** Fetches the chain; PEM. */
  'certificate',
] as const
export type Verb = (typeof VERBS)[number]

export interface OrderView {
  readonly url: string
  readonly status: 'ready' | 'processing' | 'valid'
  readonly finalize: string
  readonly authorizations: readonly string[]
  /** '' until there is one. */
  readonly certificate: string
}

export interface StatusView {
  readonly status: 'processing' | 'valid'
}

export interface AuthorizationView {
  /** Without `*.`. */
  readonly name: string
  readonly isWildcard: boolean
  readonly isValid: boolean
  /** The challenge of the kind that the job has; '' for both where the authorization is valid already. */
  readonly url: string
  readonly token: string
}

/** From the server. */
export type ToRunner =
  | { readonly kind: 'job'; readonly job: Job }
  | { readonly kind: 'done'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }

/** From the process; `pbt` tells its lines from what the library prints. */
export type FromRunner = { readonly pbt: true } & (
  | { readonly kind: 'ask'; readonly id: number; readonly verb: Verb; readonly argument: string }
  | { readonly kind: 'finished' }
  | { readonly kind: 'failed'; readonly message: string }
)
