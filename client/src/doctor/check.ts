// What a doctor finds at one step of the way.

/** `failed` has a cure; `not-checked` says why it could not be. */
export type CheckState = 'ok' | 'failed' | 'not-checked'

/** Holds no secret: it is made to be pasted into an issue. */
export interface Check {
  /** A word, stable for programs. */
  readonly step: string
  readonly state: CheckState
  /** Lower-case, without a period. */
  readonly message: string
  /** What to do; '' when there is nothing to do. */
  readonly cure: string
}

/** It is as it should be. */
export function ok(step: string, message: string): Check {
  return { step, state: 'ok', message, cure: '' }
}

/** It keeps something from working. */
export function failed(step: string, message: string, cure: string): Check {
  return { step, state: 'failed', message, cure }
}

/** It could not be looked at. */
export function notChecked(step: string, message: string, cure = ''): Check {
  return { step, state: 'not-checked', message, cure }
}
