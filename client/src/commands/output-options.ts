// How a command's output looks, from its options and the terminal.
import type { Environment } from '../config/config.ts'
import type { OutputOptions } from '../output/output.ts'
import type { Context } from './command.ts'

/** A view is drawn only in a terminal of known size; colours only in a view, and not with NO_COLOR. */
export function outputOptions(isJson: boolean, { env, stdout, stderr }: Context): OutputOptions {
  // Without a size, as in a container without a terminal attached, there may be no one to see a view.
  const isDrawn = stdout.isTTY && knowsSequences(env) && stdout.columns !== undefined && stdout.rows !== undefined
  // NO_COLOR as https://no-color.org has it.
  return { stdout, stderr, isJson, isDrawn, isColored: isDrawn && !env.NO_COLOR }
}

/** Whether the terminal moves its cursor and changes its colours when it is told so. */
function knowsSequences({ TERM: name }: Environment): boolean {
  if (name === undefined) return process.platform === 'win32' // which has no such variable
  return name !== 'dumb' && name !== 'unknown'
}
