// A search of the access log, page by page: what is asked of whatever keeps the records.
import type { AccessRecord } from '../observe/access-record.ts'
import type { RecordFilter } from './record-filter.ts'

/** Where a search is: in this batch of records, those before this one; 0: behind it. The newest batch is the first. */
export interface RecordPosition {
  /** When the batch began, milliseconds since 1970. */
  readonly since: number
  readonly batch: number
  readonly index: number
}

/** One page of a search. */
export interface RecordQuery {
  readonly filter: RecordFilter
  /** When they ended, milliseconds since 1970; `to` is not included. */
  readonly from?: number
  readonly to?: number
  readonly pageSize: number
  /** Undefined: from the newest. */
  readonly position?: RecordPosition
}

/** A page may be short or empty although there are more: `next` says so. */
export interface FoundRecords {
  /** The newest first. */
  readonly records: readonly AccessRecord[]
  /** Undefined: there are no more. */
  readonly next: RecordPosition | undefined
  /** How far back was looked, milliseconds since 1970; undefined: there is nothing. */
  readonly searchedBackTo: number | undefined
}

/** What is kept of what visitors did. */
export interface KeptRecords {
  /**
   * Takes 150 ms at most, 100 of them for work, and returns what it has found by then: little when page after page is asked for beside busy
   * traffic. Not begun any more once `signal` is aborted; rejects then.
   */
  search(query: RecordQuery, signal?: AbortSignal): Promise<FoundRecords>
}
