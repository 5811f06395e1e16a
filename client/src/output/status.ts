// What `pbt status` shows: a block for each process with its tunnels, or a JSON line for each tunnel.
import type { Outlet } from '../../../launch/outlet.ts'
import type { ProcessSnapshot, Status, TunnelSnapshot } from '../tunnels/events.ts'
import { countOf } from './counts.ts'
import { STATE_STYLE } from './frame.ts'
import { stopText, visitorsText } from './sentence.ts'
import { render, type Span, wrap } from './spans.ts'
import { formatBytes, formatDuration, safe } from './text.ts'

/** Call `close` once at the end: it gives the terminal back as it was. */
export interface StatusOutput {
  /** Shows how all stand at the moment; in a terminal that watches, instead of what was shown before. */
  show(all: readonly Status[]): void
  close(): void
}

/** Where it is shown, and in which of the three forms. */
export interface StatusOptions {
  readonly stdout: Outlet
  /** The terminal shows a view. */
  readonly isDrawn: boolean
  readonly isJson: boolean
  readonly isColored: boolean
  readonly isWatching: boolean
}

const ENTER = '\x1b[?1049h\x1b[?25l' // alternate screen, no cursor
const LEAVE = '\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
const CLEAR_LINE = '\x1b[K'
const CLEAR_BELOW = '\x1b[J'
const MOST_COLUMNS = 100_000
/** Of a line that goes on. */
const INDENT_CELLS = 4

/** JSON lines, a view that is drawn anew each time, or plain blocks, as the options say. */
export function statusOutput({ stdout, isJson, isColored, isDrawn, isWatching }: StatusOptions): StatusOutput {
  if (isJson) {
    return {
      show: all => {
        const time = new Date().toISOString()
        // At once: a reader who is slow gets all of it.
        stdout.write(
          all
            .flatMap(objects)
            .map(line => `${JSON.stringify({ ...line, time })}\n`)
            .join(''),
        )
      },
      close: () => {},
    }
  }
  const isScreen = isWatching && isDrawn
  const columns = () => {
    if (isScreen) return Math.max(1, (stdout.columns ?? 80) - 1)
    return (stdout.isTTY ? stdout.columns : undefined) ?? MOST_COLUMNS
  }
  if (isScreen) stdout.write(ENTER)
  let isOpen = isScreen
  return {
    show: all => {
      const lines = statusLines(all)
        // Lines that stay may be copied from.
        .flatMap(line => wrap(line, columns(), INDENT_CELLS, !isScreen))
        .map(line => render(line, isScreen ? columns() : MOST_COLUMNS, isColored))
      if (!isScreen) stdout.write(`${lines.join('\n')}\n`)
      else if (!stdout.writableNeedDrain)
        stdout.write(`${HOME}${lines.slice(0, stdout.rows ?? 24).join(`${CLEAR_LINE}\r\n`)}${CLEAR_LINE}${CLEAR_BELOW}`)
    },
    close: () => {
      if (isOpen) stdout.write(LEAVE)
      isOpen = false
    },
  }
}

function objects(status: Status): Record<string, unknown>[] {
  if (status.kind === 'silent') return [{ event: 'silent', pid: status.pid }]
  const { pid, server, state, tunnels } = status.snapshot
  const reason = reasonOf(status.snapshot)
  return tunnels.map(({ name, fault, allow: _said, isStopped, isKilled, ...tunnel }) => ({
    event: 'tunnel',
    tunnel: name,
    state: isStopped ? 'stopped' : isKilled ? 'killed' : fault === '' ? state : 'down',
    reason: isStopped ? '' : fault || reason,
    ...tunnel,
    pid,
    server,
  }))
}

/** Lines of safe text; at least one. */
export function statusLines(all: readonly Status[]): Span[][] {
  if (all.length === 0) return [[['no tunnel of this user is running; "pbt http 3000" opens one']]]
  const blocks = all.map(status => (status.kind === 'silent' ? silentLines(status.pid) : processLines(status.snapshot)))
  return blocks.flatMap((lines, index) => (index === 0 ? lines : [[], ...lines]))
}

function silentLines(pid: number): Span[][] {
  return [[['not answering', 'red'], [`  process ${pid} did not respond`]]]
}

function reasonOf({ reason, stopping }: ProcessSnapshot): string {
  return stopping === undefined ? reason : stopText(stopping)
}

function processLines(snapshot: ProcessSnapshot): Span[][] {
  const { pid, server, state, tunnels, traffic, isDaemon, faults } = snapshot
  const reason = reasonOf(snapshot)
  const trip = traffic.roundTripMs > 0 ? `, ${formatDuration(traffic.roundTripMs)} away` : ''
  const rest = reason === '' ? '' : `  ${safe(reason)}`
  return [
    [
      [state, STATE_STYLE[state]],
      [`  ${safe(server)}${trip}  ${isDaemon ? 'daemon, ' : ''}process ${pid}`, 'dim'],
      [rest],
    ],
    ...faults.map((fault): Span[] => [[`  ${safe(fault)}`, 'red']]),
    ...tunnels.flatMap(tunnelLines),
  ]
}

function tunnelLines(tunnel: TunnelSnapshot): Span[][] {
  const { urls, waiting, target, targetFault, allowlists, fault, cure, requests, open, bytesIn, bytesOut, kind } =
    tunnel
  if (tunnel.isStopped)
    return [[[`  ${safe(tunnel.name || kind)}`, 'bold'], [`  to ${safe(target)}`], ['  stopped', 'yellow']]]
  const waits = waiting.flatMap(({ url, reason, cure }): Span[][] => [
    [
      [`  ${safe(url)}`, 'bold'],
      ...(isNamed(url, tunnel.name) ? [] : [[`  ${safe(tunnel.name)}`] as Span]),
      [`  to ${safe(target)}`],
      [`  reserved, but ${safe(reason)}`, 'yellow'],
    ],
    ...(cure === '' ? [] : [[[`    to do: ${safe(cure)}`, 'yellow']] as Span[]]),
  ])
  if (urls.length === 0 && waits.length > 0) return waits
  if (urls.length === 0) {
    const why: Span = fault === '' ? ['  no address yet', 'dim'] : [`  ${safe(fault)}`, 'red']
    const toDo: Span[][] = cure === '' ? [] : [[[`  to do: ${safe(cure)}`, 'yellow']]]
    return [[[`  ${safe(tunnel.name || kind)}  to ${safe(target)}`], why], ...toDo]
  }
  const who = allowlists.length === 0 ? '' : `, for ${visitorsText(allowlists)}`
  const lines = urls.map((url, index) => {
    const address: Span = [`  ${safe(url)}`, 'bold']
    if (index > 0) return [address]
    const done = `${countOf(requests, kind)}, ${open} open, ${formatBytes(bytesIn)} in, ${formatBytes(bytesOut)} out`
    const trouble: Span[] = targetFault === '' ? [] : [[`  ${safe(targetFault)}`, 'red']]
    const called: Span[] = isNamed(url, tunnel.name) ? [] : [[`  ${safe(tunnel.name)}`]]
    return [address, ...called, [`  to ${safe(target)}`], ...trouble, [`  ${done}${who}`]] as Span[]
  })
  return [...lines, ...waits]
}

/** The address says how the tunnel is called; else nobody would know what to give to "pbt tunnel stop". */
function isNamed(url: string, name: string): boolean {
  const host = URL.parse(url)?.hostname ?? ''
  return name === '' || (url.startsWith('http') && (host === name || host.startsWith(`${name}.`)))
}
