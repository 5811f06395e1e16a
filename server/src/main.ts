// The process of pbt-server: signals, last resorts and the exit code. Everything else is the command line's.
import { isIgnored } from '../../launch/ignored-signals.js'
import { Outlet } from '../../launch/outlet.ts'
import { onStopSignals } from '../../launch/stop-signals.ts'
import { EXIT, runCli } from './cli.ts'
import type { Context } from './commands/command.ts'
import { redact } from './observe/redact.ts'

process.title = 'pbt-server'
// Whatever this process makes is for its user alone: the database, its journal, keys.
process.umask(0o077)

/** Timers of the server do not keep the process alive; a command that runs does. */
setInterval(() => {}, 2 ** 30)

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const
// SIGHUP is for reloading as soon as a server runs; before that, as after nohup, it ends nothing that is to stay.
for (const signal of [...STOP_SIGNALS, 'SIGHUP'] as const)
  if (isIgnored(signal, process.env)) process.on(signal, () => {})

const stdout = new Outlet(process.stdout)
const stderr = new Outlet(process.stderr)
const context: Context = {
  stdout,
  stderr,
  isTerminal: stderr.isTTY,
  onStopSignal,
  onReloadSignal: reload => process.on('SIGHUP', reload),
}

process.on('uncaughtException', fatal)
process.on('unhandledRejection', fatal)

runCli(process.argv.slice(2), context).then(written, fatal)

/** What was said is part of what a command does: one that could not say it has failed. */
async function written(code: number): Promise<void> {
  await Promise.all([stdout.flush(), stderr.flush()])
  process.exit(code === EXIT.done && stdout.hasLost ? EXIT.failed : code)
}

function onStopSignal(stop: () => void): void {
  const stopAtOnce = () => {
    process.stderr.write('pbt-server: a second signal, stopped at once\n')
    process.exit(EXIT.failed)
  }
  onStopSignals({ stop, stopAtOnce, signals: STOP_SIGNALS, environment: process.env })
}

/** An unexpected error. The process does not go on: its state is not known any more; the supervisor starts it anew. */
function fatal(error: unknown): void {
  const line = { level: 'error', message: 'fault of pbt-server', error: redact('error', error), timestamp: new Date() }
  process.stderr.write(`${JSON.stringify(line)}\n`)
  process.exit(EXIT.failed)
}
