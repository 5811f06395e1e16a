// A data directory with a log as it is after two weeks of a busy household.
import { writeRecord } from '../../server/src/observe/access-record.ts'
import { Lines } from '../../server/src/observe/lines.ts'
import { KEPT_FIELDS } from '../../server/src/observe/tally.ts'
import { LogDatabase } from '../../server/src/store/log-database.ts'

export const RECORDS = 1_000_000
const BATCH = 1_000
const DAYS = 13
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** Figures by minute of all tunnels. */
const FIGURE_MINUTES = 24 * 60
const LIMITS = { days: 14, bytes: 2_000_000_000 }

/** `bench`, `t1`, `t2` … */
export function namesOf(tunnels: number): string[] {
  return ['bench', ...Array.from({ length: tunnels - 1 }, (_, index) => `t${index + 1}`)]
}

/** A million records over 13 days and all tunnels, and a day of figures. */
export function fillLog(dataDir: string, names: readonly string[]): void {
  const database = new LogDatabase(dataDir, LIMITS)
  const began = Date.now() - DAYS * DAY_MS
  const nothing = { startedAt: 0, firstByteAt: 0, bytesIn: 100, bytesOut: 2_000, countedIn: 0, countedOut: 0 }
  const lines = new Lines(BATCH * 1_000)
  for (let first = 0; first < RECORDS; first += BATCH) {
    const tunnels = new Set<string>()
    for (let index = 0; index < BATCH; index++) {
      const number = first + index
      const tunnel = names[(number * 7) % names.length] ?? ''
      const status = number % 50 === 0 ? 502 : number % 10 === 0 ? 404 : 200
      const visitor = `203.0.${number % 200}.${number % 251}`
      const summary = `GET /articles/${number % 5_000}/read${number === 1_000 ? '?the-only-one' : ''}`
      const reason = status === 502 ? 'target-unreachable' : ''
      writeRecord(lines, { ...nothing, kind: 'http', tunnel, visitor, summary, status, reason }, tunnel, index, 12_345)
      tunnels.add(tunnel)
    }
    const since = began + Math.floor((first / RECORDS) * DAYS * DAY_MS)
    const records = { count: BATCH, since, lines: lines.take(), tunnels: [...tunnels] }
    database.write({ records, tallies: [], minute: Math.floor(since / MINUTE_MS) })
  }
  const now = Math.floor(Date.now() / MINUTE_MS)
  const tallies = names.map((tunnel, index) => ({ tunnel, values: KEPT_FIELDS.map((_, field) => index + field) }))
  for (let minute = now - FIGURE_MINUTES; minute < now; minute++)
    database.write({ records: undefined, tallies, minute })
  database.close()
}
