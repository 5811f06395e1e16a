// `pbt tunnel list|start|stop|remove`: the tunnels that the daemon holds.
import { homeOf, tunnelsFileOf } from '../config/config.ts'
import { readTunnels } from '../daemon/file-store.ts'
import { findDaemon } from '../daemon/pid-file.ts'
import { EXIT, Failure } from '../failure.ts'
import { statusOutput } from '../output/status.ts'
import { nameOf } from '../tunnels/specs.ts'
import type { Command, Context } from './command.ts'
import { runningDaemon } from './daemon.ts'
import { JSON_LINES } from './options.ts'
import { outputOptions } from './output-options.ts'
import { steer, tell } from './telling.ts'

interface ListOptions {
  json: boolean | undefined
}

const EMPTY = 'holds no tunnels; add --detach to a command, such as "pbt http 3000 --detach"'

/** Also those that are stopped, and where no daemon runs those that it would hold. */
export const list: Command<ListOptions> = {
  usage: 'list',
  summary: 'show the tunnels that the daemon holds',
  needs: 'nothing',
  build: yargs => yargs.option('json', JSON_LINES),
  run: async ({ json }, context) => {
    const isJson = json === true
    const home = homeOf(context.env)
    const daemon = await findDaemon(home)
    if (daemon !== undefined) {
      const output = statusOutput({ ...outputOptions(isJson, context), isWatching: false })
      output.show([daemon.status])
      output.close()
      const isEmpty = daemon.status.kind === 'answered' && daemon.status.snapshot.tunnels.length === 0
      if (isEmpty && !isJson) context.stdout.say(`pbt: the daemon ${EMPTY}\n`)
      return EXIT.stopped
    }
    const entries = readTunnels(tunnelsFileOf(home))
    const reason = 'the daemon does not run'
    for (const { spec, isStopped } of entries) {
      const { kind, target } = spec
      const tunnel = nameOf(spec)
      const state = isStopped ? 'stopped' : 'offline'
      const words = `${tunnel || kind}  to ${target}  ${state}`
      tell(isJson, context, { event: 'tunnel', tunnel, kind, target, urls: [], state, reason }, words)
    }
    if (!isJson) {
      const what = entries.length === 0 ? `it ${EMPTY}` : '"pbt daemon start" starts it'
      context.stdout.say(`pbt: ${reason}; ${what}\n`)
    }
    return EXIT.stopped
  },
}

interface NameOptions {
  tunnel: string | undefined
  json: boolean | undefined
}

/** Opens it again, also after the owner ended it on the server; starts the daemon where it does not run. */
export const startTunnel: Command<NameOptions> = {
  ...named('start', 'start a tunnel again that was stopped, or that was ended on the server'),
  run: async ({ tunnel, json }, context) => {
    const home = homeOf(context.env)
    const pid = await runningDaemon(home, context)
    return await steer(home, pid, { request: 'start', tunnel: tunnel ?? '' }, json === true, context)
  },
}

/** It stays in the list, also over restarts. */
export const stopTunnel: Command<NameOptions> = {
  ...named('stop', 'stop a tunnel and keep it stopped; what is under way may end within 10 s'),
  run: (options, context) => ofRunning('stop', options, context),
}

/** Its addresses stay reserved on the server. */
export const removeTunnel: Command<NameOptions> = {
  ...named('remove', 'stop a tunnel and forget it; its addresses stay reserved on the server'),
  run: (options, context) => ofRunning('remove', options, context),
}

function named(verb: string, summary: string) {
  return {
    usage: `${verb} <tunnel>`,
    summary,
    needs: `the name of a tunnel, for example: pbt tunnel ${verb} app`,
    build: (yargs =>
      yargs
        .positional('tunnel', { type: 'string', describe: 'its name, or its target; "pbt tunnel list" shows both' })
        .option('json', JSON_LINES)) as Command<NameOptions>['build'],
  }
}

async function ofRunning(request: 'stop' | 'remove', { tunnel, json }: NameOptions, context: Context) {
  const home = homeOf(context.env)
  const daemon = await findDaemon(home)
  if (daemon === undefined) {
    throw new Failure('not-running', 'the daemon does not run', {
      cure: `start it with "pbt daemon start", or edit ${tunnelsFileOf(home)}`,
    })
  }
  return await steer(home, daemon.pid, { request, tunnel: tunnel ?? '' }, json === true, context)
}
