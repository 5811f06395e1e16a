// Where the rows of the log come from: pages of what is written, newest first, and the one tail of this tab. No React.
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { type Record as LogRecord, LogService } from '@pbt/proto/admin/v1'
import { keyOf } from '../live/record-key'
import { type Trouble, transport, troubleOf } from '../live/transport'
import { millis } from '../words/time'
import type { Filter } from './filter'

const PAGE = 200
/** Rows that are held; the oldest make room, and are found again by going on. */
const MAX_ROWS = 10_000
/** Newer records that wait while nothing may move; more are counted only. */
const MAX_WAITING = 2_000
/** So many pages without a row are asked for by itself, then people are asked: half a second at most. */
const PAGES_BY_ITSELF = 5
/** Pause before the tail is opened again, milliseconds; a fifth more or less. */
const AGAIN_MS = 2_000

const logs = createClient(LogService, transport)

/** A record, or a place where records are missing. */
export type Row =
  | { readonly kind: 'record'; readonly key: string; readonly record: LogRecord }
  | { readonly kind: 'gap'; readonly key: string; readonly count: number }

/** All that a page shows; another object for each change. */
export interface FeedState {
  readonly rows: readonly Row[]
  /** Newer records that are not shown yet. */
  readonly waiting: number
  readonly isSearching: boolean
  /** Milliseconds; undefined: nothing was searched yet. */
  readonly searchedBackTo: number | undefined
  /** There is more to be searched. */
  readonly hasMore: boolean
  readonly trouble: Trouble | undefined
  /** The tail runs. */
  readonly isLive: boolean
}

const EMPTY: FeedState = {
  rows: [],
  waiting: 0,
  isSearching: false,
  searchedBackTo: undefined,
  hasMore: false,
  trouble: undefined,
  isLive: false,
}

/** What is looked at: milliseconds since 1970. */
export interface Span {
  readonly start: number
  /** Undefined: now, and what comes. */
  readonly end: number | undefined
}

/** Owns one tail at most; ends at `stop`. */
export class Feed {
  state: FeedState = EMPTY
  private readonly filter: Filter
  private readonly span: Span
  private readonly tell: () => void
  private readonly ending = new AbortController()
  private tail: AbortController | undefined
  private retry: ReturnType<typeof setTimeout> | undefined
  private token = ''
  private newer: Row[] = []
  private readonly keys = new Set<string>()
  /** Rows that came since a new tail was opened, while those of the one before are still shown. */
  private anew: Row[] | undefined
  /** One more for each tail: what was asked for an earlier one is nothing for this. */
  private round = 0
  private gaps = 0
  /** Rows may be added at the top. */
  private isFlowing = true

  constructor(filter: Filter, span: Span, tell: () => void) {
    this.filter = filter
    this.span = span
    this.tell = tell
  }

  start(): void {
    document.addEventListener('visibilitychange', this.onVisibility)
    this.open()
  }

  stop(): void {
    document.removeEventListener('visibilitychange', this.onVisibility)
    this.ending.abort()
    this.tail?.abort()
    clearTimeout(this.retry)
  }

  /** Whether newer rows are shown as they come, or wait. */
  flow(isFlowing: boolean): void {
    this.isFlowing = isFlowing
    if (isFlowing) this.showNewer()
  }

  showNewer(): void {
    if (this.newer.length === 0 && this.state.waiting === 0) return
    const lost = this.state.waiting - this.newer.length
    const rows = lost > 0 ? [...this.newer, this.gap(lost)] : this.newer
    this.newer = []
    this.put(rows, 0)
  }

  /** Looks further back. */
  readonly goOn = (): void => {
    if (!this.state.isSearching) this.search().catch(() => {})
  }

  private readonly onVisibility = (): void => {
    if (document.hidden) {
      this.tail?.abort()
      this.tail = undefined
      clearTimeout(this.retry)
    } else this.open()
  }

  private open(): void {
    if (this.ending.signal.aborted) return
    if (this.span.end === undefined) {
      if (document.hidden || this.tail !== undefined) return
      this.follow().catch(() => {})
    } else if (this.state.searchedBackTo === undefined) this.goOn()
  }

  private async follow(): Promise<void> {
    const tail = new AbortController()
    this.tail = tail
    try {
      let isFirst = true
      for await (const { records, dropped } of logs.tailRecords(
        { filter: this.filter.asked },
        { signal: tail.signal, timeoutMs: 0 },
      )) {
        if (this.tail !== tail) return
        // From here on nothing is missed: what was before is asked for now.
        if (isFirst) this.catchUp()
        isFirst = false
        this.came(records, Number(dropped))
      }
    } catch (error) {
      if (tail.signal.aborted) return
      const isOver = ConnectError.from(error).code === Code.Unauthenticated
      this.set({ isLive: false, trouble: isOver ? troubleOf(error) : this.state.trouble })
      if (isOver) return
    }
    if (this.tail !== tail) return
    this.tail = undefined
    this.set({ isLive: false })
    this.retry = setTimeout(() => this.open(), AGAIN_MS * (0.8 + Math.random() * 0.4))
  }

  /** After the first word of a tail: all anew, since nobody knows what came while there was none. */
  private catchUp(): void {
    this.keys.clear()
    this.newer = []
    this.token = ''
    this.anew = []
    this.round++
    this.set({ waiting: 0, isLive: true, isSearching: false, trouble: undefined })
    this.goOn()
  }

  private came(records: readonly LogRecord[], dropped: number): void {
    const rows = this.rowsOf(records).reverse()
    if (dropped > 0) rows.push(this.gap(dropped))
    if (rows.length === 0) return
    if (this.anew !== undefined) {
      this.anew = this.most([...rows, ...this.anew], MAX_WAITING)
      return
    }
    if (this.isFlowing) {
      this.put([...rows, ...this.newer], 0)
      this.newer = []
      return
    }
    this.newer = this.most([...rows, ...this.newer], MAX_WAITING)
    this.set({ waiting: this.state.waiting + rows.length })
  }

  private put(rows: readonly Row[], waiting: number): void {
    const all = [...rows, ...this.state.rows]
    const isTooMany = all.length > MAX_ROWS
    // What was searched further back is not shown any more: a new search begins at the last row.
    if (isTooMany) this.token = ''
    this.set({ rows: this.most(all, MAX_ROWS), waiting, hasMore: this.state.hasMore || isTooMany })
  }

  private async search(): Promise<void> {
    this.set({ isSearching: true, trouble: undefined })
    try {
      for (let page = 0; page < PAGES_BY_ITSELF; page++) {
        if ((await this.page()) > 0 || !this.state.hasMore) break
      }
    } catch (error) {
      if (!this.ending.signal.aborted) this.set({ trouble: troubleOf(error) })
    }
    this.set({ isSearching: false })
  }

  private async page(): Promise<number> {
    const { token, round } = this
    const { records, nextPageToken, searchedBackTo } = await logs.listRecords(
      {
        filter: this.filter.asked,
        startTime: timestamp(this.span.start),
        ...(token === '' && { endTime: this.endTime() }),
        pageSize: PAGE,
        pageToken: token,
      },
      { signal: this.ending.signal },
    )
    // Begun anew meanwhile.
    if (token !== this.token || round !== this.round) return 1
    this.token = nextPageToken
    const rows = this.rowsOf(records)
    // What was there before is replaced only now: who reads it keeps it, and the focus, until then.
    const shown = this.anew ?? this.state.rows
    this.anew = undefined
    const room = MAX_ROWS - shown.length
    for (const { key } of rows.slice(Math.max(0, room))) this.keys.delete(key)
    this.set({
      rows: [...shown, ...rows.slice(0, room)],
      hasMore: nextPageToken !== '' && room > rows.length,
      searchedBackTo: millis(searchedBackTo) ?? this.span.start,
    })
    return rows.length
  }

  /** Of the first page: nothing that is shown already. */
  private endTime() {
    const last = (this.anew ?? this.state.rows).findLast(row => row.kind === 'record')
    const end = last?.kind === 'record' ? endOf(last.record) + 1 : this.span.end
    return end === undefined ? undefined : timestamp(end)
  }

  private rowsOf(records: readonly LogRecord[]): Row[] {
    const rows: Row[] = []
    for (const record of records) {
      const key = keyOf(record)
      // A record that has just come is told twice: by the tail, and in the page that was asked for meanwhile.
      if (this.keys.has(key) || this.filter.judge?.(record) === false) continue
      this.keys.add(key)
      rows.push({ kind: 'record', key, record })
    }
    return rows
  }

  /** The first of them; the others are known no more, and are found again by going on. */
  private most(rows: Row[], count: number): Row[] {
    if (rows.length <= count) return rows
    for (const { key } of rows.slice(count)) this.keys.delete(key)
    return rows.slice(0, count)
  }

  private gap(count: number): Row {
    return { kind: 'gap', key: `gap-${this.gaps++}`, count }
  }

  private set(change: Partial<FeedState>): void {
    if (this.ending.signal.aborted) return
    this.state = { ...this.state, ...change }
    this.tell()
  }
}

/** Milliseconds: when it ended. */
export function endOf({ startTime, duration }: LogRecord): number {
  return (millis(startTime) ?? 0) + Number(duration?.seconds ?? 0) * 1_000 + Math.floor((duration?.nanos ?? 0) / 1e6)
}

export function timestamp(ms: number) {
  const seconds = Math.floor(ms / 1_000)
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1_000) * 1e6) }
}
