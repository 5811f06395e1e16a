// What the live view shows, as lines of text: a pure function of the state and the size of the terminal.
import type { LinkState, Stopping, Traffic, TunnelStanding } from '../tunnels/events.ts'
import { countOf, countsOf } from './counts.ts'
import { stopText, visitorsText } from './sentence.ts'
import { render, type Span, type Style, wrap } from './spans.ts'
import { type TableView, tableLines } from './table.ts'
import { cellsOf, formatBytes, formatDuration, safe } from './text.ts'

/** How one tunnel stands, with its counts since the process started. */
export interface TunnelView extends TunnelStanding {
  /** Requests, connections or flows that are over. */
  readonly requests: number
  readonly requestsPerSecond: number
  readonly open: number
}

/** Everything that one drawing needs; bytes are payload, rates are per second. */
export interface View extends TableView {
  readonly server: string
  readonly state: LinkState
  /** Why it is not online; '' when it is, and when it is told to stop. */
  readonly reason: string
  /** What to do about that, '' for nothing. */
  readonly cure: string
  readonly stopping: Stopping | undefined
  /** Until the next try, undefined when none is planned. */
  readonly retryInMs: number | undefined
  readonly tunnels: readonly TunnelView[]
  readonly traffic: Traffic
  /** Payload of all tunnels. */
  readonly bytesIn: number
  readonly bytesOut: number
  readonly bytesInPerSecond: number
  readonly bytesOutPerSecond: number
}

/** The colour in which each state of the link is shown. */
export const STATE_STYLE: Record<LinkState, Style> = {
  connecting: 'yellow',
  online: 'green',
  reconnecting: 'yellow',
  offline: 'red',
  stopping: 'yellow',
}
const LABEL_CELLS = 10
/** Traffic, what was served, and some rows of the table: tunnels do not push them out. */
const LINES_BELOW = 7
/** From here on it is also said that everybody may visit. */
const ROOMY_ROWS = 12
/** But in a small terminal the first tunnels come before those. */
const LEAST_TUNNEL_LINES = 4

/** The lines of the view, at most `rows`, each at most `columns` cells wide; `isColored`: with SGR sequences. */
export function frame(view: View, columns: number, rows: number, isColored: boolean): string[] {
  const lines: Span[][] = [
    [
      ['pbt', 'bold'],
      ['  Ctrl-C ends it', 'dim'],
    ],
    [],
    ...stateLines(view).flatMap(line => wrap(line, columns, LABEL_CELLS)),
  ]
  // One tunnel alone has the same figures below.
  const isAlone = view.tunnels.length === 1
  const hasRoom = isAlone && rows >= ROOMY_ROWS
  const tunnels = view.tunnels.flatMap(tunnel => tunnelLines(tunnel, isAlone, hasRoom, columns))
  const room = Math.max(LEAST_TUNNEL_LINES, rows - lines.length - LINES_BELOW)
  if (tunnels.length <= room) lines.push(...tunnels)
  else lines.push(...tunnels.slice(0, room - 1), [[`and more; "pbt status" shows all ${view.tunnels.length}`, 'dim']])
  lines.push(...wrap([label('Traffic'), [traffic(view)]], columns, LABEL_CELLS))
  lines.push(...wrap([label('Served'), [served(view)]], columns, LABEL_CELLS))
  const table = tableLines(view, columns, rows - lines.length - 1)
  if (table.length > 0) lines.push([], ...table)
  return lines.slice(0, rows).map(line => render(line, columns, isColored))
}

function stateLines(view: View): Span[][] {
  const { state, server, reason, cure, stopping, retryInMs, traffic } = view
  const head: Span[] = [label('State'), [state, STATE_STYLE[state]]]
  if (stopping !== undefined) return [[...head, [`  ${stopText(stopping)}`, 'dim']]]
  if (state === 'online') {
    const trip = traffic.roundTripMs > 0 ? `, ${formatDuration(traffic.roundTripMs)} away` : ''
    return [[...head, [`  ${safe(server)}${trip}`, 'dim']]]
  }
  const wait = retryInMs === undefined || retryInMs < 100 ? 'now' : `in ${formatDuration(retryInMs)}`
  const next = retryInMs === undefined ? safe(server) : `next try ${wait}`
  const lines: Span[][] = [[...head, [`  ${next}`, 'dim']]]
  if (reason !== '') lines.push([label(''), [safe(reason)]])
  if (cure !== '') lines.push([label('To do'), [safe(cure), 'yellow']])
  return lines
}

function tunnelLines(tunnel: TunnelView, isAlone: boolean, hasRoom: boolean, columns: number): Span[][] {
  const { target, targetFault, allowlists, kind, requests, requestsPerSecond, open } = tunnel
  const own = isAlone ? '' : `  ${figures(countOf(requests, kind), requestsPerSecond, open)}`
  const lines: Span[][] = [...addressLines(tunnel, columns)]
  const trouble: Span[] = targetFault === '' ? [] : [[`  ${safe(targetFault)}`, 'red']]
  lines.push(...wrap([label('Target'), [safe(target)], ...trouble, [own, 'dim']], columns, LABEL_CELLS))
  if (hasRoom || allowlists.length > 0) {
    lines.push(...wrap([label('Visitors'), [visitorsText(allowlists)]], columns, LABEL_CELLS))
  }
  return lines
}

function addressLines({ urls, waiting, fault, cure }: TunnelView, columns: number): Span[][] {
  const addresses = [
    ...urls.map(url => ({ url, note: '' })),
    ...waiting.map(({ url, reason, cure }) => ({ url, note: `reserved, but ${reason}: ${cure}` })),
  ]
  if (addresses.length === 0) {
    const why: Span = fault === '' ? ['none yet', 'dim'] : [safe(fault), 'red']
    const lines = wrap([label('Address'), why], columns, LABEL_CELLS)
    return cure === '' ? lines : [...lines, ...wrap([label('To do'), [safe(cure), 'yellow']], columns, LABEL_CELLS)]
  }
  return addresses.flatMap(({ url, note }, index) => {
    const address = safe(url)
    // An address is there to be copied: in a narrow terminal it gets the whole line.
    const isNarrow = LABEL_CELLS + cellsOf(address) > columns
    const head: Span[] = isNarrow ? [] : [label(index === 0 ? 'Address' : '')]
    const lines = wrap([...head, [address, 'bold']], columns, 0)
    if (note !== '') lines.push(...wrap([label(''), [safe(note), 'yellow']], columns, LABEL_CELLS))
    return lines
  })
}

function label(text: string): Span {
  return [text.padEnd(LABEL_CELLS), 'dim']
}

function traffic({ bytesIn, bytesOut, bytesInPerSecond, bytesOutPerSecond }: View): string {
  const way = (name: string, bytes: number, rate: number) => `${name} ${formatBytes(bytes)} (${formatBytes(rate)}/s)`
  return `${way('in', bytesIn, bytesInPerSecond)}, ${way('out', bytesOut, bytesOutPerSecond)}`
}

function served({ tunnels, traffic }: View): string {
  const counts = countsOf(tunnels.map(({ kind, requests }) => ({ kind, count: requests })))
  const perSecond = tunnels.reduce((sum, { requestsPerSecond }) => sum + requestsPerSecond, 0)
  return figures(counts, perSecond, traffic.open)
}

function figures(counts: string, perSecond: number, open: number): string {
  return `${counts} (${perSecond}/s), ${open} open`
}
