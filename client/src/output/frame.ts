// What the live view shows, as lines of styled text: a pure function of the state and the size of the terminal.
import type { LinkState, Stopping, Traffic, TunnelStanding } from '../tunnels/events.ts'
import type { RequestRecord } from '../tunnels/requests.ts'
import { stopText, troubleOf } from './sentence.ts'
import { cellsOf, clip, formatBytes, formatDuration, formatTime, safe, safeOctets, safeReason } from './text.ts'

export interface TunnelView extends Pick<TunnelStanding, 'urls' | 'waiting' | 'target' | 'fault'> {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly open: number
}

export interface View {
  readonly server: string
  readonly state: LinkState
  /** Why it is not online; '' when it is, and when it is told to stop. */
  readonly reason: string
  readonly stopping: Stopping | undefined
  /** Until the next try, undefined when none is planned. */
  readonly retryInMs: number | undefined
  readonly tunnels: readonly TunnelView[]
  readonly traffic: Traffic
  readonly bytesIn: number
  readonly bytesOut: number
  readonly bytesInPerSecond: number
  readonly bytesOutPerSecond: number
  readonly requests: number
  readonly requestsPerSecond: number
  /** Newest first. */
  readonly recent: readonly RequestRecord[]
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'
/** Safe text in one style. */
export type Span = readonly [text: string, style?: Style]

const SGR: Record<Style, number> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 }
export const STATE_STYLE: Record<LinkState, Style> = {
  connecting: 'yellow',
  online: 'green',
  reconnecting: 'yellow',
  offline: 'red',
  stopping: 'yellow',
}
const LABEL_CELLS = 10
/** Traffic, requests, and some of the newest requests: tunnels do not push them out. */
const LINES_BELOW = 7
/** But in a small terminal the first tunnels come before those. */
const LEAST_TUNNEL_LINES = 4
/** A request's line shows its bytes only when this many columns are there. */
const WIDE_COLUMNS = 72
const DURATION_CELLS = 9
const BYTES_CELLS = 8

/** The lines of the view, at most `rows`, each at most `columns` cells wide; `isColored`: with SGR sequences. */
export function frame(view: View, columns: number, rows: number, isColored: boolean): string[] {
  const lines: Span[][] = [
    [
      ['pbt', 'bold'],
      ['  Ctrl-C ends it', 'dim'],
    ],
    [],
    [label('State'), [view.state, STATE_STYLE[view.state]], [stateNote(view), 'dim']],
  ]
  // One tunnel alone has the same figures below.
  const isAlone = view.tunnels.length === 1
  const tunnels = view.tunnels.flatMap(tunnel => tunnelLines(tunnel, isAlone, columns))
  const room = Math.max(LEAST_TUNNEL_LINES, rows - lines.length - LINES_BELOW)
  if (tunnels.length <= room) lines.push(...tunnels)
  else lines.push(...tunnels.slice(0, room - 1), [[`and more; "pbt status" shows all ${view.tunnels.length}`, 'dim']])
  lines.push([label('Traffic'), [traffic(view)]])
  lines.push([label('Requests'), [`${view.requests}  ${view.requestsPerSecond}/s  ${view.traffic.open} open`]])
  const isWide = columns >= WIDE_COLUMNS
  if (view.recent.length > 0) lines.push([], [[requestHead(isWide), 'dim']])
  for (const record of view.recent.slice(0, Math.max(0, rows - lines.length))) lines.push(requestSpans(record, isWide))
  return lines.slice(0, rows).map(line => render(line, columns, isColored))
}

function tunnelLines(tunnel: TunnelView, isAlone: boolean, columns: number): Span[][] {
  const { urls, waiting, target, fault, requests, requestsPerSecond, open } = tunnel
  const addresses = [...urls, ...waiting.map(({ url }) => url)].map((url, index): Span[] => {
    const address = safe(url)
    // An address is there to be copied: in a narrow terminal it gets the whole line.
    if (LABEL_CELLS + cellsOf(address) > columns) return [[address, 'bold']]
    return [label(index === 0 ? 'Address' : ''), [address, 'bold']]
  })
  for (const [index, { reason, cure }] of waiting.entries()) {
    const after = urls.length + 2 * index + 1
    addresses.splice(after, 0, [label(''), [safe(`reserved, but ${reason}: ${cure}`), 'yellow']])
  }
  if (addresses.length === 0)
    addresses.push([label('Address'), fault === '' ? ['none yet', 'dim'] : [safe(fault), 'red']])
  const own = isAlone ? '' : `  ${requests}  ${requestsPerSecond}/s  ${open} open`
  return [...addresses, [label('Target'), [safe(target)], [own, 'dim']]]
}

/** One line of spans, cut to the columns; SGR sequences take no cells. */
export function render(line: readonly Span[], columns: number, isColored: boolean): string {
  let left = columns
  let text = ''
  for (const [part, style] of line) {
    const fitting = clip(part, left)
    left -= cellsOf(fitting)
    text += isColored && style !== undefined && fitting !== '' ? `\x1b[${SGR[style]}m${fitting}\x1b[0m` : fitting
  }
  return text
}

function label(text: string): Span {
  return [text.padEnd(LABEL_CELLS), 'dim']
}

function stateNote({ state, server, reason, stopping, retryInMs, traffic }: View): string {
  if (stopping !== undefined) return `  ${stopText(stopping)}`
  const trip = traffic.roundTripMs > 0 ? `, ${formatDuration(traffic.roundTripMs)} away` : ''
  if (state === 'online') return `  ${safe(server)}${trip}`
  const retry =
    retryInMs === undefined ? '' : `  next try ${retryInMs < 100 ? 'now' : `in ${formatDuration(retryInMs)}`}`
  return `${retry}  ${safe(reason || server)}`
}

function traffic({ bytesIn, bytesOut, bytesInPerSecond, bytesOutPerSecond }: View): string {
  const arrow = (name: string, bytes: number, rate: number) => `${name} ${formatBytes(bytes)}  ${formatBytes(rate)}/s`
  return `${arrow('in', bytesIn, bytesInPerSecond)}   ${arrow('out', bytesOut, bytesOutPerSecond)}`
}

function requestHead(isWide: boolean): string {
  return `${'Time'.padEnd(10)}${'Method'.padEnd(8)}Status${'Duration'.padStart(DURATION_CELLS)}${isWide ? bytesCells('In', 'Out') : ''}  Path`
}

function requestSpans(record: RequestRecord, isWide: boolean): Span[] {
  const { startedAt, method, status, durationMs, bytesIn, bytesOut, path } = record
  const trouble = troubleOf(record)
  return [
    [formatTime(startedAt).padEnd(10), 'dim'],
    [`${clip(safeOctets(method), 7).padEnd(8)}`],
    [statusText(status).padEnd(6), statusStyle(status)],
    [formatDuration(durationMs).padStart(DURATION_CELLS)],
    [isWide ? bytesCells(formatBytes(bytesIn), formatBytes(bytesOut)) : ''],
    [`  ${safeOctets(path)}`],
    [trouble === '' ? '' : `  ${safeReason(trouble)}`, 'red'],
  ]
}

function bytesCells(from: string, to: string): string {
  return from.padStart(BYTES_CELLS) + to.padStart(BYTES_CELLS)
}

function statusText(status: number | undefined): string {
  if (status === undefined) return ''
  return status === 0 ? '-' : String(status)
}

function statusStyle(status: number | undefined): Style {
  if (status === undefined) return 'green'
  if (status === 0 || status >= 500) return 'red'
  if (status >= 400) return 'yellow'
  return status >= 300 ? 'cyan' : 'green'
}
