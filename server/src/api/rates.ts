// The figures of tunnels every few seconds: read once for all watchers, and only what has changed is sent.
import { isDeepStrictEqual } from 'node:util'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Clock } from '@pbt/proto'
import type { TunnelRateSchema } from '@pbt/proto/admin/v1'

/** The figures of one tunnel at one look. */
export type TunnelRate = MessageInitShape<typeof TunnelRateSchema> & { readonly name: string }

/** Between two looks, milliseconds. */
export const RATES_MS = 2_500

/** Reads at most once every RATES_MS, however many watch, and only when one of them asks. */
export class Rates {
  private readonly readAll: () => TunnelRate[]
  private readonly clock: Clock
  private lookedAt = Number.NEGATIVE_INFINITY
  private all: readonly TunnelRate[] = []
  private changed: readonly TunnelRate[] = []
  /** Of the last look that found something changed. */
  private number = 0

  constructor(readAll: () => TunnelRate[], clock: Clock) {
    this.readAll = readAll
    this.clock = clock
  }

  /** What has changed since the look that a reader knows, 0 for none; and the number of the newest look. */
  since(known: number): { readonly number: number; readonly tunnels: readonly TunnelRate[] } {
    if (this.clock.now() - this.lookedAt >= RATES_MS) this.look()
    const { number, all, changed } = this
    if (known === number) return { number, tunnels: [] }
    return { number, tunnels: known === number - 1 && known > 0 ? changed : all }
  }

  private look(): void {
    this.lookedAt = this.clock.now()
    const before = new Map(this.all.map(rate => [rate.name, rate]))
    this.all = this.readAll()
    const changed = this.all.filter(rate => !isDeepStrictEqual(rate, before.get(rate.name)))
    if (changed.length === 0) return
    this.changed = changed
    this.number++
  }
}
