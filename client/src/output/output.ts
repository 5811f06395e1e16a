// The only place that writes to the terminal: JSON lines for programs, plain lines, or a live view.
import { type ChannelKind, systemClock } from '@pbt/proto'
import type { Outlet } from '../../../launch/outlet.ts'
import type { ClientEvent, Running } from '../tunnels/events.ts'
import type { RequestRecord } from '../tunnels/requests.ts'
import { JsonLines, jsonLine } from './json.ts'
import { Lines } from './lines.ts'
import { Live } from './live.ts'
import { sentence } from './sentence.ts'

/** What a command tells. */
export interface Output {
  event(event: ClientEvent): void
  /** A connection or flow of the tunnel with this number has begun; `visitor`: its address and port. */
  opened(tunnel: number, kind: ChannelKind, visitor: string): void
  /** A request, connection or flow of the tunnel with this number is over. Cheap: nothing is written before the next drawing. */
  request(tunnel: number, record: RequestRecord): void
  /** Words that belong to no event, for people. */
  say(text: string): void
  /** Stops the live view, writes what waits and gives the terminal back. Again: nothing. */
  close(): void
}

/** The two streams, and what may be written to them. */
export interface OutputOptions {
  readonly stdout: Outlet
  readonly stderr: Outlet
  readonly isJson: boolean
  /** The terminal can show a view. */
  readonly isDrawn: boolean
  /** It has colours, and the user wants them. */
  readonly isColored: boolean
}

/** For a command that does one thing and ends. */
export function plainOutput({ stdout, stderr, isJson }: OutputOptions): Output {
  if (isJson) return jsonOutput(stdout, stderr)
  return {
    event: event => (event.event === 'error' ? stderr : stdout).say(`pbt: ${sentence(event)}\n`),
    opened: () => {},
    request: () => {},
    say: text => stderr.say(`${text}\n`),
    close: () => {},
  }
}

/** For a command that goes on: a live view in a terminal that can show it, otherwise lines. */
export function runningOutput(options: OutputOptions, running: Running): Output {
  const { stdout, stderr, isJson, isDrawn } = options
  if (isJson) return jsonOutput(stdout, stderr)
  return isDrawn ? liveOutput(options, running) : linesOutput(stdout, stderr)
}

function jsonOutput(stdout: Outlet, stderr: Outlet): Output {
  stdout.note = lines => jsonLine('dropped', Date.now(), { lines })
  stderr.note = lines => `pbt: ${lines} lines were not read in time and are left out\n`
  const lines = new JsonLines(systemClock, Date.now, (text, isMinor) => stdout.write(text, isMinor))
  return {
    event: event => lines.event(event),
    opened: (tunnel, kind, visitor) => lines.opened(tunnel, kind, visitor),
    request: (tunnel, record) => lines.request(tunnel, record),
    say: text => stderr.say(`${text}\n`),
    close: () => lines.flush(),
  }
}

function linesOutput(stdout: Outlet, stderr: Outlet): Output {
  for (const outlet of [stdout, stderr])
    outlet.note = lines => `${new Date().toISOString()} ${lines} lines were not read in time and are left out\n`
  const lines = new Lines(systemClock, Date.now, text => stdout.say(text))
  return {
    event: event => {
      if (event.event === 'error') stderr.say(`pbt: ${sentence(event)}\n`)
      else lines.event(event)
    },
    opened: () => {},
    request: (tunnel, record) => lines.request(tunnel, record),
    say: text => stderr.say(`${text}\n`),
    close: () => lines.flush(),
  }
}

function liveOutput({ stdout: screen, isColored }: OutputOptions, running: Running): Output {
  const live = new Live({ clock: systemClock, wallTime: Date.now, screen, isColored, ...running })
  // Ctrl-Z: the shell gets its screen back until the process goes on.
  const stopped = () => {
    live.pause()
    process.kill(process.pid, 'SIGSTOP')
  }
  const goesOn = () => live.open()
  process.on('SIGTSTP', stopped)
  process.on('SIGCONT', goesOn)
  live.open()
  return {
    event: event => live.event(event),
    opened: () => live.changed(),
    request: (tunnel, record) => live.request(tunnel, record),
    say: () => {},
    close: () => {
      process.off('SIGTSTP', stopped)
      process.off('SIGCONT', goesOn)
      live.close()
    },
  }
}
