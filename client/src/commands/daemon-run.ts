// `pbt daemon run`: the daemon itself, in the foreground; what "pbt daemon start" and the units run.
import { join } from 'node:path'
import { systemClock } from '@pbt/proto'
import { type Environment, homeOf, stateOf, tunnelsFileOf } from '../config/config.ts'
import { Keeper } from '../daemon/keeper.ts'
import { LogFile } from '../daemon/log.ts'
import { alreadyRuns, becomeDaemon, findDaemon } from '../daemon/pid-file.ts'
import { Lines } from '../output/lines.ts'
import { type Command, type Context, tellUnknownVariables } from './command.ts'

/** Where the daemon of this environment logs. */
export function logPathOf(env: Environment): string {
  return join(stateOf(env), 'daemon.log')
}

/** Stays until it is told to stop. Throws Failure `running` when the home has a daemon. */
export const run: Command<Record<string, unknown>> = {
  usage: 'run',
  summary: 'the daemon itself, in the foreground, for what supervises programs',
  needs: 'nothing',
  build: yargs => yargs,
  run: async (_options, context) => {
    tellUnknownVariables(context)
    const home = homeOf(context.env)
    // Told before anything is opened; the file decides between two that start at once.
    const running = await findDaemon(home)
    if (running !== undefined) throw alreadyRuns(running.pid)
    const log = new LogFile(logPathOf(context.env))
    const write = (text: string) => {
      log.write(text)
      context.stdout.write(text)
    }
    const lines = new Lines(systemClock, Date.now, write)
    const say = (text: string) => write(`${new Date().toISOString()} ${text}\n`)
    const keeper = new Keeper({
      ...{ env: context.env, home, file: tunnelsFileOf(home), purpose: { kind: 'daemon' } },
      ...{ isDaemon: true, isAskedByOwner: false },
      events: {
        ...{ opened: () => {}, over: () => {}, say },
        event: event => lines.event(event),
      },
    })
    return await keep(keeper, home, context, say)
  },
}

async function keep(keeper: Keeper, home: string, context: Context, say: (text: string) => void) {
  keeper.prepare()
  keeper.holder.answer()
  context.atExit(() => keeper.holder.end())
  const giveUp = await becomeDaemon(home)
  context.atExit(giveUp)
  const ignoreSignals = context.onStopSignal(() => keeper.stop())
  say(`pbt: the daemon begins, process ${process.pid}`)
  try {
    return await keeper.run()
  } finally {
    ignoreSignals()
    giveUp()
    say('pbt: the daemon has stopped')
  }
}
