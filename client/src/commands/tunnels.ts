// Runs tunnels in the foreground until they end: what every command that serves has in common.
import { readSettings, type Settings } from '../config/config.ts'
import type { ExitCode } from '../failure.ts'
import { type Output, runningOutput } from '../output/output.ts'
import { isAttended } from '../process/attended.ts'
import { Holder } from '../tunnels/holder.ts'
import { planOf, type TunnelSpec } from '../tunnels/specs.ts'
import { type Context, tellUnknownVariables } from './command.ts'
import { outputOptions } from './output-options.ts'

/** How long the reader of the output has for what is left of it when the tunnels have ended. */
export const LAST_WORDS_MS = 1_000

/**
 * Serves until a signal, a refusal or the owner ends it. Throws Failure when it cannot begin. `spelt`: hints in the spelling of the
 * command, which the server and others that give them do not know.
 */
export async function runTunnels(
  specs: readonly TunnelSpec[],
  isJson: boolean,
  context: Context,
  spelt: (hint: string) => string = hint => hint,
): Promise<ExitCode> {
  for (const spec of specs) planOf(spec)
  tellUnknownVariables(context)
  const settings = readSettings(context.env)
  let output: Output | undefined
  const holder = new Holder({
    home: settings.home,
    settings,
    purpose: tunnels => ({ kind: 'tunnels', tunnels }),
    spelt,
    isDaemon: false,
    keepsEnded: false,
    events: {
      opened: (number, kind, visitor) => output?.opened(number, kind, visitor),
      over: (number, record) => output?.request(number, record),
      event: event => output?.event(event),
      say: text => output?.say(text),
    },
    stop: () => holder.stop(),
  })
  const running = holder.prepare(specs.map(spec => ({ spec, isStopped: false })))
  output = runningOutput(outputOptions(isJson, context), running)
  const shown = output
  context.atExit(() => shown.close())
  holder.answer()
  context.atExit(() => holder.end())
  return await runToEnd(holder, settings, context, shown)
}

/** Resolves when the tunnels are over and the last words are written. */
async function runToEnd(holder: Holder, settings: Settings, context: Context, output: Output): Promise<ExitCode> {
  const ignoreSignals = context.onStopSignal(() => holder.stop())
  try {
    return await holder.begin(isAsked(context), settings)
  } finally {
    ignoreSignals()
    holder.end()
    output.close()
    await Promise.all([context.stdout.leave(LAST_WORDS_MS), context.stderr.leave(LAST_WORDS_MS)])
  }
}

/** A person has run the command, not a service manager. */
export function isAsked({ env, stdin, stdout, stderr }: Context): boolean {
  const hasTerminal = stdin.isTTY === true || stdout.isTTY || stderr.isTTY
  return isAttended({ env, pid: process.pid, parentPid: process.ppid, hasTerminal })
}
