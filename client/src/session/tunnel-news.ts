// What becomes of a tunnel, as the two ends tell each other.
import type { ErrorCode } from '@pbt/proto'

/** What visitors met at a target last. */
export interface TargetSeen {
  readonly isAnswering: boolean
  /** For so long. */
  readonly sinceMs: number
  /** Why it does not answer. */
  readonly message: string
}

/** Why the server refused or closed a tunnel; `cure` is '' when there is nothing to do. */
export interface TunnelEnd {
  readonly code: ErrorCode
  readonly message: string
  readonly cure: string
  /** The server says that the same may succeed later. */
  readonly mayPass: boolean
}
