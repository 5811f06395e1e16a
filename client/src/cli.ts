// The command line: which commands there are, how their options are read, and what is said about wrong ones.
import { PROTOCOL_MAJOR, PROTOCOL_MINOR } from '@pbt/proto'
import yargs, { type Argv } from 'yargs'
import { wrapWords } from '../../launch/words.ts'
import { allow } from './commands/allow.ts'
import type { Command, Context } from './commands/command.ts'
import { completionOf } from './commands/completion.ts'
import * as daemon from './commands/daemon.ts'
import { run as daemonRun } from './commands/daemon-run.ts'
import { doctor } from './commands/doctor.ts'
import * as held from './commands/held.ts'
import { http } from './commands/http.ts'
import { init } from './commands/init.ts'
import { outputOptions } from './commands/output-options.ts'
import * as service from './commands/service.ts'
import { status } from './commands/status.ts'
import { tcp } from './commands/tcp.ts'
import { udp } from './commands/udp.ts'
import { up } from './commands/up.ts'
import { type Commands, commandWords, withKind, wrongUsage } from './commands/usage.ts'
import { EXIT, type ExitCode, exitCodeOf, Failure } from './failure.ts'
import { plainOutput } from './output/output.ts'
import { VERSION } from './process/version.ts'

const WIDTH_COLUMNS = 100
/** In less, two columns of help are a letter wide: the terminal may break the lines. */
const LEAST_COLUMNS = 40

const FILES = `Files:
  $XDG_CONFIG_HOME/pbt/ (~/.config/pbt/)   what init stored, and tunnels.yaml, for the owner only
  $XDG_STATE_HOME/pbt/ (~/.local/state/pbt/)   the daemon's log

Variables, which come before what is stored:
  PBT_SERVER       HOST[:PORT] of the server
  PBT_TOKEN        the token
  PBT_TOKEN_FILE   a file that holds the token
  PBT_CA           PEM file of the certificate authority to trust for the server, and no other
  PBT_HOME         another directory for the files
  HTTPS_PROXY      an HTTP proxy on the way to the server, http://[USER:PASSWORD@]HOST:PORT or https://…; NO_PROXY names servers that are reached without it
  PBT_UNATTENDED   1: something that restarts programs has started this one, 0: a person has; only a person opens again what the owner ended on the server (default: what the surroundings say: a terminal, or systemd and the like)

Exit codes: 0 stopped by the user, 1 failed, 2 wrong usage, 3 token refused, 4 name or port not available, 5 ended by the owner on the server`

/** Besides `_`, which holds the commands. */
const REPEATABLE: ReadonlySet<string> = new Set(['_', 'domain', 'allow', 'spec', 'who'])

const completion = completionOf(() => COMMANDS)

const COMMANDS: Commands = new Map([
  ['init', commandWords(init)],
  ['http', commandWords(http)],
  ['tcp', commandWords(tcp)],
  ['udp', commandWords(udp)],
  ['up', commandWords(up)],
  ['status', commandWords(status)],
  ['allow', commandWords(allow)],
  ['tunnel list', commandWords(held.list)],
  ['tunnel start', commandWords(held.startTunnel)],
  ['tunnel stop', commandWords(held.stopTunnel)],
  ['tunnel remove', commandWords(held.removeTunnel)],
  ['daemon start', commandWords(daemon.start)],
  ['daemon stop', commandWords(daemon.stop)],
  ['daemon restart', commandWords(daemon.restart)],
  ['daemon status', commandWords(daemon.daemonStatus)],
  ['daemon logs', commandWords(daemon.logs)],
  ['daemon run', commandWords(daemonRun)],
  ['daemon install', commandWords(service.install)],
  ['daemon uninstall', commandWords(service.uninstall)],
  ['doctor', commandWords(doctor)],
  ['completion', commandWords(completion)],
])

/** Words are taken as they are written. */
const READING = {
  'greedy-arrays': false,
  'parse-numbers': false,
  'parse-positional-numbers': false,
  'boolean-negation': false,
  'dot-notation': false,
  'duplicate-arguments-array': true,
} as const

/** Runs one command line, without the program's name. Never rejects for what a user can do wrong. */
export async function runCli(args: readonly string[], context: Context): Promise<ExitCode> {
  // Asked before parsing, so that also wrong usage is told to programs in their form.
  const isJson = args.includes('--json')
  try {
    if (args.length > 0) return await parse(withKind(args, COMMANDS), context)
    await parse(['--help'], context)
    return EXIT.usage
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const { code, message, cure } = error
    plainOutput(outputOptions(isJson, context)).event({ event: 'error', code, message, cure })
    return exitCodeOf(code)
  }
}

async function parse(args: readonly string[], context: Context): Promise<ExitCode> {
  const width = Math.max(LEAST_COLUMNS, Math.min(WIDTH_COLUMNS, context.stdout.columns ?? WIDTH_COLUMNS))
  let exitCode: Promise<ExitCode> | undefined
  const add = <Options>(parser: Argv, command: Command<Options>, before = ''): Argv =>
    parser.command(
      command.usage,
      command.summary,
      builder => command.build(builder.usage(`$0 ${before}${command.usage}\n\n${command.summary}`).epilogue('')),
      options => {
        exitCode = command.run(options, context)
      },
    )

  const parser = yargs()
    .scriptName('pbt')
    .usage('$0 <command>\n\nPuts what runs on this machine on the public internet, through a server of your own.')
  add(parser, init)
  parser.command(
    'tunnel',
    'open a tunnel ("pbt http" is short for "pbt tunnel http"), or steer those of the daemon',
    builder => {
      const kinds = add(add(add(builder.usage('$0 tunnel <command>'), http), tcp), udp)
      add(kinds, held.list, 'tunnel ')
      for (const command of [held.startTunnel, held.stopTunnel, held.removeTunnel]) add(kinds, command, 'tunnel ')
      return kinds.demandCommand(1, 'which kind of tunnel? Try "pbt tunnel http 3000"')
    },
  )
  parser.command('daemon', 'the process that keeps tunnels up, whoever is logged in', builder => {
    const group = builder.usage('$0 daemon <command>')
    const steering = [daemon.start, daemon.stop, daemon.restart, daemon.daemonStatus]
    for (const command of steering) add(group, command, 'daemon ')
    add(add(group, daemon.logs, 'daemon '), daemonRun, 'daemon ')
    for (const command of [service.install, service.uninstall]) add(group, command, 'daemon ')
    return group.demandCommand(1, 'which command of the daemon? Try "pbt daemon status"')
  })
  add(add(add(add(add(add(add(add(parser, http), tcp), udp), up), status), allow), doctor), completion)
  await parser
    .example('$0 init --server tunnel.example.com', 'once: asks for the token of the server')
    .example('$0 3000', 'short for "pbt http 3000": a public https address reaches port 3000')
    .example('$0 http 3000 --domain myapp', 'https://myapp.tunnel.example.com reaches port 3000')
    .example('$0 tcp 22', 'a public port of the server reaches port 22')
    .epilogue(wrapWords(FILES, width))
    .demandCommand(1, 'which command? "pbt --help" lists them')
    .strict()
    .strictCommands()
    .check(options => {
      for (const [name, value] of Object.entries(options)) {
        if (Array.isArray(value) && !REPEATABLE.has(name)) throw new Error(`--${name} is given more than once`)
      }
      return true
    })
    .parserConfiguration(READING)
    .help()
    .alias('help', 'h')
    .version(`pbt ${VERSION}, protocol ${PROTOCOL_MAJOR}.${PROTOCOL_MINOR}, Node ${process.versions.node}`)
    .wrap(width)
    .exitProcess(false)
    .fail((message, cause) => {
      throw wrongUsage(message ?? cause.message, args, COMMANDS, cause)
    })
    .parseAsync([...args])
  return (await exitCode) ?? EXIT.stopped
}
