// `pbt-server start`: runs the server in the foreground until it is told to stop.
import { systemClock } from '@pbt/proto'
import { showPortRange } from '../config/config.ts'
import { openLog } from '../observe/log.ts'
import { inheritedSockets } from '../process/inherited.ts'
import { startServer } from '../server.ts'
import type { Command } from './command.ts'

export const start: Command = {
  name: 'start',
  summary: 'run the server in the foreground',
  isStart: true,
  run: async ({ config, odd }, output, context) => {
    const log = openLog({ level: config.logLevel, stream: context.stderr, isForPeople: context.isTerminal })
    for (const each of odd) log.warn('a variable of the environment counts for nothing', { ...each })
    // Listened to from the beginning, so that a signal while starting still leads to an orderly end.
    const told = new Promise<void>(resolve => context.onStopSignal(resolve))
    const server = await startServer({
      config,
      log,
      clock: systemClock,
      sockets: inheritedSockets(process.env, process.pid),
    })
    context.onReloadSignal(() => server.reload())
    const { baseDomain, dnsPort, portRange, publicAddress } = config
    output({
      event: 'ready',
      baseDomain,
      ...server.ports,
      dns: dnsPort,
      portRange: showPortRange(portRange),
      ...(server.authorityFile === undefined ? {} : { ca: server.authorityFile }),
      ...(publicAddress.length === 0 ? {} : { publicAddress }),
    })
    await told
    output({ event: 'stopping' })
    await server.stop()
    output({ event: 'stopped' })
  },
}
