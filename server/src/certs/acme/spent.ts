// The CA's limits, kept from what is remembered of orders: so many for exactly the same names, so many at once.
import type { KeptOrder } from './records.ts'

/** Let's Encrypt issues so many certificates for exactly the same names in so long; renewals with ARI do not count. */
export const MAX_SAME_NAMES = 5
export const SAME_NAMES_MS = 7 * 24 * 3_600_000
/** With certificates that end sooner than this, the CA cannot mean that limit. */
const LEAST_LIFE_MS = SAME_NAMES_MS / MAX_SAME_NAMES

/** Orders of all names that are begun in so long. */
const MAX_ORDERS = 10
const ORDERS_MS = 10_000

/**
 * An order that was cut off here has cost nothing that the CA counts. `order` is none of them: it comes right before `finalize`, and what is
 * written of an order may be one behind.
 */
const BEFORE_FINALIZE = new Set(['', 'directory', 'newAccount', 'newOrder', 'authorization', 'challenge'])

/**
 * When the next order for exactly these names may be made; undefined: now. `orders`: of these names at this CA, the newest first. `lifeMs`: of
 * the certificate before, undefined for none.
 */
export function sameNamesFreeAt(
  orders: readonly KeptOrder[],
  now: number,
  lifeMs: number | undefined,
): number | undefined {
  if (lifeMs !== undefined && lifeMs < LEAST_LIFE_MS) return undefined
  const counted = orders.filter(
    order => !order.isRenewal && mayBeIssued(order) && order.startedAt.getTime() > now - SAME_NAMES_MS,
  )
  const oldest = counted[MAX_SAME_NAMES - 1]
  return oldest === undefined ? undefined : oldest.startedAt.getTime() + SAME_NAMES_MS
}

/** When another order may be begun; undefined: now. `orders`: of all names, the newest first. */
export function orderFreeAt(orders: readonly Pick<KeptOrder, 'startedAt'>[], now: number): number | undefined {
  const recent = orders.filter(({ startedAt }) => startedAt.getTime() > now - ORDERS_MS)
  const oldest = recent[MAX_ORDERS - 1]
  return oldest === undefined ? undefined : oldest.startedAt.getTime() + ORDERS_MS
}

/** Whether the CA has issued for it, or may have: nobody knows the end of an order that was cut off late. */
export function mayBeIssued({ outcome, stage }: Pick<KeptOrder, 'outcome' | 'stage'>): boolean {
  return outcome === 'issued' || (outcome !== 'failed' && !BEFORE_FINALIZE.has(stage))
}
