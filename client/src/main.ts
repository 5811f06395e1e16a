// The process of pbt: signals, last resorts and the exit code. Everything else is the command line's.
import { isIgnored } from '../../launch/ignored-signals.js'
import { Outlet } from '../../launch/outlet.ts'
import { onStopSignals } from '../../launch/stop-signals.ts'
import { setVariables } from '../../launch/variables.ts'
import { runCli } from './cli.ts'
import type { Context } from './commands/command.ts'
import { EXIT } from './failure.ts'

// The token may be an argument of `init`: from here on it is not seen in the process list any more.
process.title = 'pbt'

/** What a command may take after a second signal: longer than a goodbye to the server, which ends its visitors' connections. */
const AT_ONCE_MS = 1_500

/** Timers of the protocol do not keep the process alive; a command that runs does. */
const alive = setInterval(() => {}, 2 ** 30)
const releases: (() => void)[] = []
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
for (const signal of STOP_SIGNALS) if (isIgnored(signal, process.env)) process.on(signal, () => {})

const stdout = new Outlet(process.stdout)
const stderr = new Outlet(process.stderr)
const context: Context = {
  env: setVariables(process.env),
  stdin: process.stdin,
  stdout,
  stderr,
  onStopSignal,
  atExit: release => releases.push(release),
}

process.on('uncaughtException', fatal)
process.on('unhandledRejection', fatal)

runCli(process.argv.slice(2), context).then(written, fatal)

/** What was said is part of what a command does: one that could not say it has failed. */
async function written(code: number): Promise<void> {
  await Promise.all([stdout.flush(), stderr.flush()])
  exit(code === EXIT.stopped && stdout.hasLost ? EXIT.failed : code)
}

function onStopSignal(stop: () => void): () => void {
  let deadline: NodeJS.Timeout | undefined
  const stopAtOnce = () => {
    if (deadline !== undefined) exit(EXIT.stopped)
    deadline = setTimeout(() => exit(EXIT.stopped), AT_ONCE_MS)
    stop()
  }
  const ignore = onStopSignals({ stop, stopAtOnce, signals: STOP_SIGNALS, environment: process.env })
  return () => {
    clearTimeout(deadline)
    ignore()
  }
}

/** An unexpected error. The process does not go on: its state is not known any more. */
function fatal(error: unknown): void {
  release()
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`pbt: this is a fault of pbt: ${text.replaceAll('\n', ' | ')}\n`)
  exit(EXIT.failed)
}

function release(): void {
  for (const one of releases.splice(0)) one()
}

function exit(code: number): void {
  release()
  clearInterval(alive)
  process.exit(code)
}
