// The command line: which commands there are, how their options are read, and what is said about wrong ones.
import { PROTOCOL_MAJOR, PROTOCOL_MINOR } from '@pbt/proto'
import yargs, { type Argv } from 'yargs'
import { ADDRESS_COMMANDS } from './commands/address.ts'
import { BACKUP_COMMANDS } from './commands/backup.ts'
import type { Command, CommandOptions, Context, OddVariable } from './commands/command.ts'
import { COMPLETION, completionText } from './commands/completion.ts'
import { doctor } from './commands/doctor.ts'
import { DOMAIN_COMMANDS } from './commands/domain.ts'
import { explain } from './commands/explain.ts'
import { init } from './commands/init.ts'
import { log } from './commands/log.ts'
import { login } from './commands/login.ts'
import { jsonOutput, type Output, plainOutput } from './commands/output.ts'
import { start } from './commands/start.ts'
import { TOKEN_COMMANDS } from './commands/token.ts'
import { TUNNEL_COMMANDS } from './commands/tunnel.ts'
import { wrongUsage } from './commands/usage.ts'
import {
  ConfigError,
  DEFAULT_CONFIG_TEXT,
  defaultTextOf,
  isServiceData,
  isServiceInstalled,
  keyOf,
  loadSettings,
  SETTING_NAMES,
  SETTINGS,
  type SettingName,
  variableOf,
} from './config/config.ts'
import { Failure, type FailureCode } from './failure.ts'
import { becomeOwnerOf } from './process/owner-user.ts'
import { VERSION } from './process/version.ts'

/** Exit status of the process; `usage`: the command line was wrong. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const
/** A value of EXIT: 0, 1 or 2. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Commands of one word, and groups of commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  init,
  start,
  login,
  explain,
  doctor,
  log,
  ...TOKEN_COMMANDS,
  ...TUNNEL_COMMANDS,
  ...ADDRESS_COMMANDS,
  ...BACKUP_COMMANDS,
  ...DOMAIN_COMMANDS,
]

const GROUPS: Readonly<Record<string, string>> = {
  token: 'tokens that clients connect with',
  tunnel: 'tunnels: list, end, pause and resume',
  address: 'addresses of tunnels, and who may visit them',
  domain: 'domains that get their certificates automatically',
}

/** Settings that the help of "start" explains; all others are behind --help-settings. */
const USUAL: readonly SettingName[] = [
  'baseDomain',
  'dataDir',
  'httpsPort',
  'httpPort',
  'portRange',
  'publicAddress',
  'tlsCert',
  'tlsKey',
  'logLevel',
]
/** What the help of every other command explains. */
const WHERE: readonly SettingName[] = ['dataDir']

const WIDTH_COLUMNS = 110
/** In less, two columns of help are a letter wide: the terminal may break the lines. */
const LEAST_COLUMNS = 40
/** Options of every command, besides settings. */
const OF_ALL = ['help', 'version', 'config', 'json', 'help-settings']

const SETTINGS_HELP = `Every setting can also be given in the configuration file (YAML, "https-port: 443") or in the environment (${variableOf('httpsPort')}=443); flags override the environment, the environment overrides the file.

Exit codes: 0 done or stopped, 1 failed, 2 wrong usage or settings`

/** Runs one command line, without the program's name. Never rejects for what a user can do wrong. */
export async function runCli(args: readonly string[], context: Context): Promise<ExitCode> {
  // Asked before parsing, so that also wrong usage is told to programs in their form.
  const output = args.includes('--json') ? jsonOutput(context) : plainOutput(context)
  try {
    // yargs shows all only beside --help.
    await parse(args.includes('--help-settings') || args.length === 0 ? [...args, '--help'] : args, output, context)
    return args.length === 0 ? EXIT.usage : EXIT.done
  } catch (error) {
    return report(error, output)
  }
}

async function parse(args: readonly string[], output: Output, context: Context): Promise<void> {
  let running: Promise<void> | undefined
  const parser = yargs()
    .scriptName('pbt-server')
    .usage('$0 <command>\n\nThe public end of pbt: visitors arrive here and reach the services of your machines.')
  const run = (command: Command, options: Readonly<Record<string, unknown>>) => {
    running = command.run(optionsOf(options, command, context), output, context)
  }
  for (const command of COMMANDS.filter(({ name }) => !name.includes(' '))) add(parser, command, run)
  for (const [group, summary] of Object.entries(GROUPS)) {
    parser.command(group, summary, parser => {
      for (const command of COMMANDS) if (command.name.startsWith(`${group} `)) add(parser, command, run)
      return parser.demandCommand(1, `which command? Try "pbt-server ${group} list"`)
    })
  }
  parser.command(
    COMPLETION.usage,
    COMPLETION.summary,
    parser => parser.positional('shell', COMPLETION.shell).epilogue(COMPLETION.epilogue),
    ({ shell }) => {
      running = complete(shell, context)
    },
  )
  await parser
    .demandCommand(1, 'which command? "pbt-server --help" lists them')
    .strict()
    .parserConfiguration({
      'greedy-arrays': false,
      'parse-numbers': false,
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
    })
    .help()
    .alias('help', 'h')
    .version(`pbt-server ${VERSION}, protocol ${PROTOCOL_MAJOR}.${PROTOCOL_MINOR}, Node ${process.versions.node}`)
    .wrap(Math.max(LEAST_COLUMNS, Math.min(WIDTH_COLUMNS, context.stdout.columns ?? WIDTH_COLUMNS)))
    .exitProcess(false)
    .fail((message, cause) => {
      const options = [...SETTING_NAMES.map(keyOf), ...OF_ALL]
      const usage = { commands: COMMANDS, groups: Object.keys(GROUPS), options }
      throw wrongUsage(message ?? cause.message, args, usage, cause)
    })
    .parseAsync([...args])
  await running
}

/** Reads no settings: a shell that starts must not depend on them. */
async function complete(shell: string, { stdout }: Context): Promise<void> {
  const settingsOf = ({ isStart }: Command) => (isStart ? SETTING_NAMES : WHERE)
  stdout.write(completionText(shell, { commands: COMMANDS, groups: Object.keys(GROUPS), settingsOf }))
}

function add(parser: Argv, command: Command, run: (command: Command, options: Record<string, unknown>) => void): void {
  const { name, summary, positionals = [], options = [], isStart = false } = command
  const word = name.slice(name.indexOf(' ') + 1)
  const usage = [word, ...positionals.map(([positional]) => positional)].join(' ')
  parser.command(
    usage,
    summary,
    parser => {
      withPositionals(parser, positionals)
      for (const { name, doc, isFlag = false } of options) {
        parser.option(
          name,
          isFlag ? { type: 'boolean', describe: doc } : { type: 'string', requiresArg: true, describe: doc },
        )
      }
      return withSettings(parser, isStart ? USUAL : WHERE)
    },
    parsed => run(command, parsed),
  )
}

function withPositionals(parser: Argv, positionals: NonNullable<Command['positionals']>): Argv {
  for (const [name, describe] of positionals) {
    parser.positional(name.replace(/[^a-z]/g, ''), { type: 'string', describe })
  }
  return parser
}

function withSettings(parser: Argv, shown: readonly SettingName[]): Argv {
  for (const name of SETTING_NAMES) {
    parser.option(keyOf(name), {
      type: 'string',
      requiresArg: true,
      hidden: !shown.includes(name),
      group: 'Settings:',
      describe: `${SETTINGS[name].doc} [default: ${defaultTextOf(name)}]`,
    })
  }
  return parser
    .option('config', {
      type: 'string',
      requiresArg: true,
      describe: `the configuration file [default: ${DEFAULT_CONFIG_TEXT}]`,
    })
    .option('json', { type: 'boolean', describe: 'one JSON object per line' })
    .showHidden('help-settings', 'the help including all settings')
    .epilogue(SETTINGS_HELP)
}

function optionsOf(
  values: Readonly<Record<string, unknown>>,
  { isStart, keepsUser }: Command,
  { stderr }: Context,
): CommandOptions {
  const { config: file } = values
  if (Array.isArray(file)) {
    throw new Failure('usage', '--config is given more than once', { cure: 'see "pbt-server --help"' })
  }
  const flags = Object.fromEntries(SETTING_NAMES.map(name => [keyOf(name), values[keyOf(name)]]))
  const odd: OddVariable[] = []
  const named = typeof file === 'string' ? file : undefined
  const settings = loadSettings(named, flags, (variable, why) => void odd.push({ variable, why }))
  const { dataDir } = settings.config
  // A server that root starts elsewhere may need to be root, for its ports.
  if (keepsUser !== true && (isStart !== true || isServiceData(dataDir))) becomeOwnerOf(dataDir)
  if (isStart !== true) {
    for (const { variable, why } of odd) stderr.say(`pbt-server: the variable ${variable} is ignored: ${why}\n`)
  }
  return { config: settings.config, settings, odd, values }
}

/** Tells an expected failure; anything else is thrown on. */
function report(error: unknown, output: Output): ExitCode {
  if (error instanceof ConfigError) {
    const { message, problems } = error
    output({
      event: 'error',
      code: 'config-invalid',
      message,
      cure: '"pbt-server start --help" explains all settings',
      problems,
    })
    return EXIT.usage
  }
  if (!(error instanceof Failure)) throw error
  output({ event: 'error', code: error.code, message: error.message, cure: cureOf(error) })
  return exitCodeOf(error.code)
}

/** One who looks for the service of this machine and is not its user finds nothing. */
function cureOf({ code, cure }: Failure): string {
  const isElsewhere = code === 'not-initialised' && process.geteuid?.() !== 0 && isServiceInstalled()
  return isElsewhere ? `for the service of this machine run it with sudo; otherwise ${cure}` : cure
}

function exitCodeOf(code: FailureCode): ExitCode {
  return code === 'usage' || code === 'config-invalid' ? EXIT.usage : EXIT.failed
}
