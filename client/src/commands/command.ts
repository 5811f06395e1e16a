// What a command is, and what it is given.
import type { ArgumentsCamelCase, Argv } from 'yargs'
import type { Outlet } from '../../../launch/outlet.ts'
import { type Environment, unknownVariables } from '../config/config.ts'
import type { ExitCode } from '../failure.ts'

/** The process as commands see it. */
export interface Context {
  readonly env: Environment
  readonly stdin: NodeJS.ReadStream
  readonly stdout: Outlet
  readonly stderr: Outlet
  /**
   * Calls `stop` at the first SIGINT, SIGTERM or SIGHUP, and again at the second: now at once. A command that has not ended
   * 1.5 s later, or at a third, ends with the process. Returns what stops it.
   */
  readonly onStopSignal: (stop: () => void) => () => void
  /** Has the terminal given back whatever happens; `release` is called at most once. */
  readonly atExit: (release: () => void) => void
}

/** Tells of variables that are probably slips; they stop nothing. */
export function tellUnknownVariables({ env, stderr }: Context): void {
  const names = unknownVariables(env)
  if (names.length > 0) stderr.say(`pbt: unknown variables, ignored: ${names.sort().join(', ')}\n`)
}

/** A command as a value. `Options`: the names as on the command line. */
export interface Command<Options> {
  /** As in the help: the name and the positional arguments. */
  readonly usage: string
  readonly summary: string
  /** What it cannot do without, with an example: ends "pbt http needs …". */
  readonly needs: string
  readonly build: (yargs: Argv) => Argv<Options>
  /** Throws Failure for what the user can mend. */
  readonly run: (options: ArgumentsCamelCase<Options>, context: Context) => Promise<ExitCode>
}
