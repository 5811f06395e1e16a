// What the owner may ask of the figures over time: totals, beside those of the time before, and points to draw.
import { Failure } from '../failure.ts'
import { FIRST_BYTE_FIELDS, firstByteWithin } from '../observe/first-bytes.ts'
import { TALLY_FIELDS, type TallyField } from '../observe/tally.ts'

/** What happened in some time; bytes of what was open then included. */
export interface Counts extends Readonly<Record<TallyField, number>> {
  /** Answers by class of their time to first byte: FIRST_BYTE_BOUNDS_MS. */
  readonly firstBytes: readonly number[]
}

/** Sums over the time that was asked for, and how fast answers began. */
export interface Figures extends Readonly<Record<TallyField, number>> {
  /** Within how many milliseconds half of the answers began, and 19 of 20; undefined: there were none. */
  readonly firstByteP50Ms: number | undefined
  readonly firstByteP95Ms: number | undefined
  /** How many requests, connections and flows were open on average; undefined: the time has only just begun. */
  readonly openOnAverage: number | undefined
}

/** A time in minutes since 1970; `to` is not included. */
export interface MinuteSpan {
  readonly from: number
  readonly to: number
}

/** What is kept of figures: by minute, hour and day of UTC. Not read any more once `signal` is aborted; rejects then. */
export interface KeptFigures {
  /** Of one tunnel; undefined: of all together. */
  sum(tunnel: string | undefined, span: MinuteSpan, signal?: AbortSignal): Promise<Counts>
  /** Of each tunnel that has any, '' for what was for none. */
  byTunnel(span: MinuteSpan, signal?: AbortSignal): Promise<ReadonlyMap<string, Counts>>
  /**
   * By when each point begins, in order, those that have any. `span` and `stepMinutes` are whole hours, or days, when a step is
   * an hour, or a day, or more.
   */
  series(
    tunnel: string | undefined,
    span: MinuteSpan,
    stepMinutes: number,
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<number, Counts>>
}

/** Undefined times: the last 24 hours. Undefined tunnel: all. */
export interface FiguresQuery {
  readonly tunnel?: string
  readonly from?: Date
  readonly to?: Date
}

/** Where `omitByTunnel` is set tunnels are not told apart, which takes many fewer rows. */
export interface TotalsQuery extends FiguresQuery {
  readonly omitByTunnel?: boolean
}

/** Sums of one time, together and by tunnel. */
export interface Totals {
  readonly totals: Figures
  /** Of the time before that is as long. */
  readonly before: Figures
  /** Those with most bytes first, at most MAX_TUNNELS; '' for what was for none. */
  readonly byTunnel: readonly { readonly tunnel: string; readonly figures: Figures }[]
}

/** Points of equal length in minutes; times without counts have none. */
export interface Series {
  readonly stepMinutes: number
  /** In order, those of which something was counted; `at`: when it begins. */
  readonly points: readonly { readonly at: Date; readonly figures: Figures }[]
}

/** The most points of one series; to ask for more is Failure `usage`. */
export const MAX_POINTS = 200
/** Tunnels told apart in totals. */
const MAX_TUNNELS = 200
const MINUTE_MS = 60_000
/** What is open is looked at every five seconds: of less than this no average can be told. */
const LEAST_OPEN_MS = 15_000
const [HOUR, DAY] = [60, 24 * 60]
/** Lengths of points, minutes; what needs longer ones has whole days. */
const STEPS = [1, 5, 15, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 4 * DAY, 7 * DAY]
/** Figures are kept for 13 months. */
const LONGEST = 400 * DAY

/** Reads only. */
export class MetricsVerbs {
  private readonly figures: KeptFigures

  constructor(figures: KeptFigures) {
    this.figures = figures
  }

  /** To the minute. Rejects with Failure `usage` for times that make no sense, and with what the database says. */
  async totals(query: TotalsQuery, signal?: AbortSignal): Promise<Totals> {
    const { tunnel, omitByTunnel = false } = query
    const span = spanOf(query)
    const before = { from: 2 * span.from - span.to, to: span.from }
    const isByTunnel = tunnel === undefined && !omitByTunnel
    // All asked for at once: other questions that came later are answered after both.
    const [each, sumNow, sumBefore] = await Promise.all([
      isByTunnel ? this.figures.byTunnel(span, signal) : undefined,
      isByTunnel ? undefined : this.figures.sum(tunnel, span, signal),
      this.figures.sum(tunnel, before, signal),
    ])
    // All of them are read already where each is.
    const sum = sumNow ?? sumOf(each?.values() ?? [])
    const shown = each ?? (tunnel === undefined || omitByTunnel ? [] : [[tunnel, sum] as const])
    const most = [...shown].sort(([, left], [, right]) => bytesOf(right) - bytesOf(left)).slice(0, MAX_TUNNELS)
    return {
      totals: figuresOf(sum, span),
      before: figuresOf(sumBefore, before),
      byTunnel: most.map(([tunnel, counts]) => ({ tunnel, figures: figuresOf(counts, span) })),
    }
  }

  /** Points of one length, the shortest of which no more than `maxPoints` are needed, from a multiple of it (in UTC) on. Rejects as `totals`. */
  async series(query: FiguresQuery, maxPoints = MAX_POINTS, signal?: AbortSignal): Promise<Series> {
    if (!Number.isInteger(maxPoints) || maxPoints < 1 || maxPoints > MAX_POINTS) {
      throw new Failure('usage', `there are 1 to ${MAX_POINTS} points`, { cure: 'ask for fewer' })
    }
    const { from, to } = spanOf(query)
    const step = stepFor(from, to, maxPoints)
    const aligned = { from: floor(from, step), to: floor(to - 1, step) + step }
    const points = await this.figures.series(query.tunnel, aligned, step, signal)
    return {
      stepMinutes: step,
      points: [...points].map(([minute, counts]) => ({
        at: new Date(minute * MINUTE_MS),
        figures: figuresOf(counts, { from: minute, to: minute + step }),
      })),
    }
  }
}

function sumOf(all: Iterable<Counts>): Counts {
  const sum = Object.fromEntries(TALLY_FIELDS.map(field => [field, 0])) as Record<TallyField, number>
  const firstBytes = FIRST_BYTE_FIELDS.map(() => 0)
  for (const counts of all) {
    for (const field of TALLY_FIELDS) sum[field] += counts[field]
    for (const index of firstBytes.keys())
      firstBytes[index] = (firstBytes[index] ?? 0) + (counts.firstBytes[index] ?? 0)
  }
  return { ...sum, firstBytes }
}

function stepFor(from: number, to: number, maxPoints: number): number {
  const pointsOf = (step: number) => (floor(to - 1, step) - floor(from, step)) / step + 1
  const step = STEPS.find(step => pointsOf(step) <= maxPoints)
  if (step !== undefined) return step
  let days = Math.ceil((to - from) / DAY / maxPoints)
  // A multiple of it may lie within the time, which makes one point more.
  while (pointsOf(days * DAY) > maxPoints) days++
  return days * DAY
}

function floor(minute: number, step: number): number {
  return Math.floor(minute / step) * step
}

function spanOf({ from, to = new Date() }: FiguresQuery): MinuteSpan {
  const begin = from ?? new Date(to.getTime() - DAY * MINUTE_MS)
  const span = { from: Math.floor(begin.getTime() / MINUTE_MS), to: Math.ceil(to.getTime() / MINUTE_MS) }
  if (!(begin < to)) {
    throw new Failure('usage', 'the end is before the start', { cure: 'give an end that is later than the start' })
  }
  if (span.to - span.from > LONGEST || span.from < 0) {
    throw new Failure('usage', 'figures are kept for 13 months only', {
      cure: 'give a later start',
    })
  }
  return span
}

function bytesOf({ bytesIn, bytesOut }: Counts): number {
  return bytesIn + bytesOut
}

function figuresOf(counts: Counts, { from, to }: MinuteSpan): Figures {
  const { firstBytes } = counts
  // What has not passed yet is no time in which anything could be open.
  const passedMs = Math.min(to * MINUTE_MS, Date.now()) - from * MINUTE_MS
  const figures = Object.fromEntries(TALLY_FIELDS.map(field => [field, counts[field]])) as Record<TallyField, number>
  return {
    ...figures,
    firstByteP50Ms: firstByteWithin(firstBytes, 0.5),
    firstByteP95Ms: firstByteWithin(firstBytes, 0.95),
    openOnAverage: passedMs < LEAST_OPEN_MS ? undefined : counts.openMs / passedMs,
  }
}
