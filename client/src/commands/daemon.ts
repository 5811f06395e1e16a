// `pbt daemon …`: the process that keeps tunnels up, whoever is logged in.
import { setTimeout as pause } from 'node:timers/promises'
import { homeOf, readSettings, tunnelsFileOf } from '../config/config.ts'
import { readTunnels, stampOf } from '../daemon/file-store.ts'
import { lastLines } from '../daemon/log.ts'
import { alreadyRuns, findDaemon } from '../daemon/pid-file.ts'
import { Service } from '../daemon/service.ts'
import { startDaemon, waitForEnd } from '../daemon/start.ts'
import { EXIT, type ExitCode, Failure } from '../failure.ts'
import { plural } from '../output/counts.ts'
import { safe } from '../output/text.ts'
import { ask } from '../tunnels/ask.ts'
import { type Command, type Context, tellUnknownVariables } from './command.ts'
import { logPathOf } from './daemon-run.ts'
import { JSON_LINES } from './options.ts'
import { tell } from './telling.ts'

interface JsonOption {
  json: boolean | undefined
}

/** What is under way has 10 s, a goodbye one. */
const STOP_MS = 15_000
const LOG_LINES = 50
const FOLLOW_EVERY_MS = 300

/** Starts it where it does not run, after checking what it would fail on. */
export const start: Command<JsonOption> = {
  usage: 'start',
  summary: 'start the daemon, which keeps the tunnels of tunnels.yaml up',
  needs: 'nothing',
  build: yargs => yargs.option('json', JSON_LINES),
  run: async ({ json }, context) => {
    tellUnknownVariables(context)
    const home = homeOf(context.env)
    const running = await findDaemon(home)
    if (running !== undefined) throw alreadyRuns(running.pid)
    return await startAndTell(home, json === true, context)
  },
}

/** Ends it in order. */
export const stop: Command<JsonOption> = {
  usage: 'stop',
  summary: 'stop the daemon; what is under way may end within 10 s',
  needs: 'nothing',
  build: yargs => yargs.option('json', JSON_LINES),
  run: async ({ json }, context) => {
    const home = homeOf(context.env)
    const pid = await stopDaemon(home)
    tell(
      json === true,
      context,
      { event: 'daemon', state: 'stopped', pid },
      pid === undefined ? 'no daemon was running' : `the daemon has stopped`,
    )
    return EXIT.stopped
  },
}

/** One after the other; starts it too where it does not run. */
export const restart: Command<JsonOption> = {
  usage: 'restart',
  summary: 'stop the daemon and start it again',
  needs: 'nothing',
  build: yargs => yargs.option('json', JSON_LINES),
  run: async ({ json }, context) => {
    const home = homeOf(context.env)
    check(home, context)
    await stopDaemon(home)
    return await startAndTell(home, json === true, context)
  },
}

/** Whether it runs, and where its files are. */
export const daemonStatus: Command<JsonOption> = {
  usage: 'status',
  summary: 'say whether the daemon runs',
  needs: 'nothing',
  build: yargs => yargs.option('json', JSON_LINES),
  run: async ({ json }, context) => {
    const home = homeOf(context.env)
    const [file, log] = [tunnelsFileOf(home), logPathOf(context.env)]
    const daemon = await findDaemon(home)
    if (daemon === undefined) {
      tell(
        json === true,
        context,
        { event: 'daemon', state: 'stopped', file, log },
        `the daemon does not run; "pbt daemon start" starts it`,
      )
      return EXIT.stopped
    }
    const { pid, status } = daemon
    const snapshot = status.kind === 'answered' ? status.snapshot : undefined
    const link = snapshot?.state ?? 'not answering'
    const faults = snapshot?.faults ?? []
    const tunnels = snapshot?.tunnels.length ?? 0
    const why = snapshot?.reason ? `: ${safe(snapshot.reason)}` : ''
    const words = [
      `the daemon runs, process ${pid}, ${link}${why}, with ${plural(tunnels, 'tunnel')}; "pbt tunnel list" shows them`,
      ...faults.map(safe),
      `tunnels: ${safe(file)}`,
      `log:     ${safe(log)}`,
    ]
    const { reason = '' } = snapshot ?? {}
    tell(
      json === true,
      context,
      { event: 'daemon', state: 'running', pid, link, reason, tunnels, faults, file, log },
      words.join('\n  '),
    )
    return EXIT.stopped
  },
}

interface LogsOptions {
  follow: boolean | undefined
  lines: string | undefined
}

/** The end of its log. */
export const logs: Command<LogsOptions> = {
  usage: 'logs',
  summary: "show the end of the daemon's log",
  needs: 'nothing',
  build: yargs =>
    yargs
      .option('follow', { type: 'boolean', describe: 'go on showing what is written, until Ctrl-C' })
      .option('lines', { type: 'string', requiresArg: true, describe: `how many lines (default: ${LOG_LINES})` }),
  run: async ({ follow, lines = String(LOG_LINES) }, context) => {
    if (!/^\d{1,6}$/.test(lines))
      throw new Failure('usage', `--lines "${lines}" is not a number`, { cure: 'give for example 200' })
    const path = logPathOf(context.env)
    let shown = lastLines(path, Number(lines))
    if (shown.length === 0 && follow !== true) context.stderr.say(`pbt: nothing was logged yet in ${path}\n`)
    if (shown.length > 0) context.stdout.say(`${shown.join('\n')}\n`)
    if (follow !== true) return EXIT.stopped
    const stopping = new AbortController()
    const ignoreSignals = context.onStopSignal(() => stopping.abort())
    let seen = stampOf(path)
    shown = lastLines(path, Number.MAX_SAFE_INTEGER)
    while (!stopping.signal.aborted && !context.stdout.isClosed) {
      await pause(FOLLOW_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => {})
      const stamp = stampOf(path)
      if (stamp === seen) continue
      seen = stamp
      const now = lastLines(path, Number.MAX_SAFE_INTEGER)
      const last = shown.at(-1)
      const news = last === undefined ? now : now.slice(now.lastIndexOf(last) + 1)
      if (news.length > 0) context.stdout.say(`${news.join('\n')}\n`)
      shown = now
    }
    ignoreSignals()
    return EXIT.stopped
  },
}

/** Its number; started when it did not run. Throws Failure. */
export async function runningDaemon(home: string, context: Context): Promise<number> {
  const running = await findDaemon(home)
  if (running !== undefined) return running.pid
  check(home, context)
  return await begin(home, context)
}

/** By its supervisor where it is installed. */
async function begin(home: string, { env }: Context): Promise<number> {
  const service = new Service(env, false)
  return await startDaemon(home, logPathOf(env), env, service.isInstalled ? () => service.start() : undefined)
}

async function startAndTell(home: string, isJson: boolean, context: Context): Promise<ExitCode> {
  const entries = check(home, context)
  const pid = await begin(home, context)
  const what =
    entries === 0
      ? 'no tunnels yet; add --detach to a command, such as "pbt http 3000 --detach"'
      : plural(entries, 'tunnel')
  tell(isJson, context, { event: 'daemon', state: 'running', pid }, `the daemon runs, process ${pid}: ${what}`)
  return EXIT.stopped
}

/** A person should see at once what the daemon would only write into its log. Throws Failure; tells how many tunnels there are. */
function check(home: string, { env }: Context): number {
  readSettings(env)
  return readTunnels(tunnelsFileOf(home)).length
}

/** The number of the one that was stopped. */
export async function stopDaemon(home: string): Promise<number | undefined> {
  const running = await findDaemon(home)
  if (running === undefined) return undefined
  const { pid } = running
  await ask(home, pid, { request: 'stop' }, () => {})
  if (await waitForEnd(home, STOP_MS)) return pid
  throw new Failure('running', `the daemon, process ${pid}, does not end`, {
    cure: `look at its log, and end it with "kill -9 ${pid}"`,
  })
}
