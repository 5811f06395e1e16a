// How a failure is told to programs: a code of gRPC, pbt's own code as the reason, the cure, and each field that is wrong.
import { create } from '@bufbuild/protobuf'
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect'
import { PbtError } from '@pbt/proto'
import { BadRequest_FieldViolationSchema, BadRequestSchema, ErrorInfoSchema } from '@pbt/proto/google/rpc'
import { Failure, type FailureCode } from '../failure.ts'
import type { Log } from '../observe/log.ts'

/** Of the reasons. */
const DOMAIN = 'pbt'

/** Those that are not here are the server's fault: `internal`. */
const CODES: Partial<Record<FailureCode, Code>> = {
  usage: Code.InvalidArgument,
  'unknown-address': Code.NotFound,
  'unknown-domain': Code.NotFound,
  'domain-taken': Code.AlreadyExists,
  'domain-in-use': Code.FailedPrecondition,
  'certificates-off': Code.FailedPrecondition,
  'unknown-token': Code.NotFound,
  'address-taken': Code.AlreadyExists,
  'last-token': Code.FailedPrecondition,
  'database-locked': Code.Unavailable,
  'database-read-only': Code.Unavailable,
  'disk-full': Code.ResourceExhausted,
  'token-refused': Code.Unauthenticated,
  limited: Code.ResourceExhausted,
  'not-allowed': Code.PermissionDenied,
  'unknown-session': Code.NotFound,
  'unknown-tunnel': Code.NotFound,
  'unknown-connection': Code.NotFound,
  'unknown-client': Code.NotFound,
  'client-gone': Code.FailedPrecondition,
  'client-connected': Code.FailedPrecondition,
  'not-running': Code.FailedPrecondition,
}

/** A field of a request and what is wrong with it. */
export interface Violation {
  /** As JSON has it: `allowlist.entries[0].block`. */
  readonly field: string
  readonly description: string
}

/** What is told of a failure besides its sentence. */
export interface Reason {
  readonly reason: string
  readonly cure: string
  /** Values for programs, by name. */
  readonly metadata?: Readonly<Record<string, string>>
  readonly violations?: readonly Violation[]
}

/** An error as it goes over the wire. */
export function apiError(
  code: Code,
  message: string,
  { reason, cure, metadata, violations = [] }: Reason,
): ConnectError {
  const info = { reason, domain: DOMAIN, metadata: { ...metadata, ...(cure === '' ? {} : { cure }) } }
  const error = new ConnectError(message, code, undefined, [{ desc: ErrorInfoSchema, value: info }])
  if (violations.length > 0) {
    const fieldViolations = violations.map(each => create(BadRequest_FieldViolationSchema, each))
    error.details.push({ desc: BadRequestSchema, value: { fieldViolations } })
  }
  return error
}

/** Whatever a service throws is told in this way; an unexpected error is logged and told as `internal` without its words. */
export function tellFailures(log: Log): Interceptor {
  return next => async request => {
    try {
      const response = await next(request)
      if (!response.stream) return response
      return { ...response, message: tellingOf(response.message, request.method.name, log) }
    } catch (error) {
      // The caller has gone, and nothing was wrong.
      if (request.signal.aborted && error === request.signal.reason) throw ConnectError.from(error, Code.Canceled)
      throw told(error, request.method.name, log)
    }
  }
}

/** A stream fails while it is read. */
async function* tellingOf<T>(messages: AsyncIterable<T>, method: string, log: Log): AsyncIterable<T> {
  try {
    yield* messages
  } catch (error) {
    throw told(error, method, log)
  }
}

/** What was thrown, as it goes over the wire. */
export function told(error: unknown, method: string, log: Log): ConnectError {
  if (error instanceof ConnectError) return error
  if (error instanceof Failure) {
    const code = CODES[error.code] ?? Code.Internal
    if (code === Code.Internal) log.error('a call failed', { method, code: error.code, reason: error.message })
    return apiError(code, error.message, { reason: error.code, cure: error.cure, metadata: error.metadata })
  }
  if (error instanceof PbtError) {
    return apiError(Code.FailedPrecondition, error.message, { reason: error.code, cure: error.cure })
  }
  log.error('a call failed', { method, error: error instanceof Error ? error.stack : String(error) })
  return apiError(Code.Internal, 'the call failed on the server', {
    reason: 'internal',
    cure: 'look at the log of pbt-server',
  })
}
