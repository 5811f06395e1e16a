// `pbt up --file`: the tunnels of a file in the foreground, as the daemon keeps them.
import { realpathSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { homeOf, readSettings } from '../config/config.ts'
import { readTunnels } from '../daemon/file-store.ts'
import { Keeper } from '../daemon/keeper.ts'
import { type ExitCode, Failure } from '../failure.ts'
import { type Output, runningOutput } from '../output/output.ts'
import { type Context, tellUnknownVariables } from './command.ts'
import { outputOptions } from './output-options.ts'
import { isAsked, LAST_WORDS_MS } from './tunnels.ts'

/** Serves until a signal, a refused token or the owner ends it. Throws Failure for mistakes in the file. */
export async function runFile(path: string, isJson: boolean, context: Context): Promise<ExitCode> {
  tellUnknownVariables(context)
  const file = realPath(path)
  readTunnels(file)
  readSettings(context.env)
  let output: Output | undefined
  const keeper = new Keeper({
    ...{ env: context.env, home: homeOf(context.env), file, purpose: { kind: 'file', path: file } },
    ...{ isDaemon: false, isAskedByOwner: isAsked(context) },
    events: {
      opened: (number, kind, visitor) => output?.opened(number, kind, visitor),
      over: (number, record) => output?.request(number, record),
      event: event => output?.event(event),
      say: text => output?.say(text),
    },
  })
  const shown = runningOutput(outputOptions(isJson, context), keeper.prepare())
  output = shown
  context.atExit(() => shown.close())
  keeper.holder.answer()
  context.atExit(() => keeper.holder.end())
  const ignoreSignals = context.onStopSignal(() => keeper.stop())
  try {
    return await keeper.run()
  } finally {
    ignoreSignals()
    shown.close()
    await Promise.all([context.stdout.leave(LAST_WORDS_MS), context.stderr.leave(LAST_WORDS_MS)])
  }
}

function realPath(path: string): string {
  try {
    const real = realpathSync(resolve(path))
    // Standard input has a path that leads to nothing.
    statSync(real)
    return real
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    throw new Failure('usage', `--file "${path}" ${isMissing ? 'does not exist' : 'cannot be read'}`, {
      cure: 'give the path of a file of tunnels, such as docs/tunnels.example.yaml; it is read again when it changes, so a pipe is none',
      cause,
    })
  }
}
