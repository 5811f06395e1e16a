// Reads the figures over time from whatever has them in the fewest rows: days, hours, minutes.
import type Database from 'better-sqlite3'
import { FIRST_BYTE_FIELDS } from '../observe/first-bytes.ts'
import { TALLY_FIELDS, type TallyField } from '../observe/tally.ts'
import type { Counts, MinuteSpan } from '../owner/metrics.ts'
import { ALL_TUNNELS, HOURS, MINUTES, SUMS } from './log-schema.ts'

/** A table, and minutes of its rows. */
const TABLES = {
  minutes: { column: 'minute', unit: 1 },
  hours: { column: 'hour', unit: MINUTES },
  days: { column: 'day', unit: MINUTES * HOURS },
} as const

/** Rows of a table; from and to in minutes, whole units of it. */
export interface Part extends MinuteSpan {
  readonly table: keyof typeof TABLES
}

type SumRow = Readonly<Record<string, number>> & { readonly tunnel: string; readonly point: number }

/** Where the rows are that together have this time; `openHour`: the one that is not in hours, nor its day in days. */
export function partsOf({ from, to }: MinuteSpan, openHour: number, coarsest: Part['table'] = 'days'): Part[] {
  if (from >= to) return []
  if (coarsest === 'minutes') return [{ table: 'minutes', from, to }]
  const { unit } = TABLES[coarsest]
  const finer = coarsest === 'days' ? 'hours' : 'minutes'
  const [first, last] = [Math.ceil(from / unit) * unit, Math.floor(to / unit) * unit]
  if (first >= last) return partsOf({ from, to }, openHour, finer)
  const open = Math.floor((openHour * MINUTES) / unit) * unit
  const isOpenWithin = open >= first && open < last
  const whole = isOpenWithin
    ? [
        { from: first, to: open },
        { from: open + unit, to: last },
      ]
    : [{ from: first, to: last }]
  return [
    ...partsOf({ from, to: first }, openHour, finer),
    ...whole.filter(({ from, to }) => from < to).map(span => ({ table: coarsest, ...span })),
    ...(isOpenWithin ? partsOf({ from: open, to: open + unit }, openHour, finer) : []),
    ...partsOf({ from: last, to }, openHour, finer),
  ]
}

/** Times are minutes since 1970; `tunnel` undefined: all together. */
export class LogFigures {
  private readonly db: Database.Database

  constructor(db: Database.Database) {
    this.db = db
  }

  sum(tunnel: string | undefined, span: MinuteSpan): Counts {
    const parts = partsOf(span, this.openHour())
    return countsOf(parts.flatMap(part => this.rows(part, 'tunnel = ?', tunnel ?? ALL_TUNNELS)))
  }

  byTunnel(span: MinuteSpan): Map<string, Counts> {
    const parts = partsOf(span, this.openHour())
    const rows = parts.flatMap(part => this.rows(part, 'tunnel <> ?', ALL_TUNNELS))
    return new Map([...Map.groupBy(rows, ({ tunnel }) => tunnel)].map(([tunnel, rows]) => [tunnel, countsOf(rows)]))
  }

  series(tunnel: string | undefined, span: MinuteSpan, stepMinutes: number): Map<number, Counts> {
    const coarsest = stepMinutes % TABLES.days.unit === 0 ? 'days' : stepMinutes % MINUTES === 0 ? 'hours' : 'minutes'
    const parts = partsOf(span, this.openHour(), coarsest)
    const rows = parts.flatMap(part => this.rows(part, 'tunnel = ?', tunnel ?? ALL_TUNNELS, stepMinutes))
    const points = [...Map.groupBy(rows, ({ point }) => point)].sort(([left], [right]) => left - right)
    return new Map(points.map(([point, rows]) => [point * stepMinutes, countsOf(rows)]))
  }

  private openHour(): number {
    return this.db.prepare<[], { openHour: number }>('SELECT openHour FROM rollups').get()?.openHour ?? 0
  }

  /** By tunnel, and by point when there is a step. */
  private rows({ table, from, to }: Part, whose: string, tunnel: string, step?: number): SumRow[] {
    const { column, unit } = TABLES[table]
    const point = step === undefined ? '0' : `${column} * ${unit} / ${step}`
    return this.db
      .prepare<unknown[], SumRow>(
        `SELECT tunnel, ${point} AS point, ${SUMS} FROM ${table}
         WHERE ${column} >= ? AND ${column} < ? AND ${whose} GROUP BY tunnel, point`,
      )
      .all(from / unit, to / unit, tunnel)
  }
}

function countsOf(rows: readonly SumRow[]): Counts {
  const sum = (field: string) => rows.reduce((sum, row) => sum + (row[field] ?? 0), 0)
  const figures = Object.fromEntries(TALLY_FIELDS.map(field => [field, sum(field)])) as Record<TallyField, number>
  return { ...figures, firstBytes: FIRST_BYTE_FIELDS.map(sum) }
}
