// What happened to one tunnel since the server started: plain numbers, counted on the way and read now and then.
import { FIRST_BYTE_FIELDS } from './first-bytes.ts'

/** As the database has them, in its order. */
export const TALLY_FIELDS = [
  'requests',
  'status2xx',
  'status3xx',
  'status4xx',
  'status5xx',
  'upgrades',
  'connections',
  'flows',
  'refused',
  'broken',
  'bytesIn',
  'bytesOut',
  'datagramsDropped',
  'openMs',
] as const

/** A figure of a tunnel that is kept in the database. */
export type TallyField = (typeof TALLY_FIELDS)[number]

/** All that is kept by time: the figures, then the classes of times to first byte. */
export const KEPT_FIELDS: readonly string[] = [...TALLY_FIELDS, ...FIRST_BYTE_FIELDS]

/** How much each figure has grown, in the order of KEPT_FIELDS. */
export interface TallyGrowth {
  readonly tunnel: string
  readonly values: readonly number[]
}

/** The counters of one tunnel; all only grow. */
export class Tally {
  /** Without characters that would end a record. */
  readonly tunnel: string
  requests = 0
  status2xx = 0
  status3xx = 0
  status4xx = 0
  status5xx = 0
  upgrades = 0
  connections = 0
  flows = 0
  refused = 0
  broken = 0
  bytesIn = 0
  bytesOut = 0
  datagramsDropped = 0
  /** How long all that was open was open, together, milliseconds: by the length of a time, how many there were on average. */
  openMs = 0
  /** Answers by class of their time to first byte. */
  readonly firstBytes: number[] = FIRST_BYTE_FIELDS.map(() => 0)
  /** Only for metrics: in the database these flows are among the broken ones. */
  flowsEvicted = 0
  /** Only for metrics. */
  cookiesStripped = 0
  /** Something was counted since `growth`. */
  hasGrown = false
  private saved: readonly number[] = KEPT_FIELDS.map(() => 0)
  private pending: readonly number[] = this.saved

  constructor(tunnel: string) {
    this.tunnel = tunnel
  }

  countStatus(status: number): void {
    if (status < 200) return
    if (status < 300) this.status2xx++
    else if (status < 400) this.status3xx++
    else if (status < 500) this.status4xx++
    else this.status5xx++
  }

  /** What is not saved yet; `keep` tells that it is now. Until then it is part of every later growth. */
  growth(): TallyGrowth {
    this.hasGrown = false
    this.pending = [...TALLY_FIELDS.map(field => this[field]), ...this.firstBytes]
    return { tunnel: this.tunnel, values: this.pending.map((value, index) => value - (this.saved[index] ?? 0)) }
  }

  keep(isSaved: boolean): void {
    if (isSaved) this.saved = this.pending
    else this.hasGrown = true
  }
}
