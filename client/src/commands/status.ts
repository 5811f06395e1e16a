// `pbt status`: the tunnels of this user, asked of the processes that hold them.
import { setTimeout as pause } from 'node:timers/promises'
import { homeOf } from '../config/config.ts'
import { EXIT } from '../failure.ts'
import { statusOutput } from '../output/status.ts'
import { askAll } from '../tunnels/ask.ts'
import type { Command } from './command.ts'
import { JSON_LINES } from './options.ts'
import { outputOptions } from './output-options.ts'

const WATCH_EVERY_MS = 1_000

interface StatusOptions {
  watch: boolean | undefined
  json: boolean | undefined
}

/** Shows the processes once, or every second with `--watch`; needs no server and no token. */
export const status: Command<StatusOptions> = {
  usage: 'status',
  summary: 'show the tunnels of this user on this machine: state, public address, target, visitors, traffic',
  needs: 'nothing',
  build: yargs =>
    yargs
      .option('watch', { type: 'boolean', describe: 'go on showing them, every second' })
      .option('json', JSON_LINES)
      .example('$0 status --watch', 'until Ctrl-C'),
  run: async ({ watch, json }, context) => {
    const home = homeOf(context.env)
    const isWatching = watch === true
    const output = statusOutput({ ...outputOptions(json === true, context), isWatching })
    context.atExit(() => output.close())
    const stopping = new AbortController()
    const ignoreSignals = context.onStopSignal(() => stopping.abort())
    try {
      do {
        output.show(await askAll(home))
        if (isWatching) await pause(WATCH_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => {})
      } while (isWatching && !stopping.signal.aborted && !context.stdout.isClosed)
    } finally {
      ignoreSignals()
      output.close()
    }
    return EXIT.stopped
  },
}
