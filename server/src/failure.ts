// A failure as the owner of pbt-server meets it: a code for programs, a sentence, and a cure.

/** Every code that an error of pbt-server's command line and API can have. `docs/errors.md` lists them for users. */
export const FAILURE_CODES = [
  'usage',
  'config-invalid',
  'not-initialised',
  'already-initialised',
  'already-running',
  'data-dir',
  'database-locked',
  'database-broken',
  'database-newer',
  'database-read-only',
  'disk-full',
  'backup-invalid',
  'file-exists',
  'not-empty',
  'certificate',
  'port-taken',
  'port-denied',
  'address-unavailable',
  'unknown-address',
  'unknown-domain',
  'domain-taken',
  'domain-in-use',
  'certificates-off',
  'address-taken',
  'client-gone',
  'client-connected',
  'unknown-token',
  'last-token',
  'token-refused',
  'limited',
  'not-allowed',
  'unknown-session',
  'unknown-tunnel',
  'unknown-connection',
  'unknown-client',
  'not-running',
  'not-reachable',
  'unhealthy',
  'internal',
] as const

/** What programs tell failures apart by. */
export type FailureCode = (typeof FAILURE_CODES)[number]

/** Whether a text, which may come from outside, is a known code. */
export function isFailureCode(text: string): text is FailureCode {
  return (FAILURE_CODES as readonly string[]).includes(text)
}

/** An expected failure. `message` is lower-case, without a period, safe to show; `cure` says what to do next. */
export class Failure extends Error {
  readonly code: FailureCode
  readonly cure: string
  /** Values for programs, by name. */
  readonly metadata: Readonly<Record<string, string>>

  constructor(
    code: FailureCode,
    message: string,
    options: { cure: string; cause?: unknown; metadata?: Readonly<Record<string, string>> },
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'Failure'
    this.code = code
    this.cure = options.cure
    this.metadata = options.metadata ?? {}
  }
}

/** The code of an error of the system (`ENOENT`) or of SQLite (`SQLITE_FULL`), or ''. */
export function systemCodeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
