// Figures by hour and by day, made of those by minute when an hour or day is over.
//
// One row says which hour was written to last. Of all others there are rows by hour, and of all days but its own rows by day;
// so each transaction leaves it, whichever process writes, and whatever the clock does.
import type Database from 'better-sqlite3'
import { KEPT_FIELDS } from '../observe/tally.ts'
import { HOURS, MINUTES, SUMS } from './log-schema.ts'

/** 13 months. */
const KEEP_DAYS = 396
/** Rows that go when an hour is over: more than come in one. */
const MAX_FORGOTTEN = 20_000

/** Runs in the writer's transactions; the database is the caller's. */
export class RollUps {
  private readonly openHour: Database.Statement<[], { openHour: number }>
  private readonly setOpenHour: Database.Statement<[number]>
  private readonly dropHour: Database.Statement<[number]>
  private readonly makeHour: Database.Statement<[{ hour: number; from: number; to: number }]>
  private readonly dropDay: Database.Statement<[number]>
  private readonly makeDay: Database.Statement<[{ day: number; from: number; to: number }]>
  private readonly forgetHours: Database.Statement<[number]>
  private readonly forgetDays: Database.Statement<[number]>

  constructor(db: Database.Database) {
    const names = KEPT_FIELDS.join(', ')
    this.openHour = db.prepare('SELECT openHour FROM rollups WHERE id = 1')
    this.setOpenHour = db.prepare('INSERT OR REPLACE INTO rollups (id, openHour) VALUES (1, ?)')
    this.dropHour = db.prepare('DELETE FROM hours WHERE hour = ?')
    this.makeHour = db.prepare(
      `INSERT INTO hours (tunnel, hour, ${names}) SELECT tunnel, $hour, ${SUMS} FROM minutes
       WHERE minute >= $from AND minute < $to GROUP BY tunnel`,
    )
    this.dropDay = db.prepare('DELETE FROM days WHERE day = ?')
    this.makeDay = db.prepare(
      `INSERT INTO days (tunnel, day, ${names}) SELECT tunnel, $day, ${SUMS} FROM hours
       WHERE hour >= $from AND hour < $to GROUP BY tunnel`,
    )
    const forget = (table: string, column: string) =>
      `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE ${column} < ? LIMIT ${MAX_FORGOTTEN})`
    this.forgetHours = db.prepare(forget('hours', 'hour'))
    this.forgetDays = db.prepare(forget('days', 'day'))
  }

  /**
   * Figures of this minute are written, in the same transaction. `now`: minutes since 1970, by which the age of what may go is
   * told. Returns how many rows there are more.
   */
  wrote(minute: number, now: number): number {
    const hour = Math.floor(minute / MINUTES)
    const before = this.openHour.get()?.openHour ?? hour
    if (before === hour) return 0
    this.setOpenHour.run(hour)
    const [day, dayBefore] = [Math.floor(hour / HOURS), Math.floor(before / HOURS)]
    let added = 0
    // Written to again after it was over, it is made anew.
    added -= this.dropHour.run(before).changes
    added += this.makeHour.run({ hour: before, from: before * MINUTES, to: (before + 1) * MINUTES }).changes
    if (day !== dayBefore) {
      added -= this.dropDay.run(dayBefore).changes
      added += this.makeDay.run({ day: dayBefore, from: dayBefore * HOURS, to: (dayBefore + 1) * HOURS }).changes
    }
    const oldest = Math.floor(now / MINUTES / HOURS) - KEEP_DAYS
    return added - this.forgetHours.run(oldest * HOURS).changes - this.forgetDays.run(oldest).changes
  }
}
