// How the visits of some time ended, from its figures. No React.
import type { Figures } from '@pbt/proto/admin/v1'

export interface Outcomes {
  readonly answered: number
  /** Broke off, or answered with 5xx. */
  readonly failed: number
  /** Turned away: these are counted apart from requests, connections and flows. */
  readonly refused: number
}

export function outcomesOf(
  figures: Pick<Figures, 'requests' | 'upgrades' | 'connections' | 'flows' | 'broken' | 'status5xx' | 'refused'>,
): Outcomes {
  const { requests, upgrades, connections, flows, broken, status5xx, refused } = figures
  const failed = Number(broken + status5xx)
  const served = Number(requests + upgrades + connections + flows)
  return { answered: Math.max(0, served - failed), failed, refused: Number(refused) }
}
