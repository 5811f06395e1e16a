// A failure as the user of pbt meets it: a code for programs, a sentence, a cure and the exit code that follows.
import { type ErrorCode, PbtError } from '@pbt/proto'

/** What only the command line can meet, besides the codes of the link. `docs/errors.md` lists them for users. */
export const OWN_CODES = [
  'usage',
  'not-configured',
  'unreachable',
  'untrusted',
  'running',
  'not-running',
  'no-service',
] as const
/** A code of the link, or one that only the command line has. */
export type FailureCode = ErrorCode | (typeof OWN_CODES)[number]

/** Exit codes of pbt; PRODUCT promises them to programs. */
export const EXIT = { stopped: 0, failed: 1, usage: 2, tokenRefused: 3, notAvailable: 4, killed: 5 } as const
/** The status with which the process ends. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What to do about a code wherever it comes from, unless that place knows better. */
const CURES: Partial<Record<FailureCode, string>> = {
  'token-refused': 'run "pbt init -" with the current token ("pbt-server token rotate" makes a new one)',
  'token-revoked': 'run "pbt init -" with the new token',
  replaced: 'stop the other pbt that serves the same target, or give each its own --domain',
  version: 'run the same release of pbt and pbt-server',
}

/** An expected failure. `message` is lower-case, without a period, safe to show; `cure` is what to do next, or ''. */
export class Failure extends Error {
  readonly code: FailureCode
  readonly cure: string
  /** This machine's own network or name service is away: trying again soon costs nobody anything. */
  readonly isNear: boolean

  constructor(code: FailureCode, message: string, options: { cure?: string; cause?: unknown; isNear?: boolean } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'Failure'
    this.code = code
    this.cure = options.cure || (CURES[code] ?? '')
    this.isNear = options.isNear ?? false
  }
}

/** Whatever was thrown, as a failure; an unexpected error is `internal`. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof PbtError) {
    return new Failure(error.code, error.message, { cure: error.cure, cause: error })
  }
  const message = error instanceof Error ? error.message : String(error)
  return new Failure('internal', message, { cause: error })
}

/** The exit code that a failure ends the program with. */
export function exitCodeOf(code: FailureCode): ExitCode {
  switch (code) {
    case 'usage':
    case 'not-configured':
      return EXIT.usage
    case 'token-refused':
    case 'token-revoked':
      return EXIT.tokenRefused
    case 'name-taken':
    case 'name-reserved':
    case 'name-invalid':
    case 'port-taken':
    case 'port-invalid':
      return EXIT.notAvailable
    case 'killed':
      return EXIT.killed
    default:
      return EXIT.failed
  }
}

/** Whether trying again later can help: not when the owner has to do something, or has ended it. */
export function isWorthRetrying(code: FailureCode): boolean {
  switch (code) {
    case 'killed':
    case 'replaced':
    case 'version':
    case 'unsupported':
    case 'not-allowed':
      return false
    default:
      return exitCodeOf(code) === EXIT.failed
  }
}
