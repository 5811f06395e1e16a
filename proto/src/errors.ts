// The one error of pbt: a code from a closed set, a text that reads well after a colon, the cause kept.
import { Reason } from './tunnel-v1.ts'

/** Every code and the reason that stands for it on the wire. `docs/errors.md` lists them for users. */
const REASON_OF_CODE = {
  cancelled: Reason.CANCELLED,
  'target-unreachable': Reason.TARGET_UNREACHABLE,
  'target-broke': Reason.TARGET_BROKE,
  'target-timeout': Reason.TARGET_TIMEOUT,
  'link-lost': Reason.LINK_LOST,
  'tunnel-closed': Reason.TUNNEL_CLOSED,
  protocol: Reason.PROTOCOL,
  'flow-control': Reason.FLOW_CONTROL,
  limit: Reason.LIMIT,
  internal: Reason.INTERNAL,
  'connection-reset': Reason.CONNECTION_RESET,
  shutdown: Reason.SHUTDOWN,
  replaced: Reason.REPLACED,
  killed: Reason.KILLED,
  'token-refused': Reason.TOKEN_REFUSED,
  'token-revoked': Reason.TOKEN_REVOKED,
  version: Reason.VERSION,
  'name-taken': Reason.NAME_TAKEN,
  'name-reserved': Reason.NAME_RESERVED,
  'name-invalid': Reason.NAME_INVALID,
  unsupported: Reason.UNSUPPORTED,
  silent: Reason.SILENT,
  'not-allowed': Reason.NOT_ALLOWED,
  limited: Reason.LIMITED,
  'port-taken': Reason.PORT_TAKEN,
  'port-invalid': Reason.PORT_INVALID,
} as const

/** The name that users and programs see; the wire has a number for each. */
export type ErrorCode = keyof typeof REASON_OF_CODE

/** All of them, in the order of the wire's numbers. */
export const ERROR_CODES = Object.keys(REASON_OF_CODE) as readonly ErrorCode[]

const CODE_OF_REASON: ReadonlyMap<number, ErrorCode> = new Map(
  Object.entries(REASON_OF_CODE).map(([code, reason]) => [reason, code as ErrorCode]),
)

/** The longest message that goes over the link, in characters. */
export const MAX_MESSAGE_CHARS = 500

/** An expected failure. `message` says what was attempted, the value and the limit; `cure` what the owner can do. */
export class PbtError extends Error {
  readonly code: ErrorCode
  readonly cure: string
  /** The same may succeed later, though it seldom does for this code. */
  readonly mayPass: boolean

  constructor(code: ErrorCode, message: string, options: { cure?: string; cause?: unknown; mayPass?: boolean } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'PbtError'
    this.code = code
    this.cure = options.cure ?? ''
    this.mayPass = options.mayPass === true
  }
}

/** The wire's reason for a code. */
export function reasonOf(code: ErrorCode): Reason {
  return REASON_OF_CODE[code]
}

/** The code for a wire's reason; one this version does not know is `internal`. */
export function codeOf(reason: Reason): ErrorCode {
  return CODE_OF_REASON.get(reason) ?? 'internal'
}
