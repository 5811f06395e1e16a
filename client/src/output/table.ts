// The table of the live view: what is open, and the newest of what is over, in columns that fit the terminal.
import type { ChannelKind } from '@pbt/proto'
import type { OpenChannel } from '../tunnels/events.ts'
import type { RequestRecord, Seen } from '../tunnels/requests.ts'
import { troubleOf } from './sentence.ts'
import type { Span, Style } from './spans.ts'
import {
  addressOf,
  cellsOf,
  clip,
  formatBytes,
  formatDuration,
  formatTime,
  safe,
  safeOctets,
  safeReason,
} from './text.ts'

/** A connection or flow that is open. */
export interface Open extends OpenChannel {
  /** The number of its tunnel. */
  readonly tunnel: number
  /** Milliseconds since the epoch. */
  readonly startedAt: number
}

/** A tunnel, as far as rows tell of it. */
export interface TableTunnel {
  readonly number: number
  readonly kind: ChannelKind
  /** '' while it has none. */
  readonly name: string
}

/** The rows, before they are cut to the height of the terminal. */
export interface TableView {
  /** All of the process, in the order in which they were asked for. */
  readonly tunnels: readonly TableTunnel[]
  /** Newest first. */
  readonly opens: readonly Open[]
  /** Connections and flows that are open, more than `opens` has perhaps. */
  readonly openCount: number
  /** Newest first. */
  readonly recent: readonly Seen[]
}

/** What a row says, in words. */
interface Row {
  readonly time: string
  readonly tunnel: string
  readonly method: string
  readonly status: Span
  readonly duration: string
  readonly in: string
  readonly out: string
  readonly visitor: string
  /** What is behind the columns. */
  readonly path: string
  readonly trouble: string
}

type ColumnName = 'time' | 'tunnel' | 'method' | 'status' | 'duration' | 'in' | 'out' | 'visitor'

interface Column {
  readonly name: ColumnName
  readonly head: string
  /** With the gap to its neighbour. */
  readonly cells: number
  readonly isRight: boolean
}

const TIME_CELLS = 10
const METHOD_CELLS = 8
const STATUS_CELLS = 7
const DURATION_CELLS = 9
const BYTES_CELLS = 8
/** In a narrow terminal they stand closer. */
const LEAST_BYTES_CELLS = 7
const NARROW_COLUMNS = 60
const GAP_CELLS = 2
const MOST_TUNNEL_CELLS = 16
/** An IPv4 address; with a port six more. */
const LEAST_VISITOR_CELLS = 9
const MOST_VISITOR_CELLS = 26
/** Paths are worth at least so much. */
const LEAST_PATH_CELLS = 12
/** What goes first when there is no room. */
const DROPPED: readonly (readonly ColumnName[])[] = [['in', 'out'], ['visitor'], ['time']]
/** Of connections, whose visitors are all that there is to see. */
const DROPPED_OF_PORTS: readonly (readonly ColumnName[])[] = [['time'], ['in', 'out']]

/** At most `rows` lines, each for `columns` cells; none when there is nothing to show. */
export function tableLines(view: TableView, columns: number, rows: number): Span[][] {
  const { opens, openCount, recent, tunnels } = view
  if (rows < 2 || (opens.length === 0 && recent.length === 0)) return []
  const room = rows - 1
  // What is over keeps some room beside very much that is open.
  const most = Math.max(1, recent.length === 0 ? room : room - Math.min(recent.length, Math.floor(room / 2)))
  const isCut = openCount > most
  const shown = opens.slice(0, isCut ? most - 1 : most)
  const byNumber = new Map(tunnels.map(tunnel => [tunnel.number, tunnel]))
  const all = [
    ...shown.map(open => openRow(open, byNumber.get(open.tunnel))),
    ...recent.slice(0, room - Math.min(most, openCount)).map(seen => seenRow(seen, byNumber.get(seen.tunnel))),
  ]
  const hasRequests = tunnels.some(({ kind }) => kind === 'http')
  const layout = layoutOf(all, columns, tunnels.length > 1, hasRequests)
  const lines = all.map(row => rowSpans(row, layout, columns))
  if (isCut) lines.splice(shown.length, 0, [[`and ${openCount - shown.length} more open`, 'dim']])
  return [[[headText(layout, hasRequests), 'dim']], ...lines]
}

function openRow(open: Open, tunnel: TableTunnel | undefined): Row {
  return {
    time: formatTime(open.startedAt),
    tunnel: safe(tunnel?.name ?? ''),
    method: tunnel?.kind.toUpperCase() ?? '',
    status: ['open', 'cyan'],
    duration: formatDuration(open.ageMs),
    in: formatBytes(open.bytesIn),
    out: formatBytes(open.bytesOut),
    visitor: safe(open.visitor),
    path: '',
    trouble: '',
  }
}

function seenRow({ record }: Seen, tunnel: TableTunnel | undefined): Row {
  const { startedAt, durationMs, method, path, status, bytesIn, bytesOut, visitor } = record
  const isRequest = status !== undefined
  return {
    time: formatTime(startedAt),
    tunnel: safe(tunnel?.name ?? ''),
    method: clip(safeOctets(method), METHOD_CELLS - 1),
    status: statusSpan(record),
    duration: formatDuration(durationMs),
    in: formatBytes(bytesIn),
    out: formatBytes(bytesOut),
    visitor: safe(isRequest ? addressOf(visitor) : visitor),
    path: isRequest ? safeOctets(path) : '',
    trouble: safeReason(troubleOf(record)),
  }
}

function layoutOf(rows: readonly Row[], columns: number, hasTunnels: boolean, hasRequests: boolean): Column[] {
  const widest = (text: (row: Row) => string, least: number, most: number) =>
    Math.min(
      most,
      rows.reduce((cells, row) => Math.max(cells, cellsOf(text(row))), least),
    )
  const left = (name: ColumnName, head: string, cells: number): Column => ({ name, head, cells, isRight: false })
  const right = (name: ColumnName, head: string, cells: number): Column => ({ name, head, cells, isRight: true })
  const bytesCells = columns < NARROW_COLUMNS ? LEAST_BYTES_CELLS : BYTES_CELLS
  let layout = [
    left('time', 'Time', TIME_CELLS),
    ...(hasTunnels ? [left('tunnel', 'Tunnel', widest(row => row.tunnel, 6, MOST_TUNNEL_CELLS) + GAP_CELLS)] : []),
    ...(hasRequests ? [left('method', 'Method', METHOD_CELLS)] : []),
    left('status', hasRequests ? 'Status' : 'State', STATUS_CELLS),
    right('duration', hasRequests ? 'Duration' : 'Age', DURATION_CELLS),
    right('in', 'In', bytesCells),
    right('out', 'Out', bytesCells),
    left('visitor', 'Visitor', GAP_CELLS + widest(row => row.visitor, LEAST_VISITOR_CELLS, MOST_VISITOR_CELLS)),
  ]
  const least = hasRequests ? LEAST_PATH_CELLS + GAP_CELLS : 0
  for (const names of hasRequests ? DROPPED : DROPPED_OF_PORTS) {
    if (layout.reduce((sum, { cells }) => sum + cells, least) <= columns) break
    layout = layout.filter(({ name }) => !names.includes(name))
  }
  return layout
}

function headText(layout: readonly Column[], hasRequests: boolean): string {
  const heads = layout.map(column => placed(column, column.head)).join('')
  return hasRequests ? `${heads}  Path` : heads
}

function rowSpans(row: Row, layout: readonly Column[], columns: number): Span[] {
  const spans = layout.map((column): Span => {
    if (column.name === 'status') return [placed(column, row.status[0]), row.status[1]] as Span
    return column.name === 'time' ? [placed(column, row.time), 'dim'] : [placed(column, row[column.name])]
  })
  const hasVisitor = layout.some(({ name }) => name === 'visitor')
  // In a terminal too narrow for its column the address goes where a request has its path.
  const rest = row.path !== '' || hasVisitor ? row.path : addressOf(row.visitor)
  if (rest !== '') spans.push([`  ${clip(rest, pathCells(row, layout, columns))}`])
  if (row.trouble !== '') spans.push([`  ${row.trouble}`, 'red'])
  return spans
}

/** Why something went wrong can be read beside a long path. */
function pathCells({ trouble }: Row, layout: readonly Column[], columns: number): number {
  const left = layout.reduce((sum, { cells }) => sum - cells, columns - GAP_CELLS)
  return trouble === '' ? left : Math.max(LEAST_PATH_CELLS, left - GAP_CELLS - cellsOf(trouble))
}

function placed({ name, cells, isRight }: Column, text: string): string {
  const before = name === 'visitor' ? GAP_CELLS : 0
  const after = isRight || name === 'visitor' ? 0 : 1
  const fitting = clip(text, cells - before - after)
  const blanks = ' '.repeat(Math.max(0, cells - before - cellsOf(fitting)))
  return isRight ? blanks + fitting : ' '.repeat(before) + fitting + blanks
}

function statusSpan({ status, fault }: RequestRecord): Span {
  if (status === undefined) return ['closed', fault === '' ? 'green' : 'red']
  return [status === 0 ? '-' : String(status), styleOf(status)]
}

function styleOf(status: number): Style {
  if (status === 0 || status >= 500) return 'red'
  if (status >= 400) return 'yellow'
  return status >= 300 ? 'cyan' : 'green'
}
