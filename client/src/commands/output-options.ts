// How a command's output looks, from its options and the terminal.
import type { OutputOptions } from '../output.ts'
import type { Context } from './command.ts'

/** `NO_COLOR` as https://no-color.org has it. */
export function outputOptions(isJson: boolean, { env, stdout, stderr }: Context): OutputOptions {
  return { stdout, stderr, isJson, isColored: !env.NO_COLOR && env.TERM !== 'dumb' }
}
