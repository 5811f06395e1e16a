// One fault or attack that pbt has to withstand, and what must happen then.

export interface Fault {
  readonly id: string
  /** P0 stops a release, P1 must hold before anyone calls it reliable, P2 may wait. */
  readonly priority: 'P0' | 'P1' | 'P2'
  readonly fault: string
  readonly expected: string
  /** Why no test has it yet; without effect when one does. */
  readonly pending?: string
  /** Why it is not for a test, or not a part of what exists. */
  readonly reason?: string
}

/** Dropped by itself once there is a test. */
export const ADDED = 'not tested yet'

/** A part of the page, with its title. */
export type Section = readonly [title: string, rows: readonly Fault[]]

/** `pending` and `reason` as in `Fault`. */
export function row(
  id: string,
  priority: Fault['priority'],
  fault: string,
  expected: string,
  pending?: string,
  reason?: string,
): Fault {
  return {
    id,
    priority,
    fault,
    expected,
    ...(pending === undefined ? {} : { pending }),
    ...(reason === undefined ? {} : { reason }),
  }
}
