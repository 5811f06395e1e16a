// Points of the server as lines of a chart: every step has a place, and rates are by second.
import type { Figures, GetSeriesResponse } from '@pbt/proto/admin/v1'
import { figure } from '../words/number'
import { lengthOf, millis } from '../words/time'

/** Steps from the start to the end, each with its figures, if anything was counted. */
export interface Steps {
  readonly stepMs: number
  readonly times: readonly number[]
  readonly figures: readonly (Figures | undefined)[]
}

/** More points than the server gives are none of a chart. */
const MOST = 400

export function stepsOf(series: GetSeriesResponse, start: number, end: number): Steps {
  const stepMs = Math.max(60_000, lengthOf(series.step))
  const first = Math.ceil(start / stepMs) * stepMs
  const count = Math.min(MOST, Math.max(0, Math.floor((end - first) / stepMs) + 1))
  const times = Array.from({ length: count }, (_each, index) => first + index * stepMs)
  const figures: (Figures | undefined)[] = Array(count).fill(undefined)
  for (const { time, figures: counted } of series.points) {
    const index = Math.round(((millis(time) ?? 0) - first) / stepMs)
    if (index >= 0 && index < count) figures[index] = counted
  }
  return { stepMs, times, figures }
}

/** By second; `pick` takes what is counted. */
export function rates({ figures, stepMs }: Steps, pick: (figures: Figures) => bigint): number[] {
  return figures.map(each => (each === undefined ? 0 : Number(pick(each)) / (stepMs / 1_000)))
}

/** How much there was at once; a time without figures had none, and the last one may have only just begun. */
export function levels({ figures }: Steps, pick: (figures: Figures) => number | undefined): (number | null)[] {
  return figures.map((each, index) => {
    if (each === undefined) return index === figures.length - 1 ? null : 0
    return pick(each) ?? null
  })
}

/** Of the greatest value; undefined when all are 0. */
export function greatest(values: readonly (number | null)[]): number | undefined {
  let found: number | undefined
  for (const [index, value] of values.entries())
    if (value !== null && value > 0 && value > (values[found ?? -1] ?? 0)) found = index
  return found
}

/** 27, 0.4 */
export function few(value: number): string {
  return value >= 10 ? figure(Math.round(value)) : String(Number(value.toPrecision(2)))
}

/** 27/s, 0.4/s */
export function perSecond(value: number): string {
  return `${value >= 10 ? Math.round(value) : Number(value.toPrecision(2))}/s`
}
