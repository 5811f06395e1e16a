// What a command is, and what it is given.
import type { Output, OutputStreams } from '../output.ts'

/** The process as commands see it. */
export interface Context extends OutputStreams {
  /** stderr is a terminal. */
  readonly isTerminal: boolean
  /** Calls `stop` at the first SIGINT or SIGTERM; a second one ends the process at once. */
  readonly onStopSignal: (stop: () => void) => void
  /** Calls `reload` at each SIGHUP. */
  readonly onReloadSignal: (reload: () => void) => void
}

/** Tells people of a variable that counts for nothing, beside what the command says. */
export function warnIn({ stderr }: OutputStreams): (variable: string, why: string) => void {
  return (variable, why) => stderr.write(`pbt-server: the variable ${variable} counts for nothing: ${why}\n`)
}

export interface CommandOptions {
  readonly config: string | undefined
  /** Settings by key, as given. */
  readonly flags: Readonly<Record<string, unknown>>
  /** What stands without a name, by the names of `positionals`. */
  readonly values: Readonly<Record<string, unknown>>
}

/** A command as a value. Throws Failure and ConfigError for what the user can mend. */
export interface Command {
  readonly name: string
  readonly summary: string
  /** What may stand after the command, in order: its name as yargs has it (`[address]`, `[block..]`) and what it is. */
  readonly positionals?: readonly (readonly [name: string, doc: string])[]
  readonly run: (options: CommandOptions, output: Output, context: Context) => Promise<void>
}
