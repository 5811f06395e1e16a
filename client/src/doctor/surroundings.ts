// What a doctor has from outside, so that a test can replace it.
import type { Clock } from '@pbt/proto'
import type { Environment } from '../config/config.ts'

/** The machine as a doctor sees it. */
export interface Surroundings {
  readonly env: Environment
  readonly clock: Clock
  /** Milliseconds since the epoch. */
  readonly wallTime: () => number
  /** How long each way of the link is measured. */
  readonly rateMs: number
}
