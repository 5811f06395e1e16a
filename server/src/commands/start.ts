// `pbt-server start`: runs the server in the foreground until it is told to stop.
import { systemClock } from '@pbt/proto'
import { showPortRange } from '../config/config.ts'
import { type Log, type LogLevel, logLine, openLog } from '../observe/log.ts'
import { inheritedSockets } from '../process/inherited.ts'
import type { Command, Context } from './command.ts'

/** How long the readers of log and output have for what is left of them when the server has ended. */
const LAST_WORDS_MS = 1_000

/** Ends after a signal to stop, once the server has closed in order. */
export const start: Command = {
  name: 'start',
  summary: 'run the server in the foreground',
  isStart: true,
  run: async ({ config, settings, odd }, output, context) => {
    const log = logOf(config.logLevel, context)
    for (const each of odd) log.warn('an environment variable is ignored', { ...each })
    // Listened to from the beginning, so that a signal while starting still leads to an orderly end.
    const told = new Promise<void>(resolve => context.onStopSignal(resolve))
    // Loaded by this command alone: all others are there at once.
    const { startServer } = await import('../server.ts')
    const server = await startServer({
      settings,
      log,
      clock: systemClock,
      sockets: inheritedSockets(process.env, process.pid),
      linesDropped: () => context.stdout.dropped + context.stderr.dropped,
    })
    context.onReloadSignal(() => server.reload())
    const { baseDomain, dnsPort, portRange, publicAddress, publicHttpsPort, publicHttpPort } = config
    output({
      event: 'ready',
      baseDomain,
      ...server.ports,
      ...(publicHttpsPort === 0 ? {} : { publicHttps: publicHttpsPort }),
      ...(publicHttpPort === 0 ? {} : { publicHttp: publicHttpPort }),
      dns: dnsPort,
      portRange: showPortRange(portRange),
      ...(server.authorityFile === undefined ? {} : { ca: server.authorityFile }),
      ...(publicAddress.length === 0 ? {} : { publicAddress }),
    })
    await told
    output({ event: 'stopping' })
    await server.stop()
    output({ event: 'stopped' })
    await Promise.all([context.stdout.leave(LAST_WORDS_MS), context.stderr.leave(LAST_WORDS_MS)])
  },
}

/** On stderr, as far as that is read. */
function logOf(level: LogLevel, { stderr, isTerminal }: Context): Log {
  stderr.note = lines =>
    logLine({ level: 'warn', message: 'log lines were not read in time and are left out', lines }, isTerminal)
  return openLog({ level, stream: stderr.asStream(), isForPeople: isTerminal })
}
