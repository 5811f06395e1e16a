// What a command is, and what it is given.
import { type Duration, durationFromMs, type Timestamp, timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { Config, Settings } from '../config/config.ts'
import { Failure } from '../failure.ts'
import type { Output, OutputStreams } from './output.ts'

/** The process as commands see it. */
export interface Context extends OutputStreams {
  /** stderr is a terminal. */
  readonly isTerminal: boolean
  /** Calls `stop` at the first SIGINT or SIGTERM; a second one ends the process at once. */
  readonly onStopSignal: (stop: () => void) => void
  /** Calls `reload` at each SIGHUP. */
  readonly onReloadSignal: (reload: () => void) => void
}

/** A variable of the environment that counts for nothing. */
export interface OddVariable {
  readonly variable: string
  readonly why: string
}

/** The checked configuration, and the values from the command line. */
export interface CommandOptions {
  readonly config: Config
  /** The same, and where each value is from. */
  readonly settings: Settings
  /** Variables of the environment that count for nothing; `start` tells them, for all other commands they have been told. */
  readonly odd: readonly OddVariable[]
  /** What stands without a name, by the names of `positionals`, and the command's own options. */
  readonly values: Readonly<Record<string, unknown>>
}

/** An option of one command, with a value, as often as one likes. */
export interface CommandOption {
  readonly name: string
  readonly doc: string
  /** It has no value. */
  readonly isFlag?: boolean
  /** Offered by completion; the command itself checks what is given. */
  readonly choices?: readonly string[]
}

/** A command as a value. Throws Failure and ConfigError for what the user can mend. */
export interface Command {
  /** One word, or a group and a word: `token list`. */
  readonly name: string
  readonly summary: string
  /** What may stand after the command, in order: its name as yargs has it (`[address]`, `[block..]`) and what it is. */
  readonly positionals?: readonly (readonly [name: string, doc: string])[]
  readonly options?: readonly CommandOption[]
  /** It is what the settings are for: its help explains the usual ones. */
  readonly isStart?: boolean
  /** As root it stays root: it changes to the owner of the data directory by itself, when it has opened what is the caller's. */
  readonly keepsUser?: boolean
  readonly run: (options: CommandOptions, output: Output, context: Context) => Promise<void>
}

/** What was given for a positional or an option that may stand several times. */
export function textsIn(value: unknown): string[] {
  if (value === undefined) return []
  return (Array.isArray(value) ? value : [value]).map(String)
}

/** How long, as people write it: `90s`, `15m`, `8h`, `2d`. Nothing when it was not given. Throws Failure `usage`. */
export function durationIn(option: string, value: unknown): { duration?: Duration } {
  if (value === undefined) return {}
  const [, number, unit] = /^(\d{1,6})(s|m|h|d)$/.exec(String(value).trim()) ?? []
  if (number === undefined || unit === undefined || Number(number) === 0) {
    throw new Failure('usage', `--${option} "${String(value)}" is not a time`, {
      cure: 'for example 90s, 15m, 8h or 2d',
    })
  }
  return { duration: durationFromMs(Number(number) * UNITS_MS[unit as keyof typeof UNITS_MS]) }
}

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** A time of the API. */
export function timeIn(time: Timestamp | undefined): Date | undefined {
  return time === undefined ? undefined : timestampDate(time)
}

/** For the API. */
export function timestampOf(time: Date): Timestamp {
  return timestampFromDate(time)
}

/** All rows of a list that comes in pages. */
export async function everyPage<T>(
  ask: (pageToken: string) => Promise<{ rows: readonly T[]; nextPageToken: string }>,
): Promise<T[]> {
  const all: T[] = []
  let pageToken = ''
  do {
    const page = await ask(pageToken)
    all.push(...page.rows)
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  return all
}
