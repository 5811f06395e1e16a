// Figures of each tunnel as the owner looks at it now: since it was first seen, how fast, and over the last ten minutes.
import { TALLY_FIELDS, type Tally, type TallyField } from './tally.ts'

/** How often every tunnel is looked at, milliseconds; bytes of what is open are counted as often. */
const TICK_MS = 5_000
/** Ticks that a rate is of: 10 s. */
const RATE_TICKS = 2
/** Ticks in a step of the series: 15 s. */
const STEP_TICKS = 3
/** Steps in the series: 10 minutes. */
const STEPS = 40

/** Since the tunnel was first seen, what is open now included to within seconds. */
export type TunnelTotals = Readonly<Record<TallyField, number>>

/** How much a tunnel has carried lately. */
export interface TunnelTraffic {
  /** Bytes a second. */
  readonly inRate: number
  readonly outRate: number
  /** Bytes both ways in each 15 s of the last 10 minutes, the oldest first. */
  readonly recent: readonly number[]
}

/** Where figures come from: this process, and the database. */
export interface TunnelFiguresOptions {
  /** Since the start of the process; a few thousand at most. */
  readonly tallies: ReadonlyMap<string, Tally>
  /** What was kept before that. */
  readonly before: Promise<readonly (TunnelTotals & { readonly tunnel: string })[]>
  readonly clock: { now(): number; after(ms: number, call: () => void): { clear(): void } }
}

/** Bytes of a tunnel in the last ticks and steps. */
interface Series {
  /** As the tally had it last. */
  seenIn: number
  seenOut: number
  readonly ticksIn: number[]
  readonly ticksOut: number[]
  /** A ring; `step` is the place of the one that is under way. */
  readonly steps: Float64Array
}

const NOTHING: TunnelTraffic = { inRate: 0, outRate: 0, recent: Array.from({ length: STEPS }, () => 0) }

/** Totals, rates and recent traffic by tunnel; samples all tunnels every few seconds until `end`. */
export class TunnelFigures {
  private readonly options: TunnelFiguresOptions
  private readonly series = new Map<string, Series>()
  private before = new Map<string, TunnelTotals>()
  private timer: { clear(): void }
  private tick = 0
  private step = 0
  /** How long each of the last ticks took, milliseconds. */
  private readonly spans: number[] = []
  private tickedAt: number

  constructor(options: TunnelFiguresOptions) {
    this.options = options
    this.tickedAt = options.clock.now()
    this.timer = this.again()
    // Without them it begins with the process.
    options.before.then(
      rows => {
        this.before = new Map(rows.map(row => [row.tunnel, row]))
      },
      () => {},
    )
  }

  end(): void {
    this.timer.clear()
  }

  totalsOf(tunnel: string): TunnelTotals {
    const [before, now] = [this.before.get(tunnel), this.options.tallies.get(tunnel)]
    const sums = TALLY_FIELDS.map(field => [field, (before?.[field] ?? 0) + (now?.[field] ?? 0)])
    return Object.fromEntries(sums) as Record<TallyField, number>
  }

  trafficOf(tunnel: string): TunnelTraffic {
    const series = this.series.get(tunnel)
    if (series === undefined) return NOTHING
    const seconds = sum(this.spans) / 1_000
    const { ticksIn, ticksOut, steps } = series
    return {
      inRate: seconds === 0 ? 0 : sum(ticksIn) / seconds,
      outRate: seconds === 0 ? 0 : sum(ticksOut) / seconds,
      recent: Array.from({ length: STEPS }, (_, index) => steps[(this.step + 1 + index) % STEPS] ?? 0),
    }
  }

  private again(): { clear(): void } {
    return this.options.clock.after(TICK_MS, () => {
      this.look()
      this.timer = this.again()
    })
  }

  private look(): void {
    const now = this.options.clock.now()
    push(this.spans, now - this.tickedAt)
    this.tickedAt = now
    if (++this.tick % STEP_TICKS === 0) this.nextStep()
    for (const [tunnel, { bytesIn, bytesOut }] of this.options.tallies) {
      const series = this.series.get(tunnel)
      if (series !== undefined) this.add(series, bytesIn, bytesOut)
      else if (bytesIn + bytesOut > 0) this.add(this.begin(tunnel), bytesIn, bytesOut)
    }
  }

  private add(series: Series, bytesIn: number, bytesOut: number): void {
    const [moreIn, moreOut] = [bytesIn - series.seenIn, bytesOut - series.seenOut]
    series.seenIn = bytesIn
    series.seenOut = bytesOut
    push(series.ticksIn, moreIn)
    push(series.ticksOut, moreOut)
    series.steps[this.step] = (series.steps[this.step] ?? 0) + moreIn + moreOut
  }

  private begin(tunnel: string): Series {
    const series = { seenIn: 0, seenOut: 0, ticksIn: [], ticksOut: [], steps: new Float64Array(STEPS) }
    this.series.set(tunnel, series)
    return series
  }

  private nextStep(): void {
    this.step = (this.step + 1) % STEPS
    for (const { steps } of this.series.values()) steps[this.step] = 0
  }
}

function push(last: number[], value: number): void {
  last.push(value)
  if (last.length > RATE_TICKS) last.shift()
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0)
}
