// The access log of a server, as it is read beside it.
import type { AccessRecord } from '../../src/observe/access-record.ts'
import { LogDatabase } from '../../src/store/log-database.ts'
import { LogReader, type TotalRow } from '../../src/store/log-reader.ts'
import type { Cleaner } from './programs.ts'

/** A tenth of a second, as the server takes, is too little on a machine that is busy with other tests. */
const BUDGET_MS = 10_000
const DAY_MINUTES = 24 * 60

/** What the log has now. */
export interface ReadLog {
  /** The newest first. */
  records(query: { readonly tunnel?: string; readonly limit: number }): readonly AccessRecord[]
  /** Since each tunnel was first seen. */
  totals(): TotalRow[]
  /** Of the last day. */
  figures(tunnel: string): ReturnType<LogReader['figures']['sum']>
}

/** Makes the log if it is not there yet. */
export function readLog(t: Cleaner, dataDir: string): ReadLog {
  new LogDatabase(dataDir, { days: 14, bytes: 500_000_000 }).close()
  const reader = new LogReader(dataDir)
  t.after(() => reader.close())
  return {
    records: ({ tunnel, limit }) =>
      reader.search({ filter: tunnel === undefined ? {} : { tunnel }, pageSize: limit }, BUDGET_MS).records,
    totals: () => reader.totals(),
    figures: tunnel => {
      const to = Math.floor(Date.now() / 60_000) + 2
      return reader.figures.sum(tunnel, { from: to - DAY_MINUTES, to })
    },
  }
}
