// Wrong usage in words: what the parser of options says, as a sentence with what was probably meant.
import type { Argv } from 'yargs'
import type { CompletedOption } from '../../../launch/completion.ts'
import { suggestionFor } from '../../../launch/suggestion.ts'
import { Failure } from '../failure.ts'
import type { Command } from './command.ts'

/** The commands, whatever their options are. */
export type Commands = ReadonlyMap<string, CommandWords>

/** A command, as far as wrong usage and completion are about it. */
export interface CommandWords {
  readonly needs: string
  readonly options: readonly CompletedOption[]
  /** Choices of what stands behind it without a name. */
  readonly words: readonly string[]
}

/** Commands that make a tunnel, which may stand behind `tunnel`. */
export const KINDS = ['http', 'tcp', 'udp']
/** Words before other commands. */
export const GROUPS: readonly string[] = ['tunnel', 'daemon']
/** Options of every command. */
export const OF_ALL = ['help', 'version']

/** What an option without its value is told. */
const VALUES: Readonly<Record<string, string>> = {
  domain: 'a name; a name cannot begin with "-"',
  name: 'a name; a name cannot begin with "-"',
  allow: 'an IP address or CIDR block, for example: --allow 203.0.113.0/24',
  'reserve-port': 'a port, for example: --reserve-port 20022',
  server: 'a server, for example: --server tunnel.example.com',
  ca: 'a file, for example: --ca dev-ca.pem',
  'idle-timeout': 'a time, for example: --idle-timeout 5m',
}

const PORT_INSTEAD = '; a name is for pbt http, here --reserve-port chooses the public port'
/** Options of the other kind of tunnel. */
const INSTEAD: Readonly<Record<string, string>> = {
  'tcp --domain': PORT_INSTEAD,
  'udp --domain': PORT_INSTEAD,
  'http --reserve-port': '; a port is for pbt tcp and pbt udp, here --domain chooses the name',
}

/** Reduces a command to its needs and the names of its options. */
export function commandWords<Options>(command: Command<Options>): CommandWords {
  const options: CompletedOption[] = []
  const words: string[] = []
  const recorder = {
    option: (name: string, { type, choices = [] }: Defined) => {
      options.push({ name, takesValue: type !== 'boolean', choices })
      return recorder
    },
    positional: (_name: string, { choices = [] }: Defined) => {
      words.push(...choices)
      return recorder
    },
    example: () => recorder,
  }
  command.build(asParser(recorder))
  return { needs: command.needs, options, words }
}

/** How the parser has an option or an argument. */
interface Defined {
  readonly type?: string
  readonly choices?: readonly string[]
}

/** Commands build their options with these three calls alone; another one would throw at the first start. */
function asParser(recorder: object): Argv {
  return recorder as Argv
}

/** `pbt 3000` is short for `pbt http 3000`. */
export function withKind(args: readonly string[], commands: Commands): string[] {
  const [first = ''] = args
  const isTarget = /^\d+$|^https?:\/\/|^unix:|^(?:\[[^\]]*\]|[^:/]+):\d+\/?$/.test(first)
  return isTarget && !isSpec(first) && !commands.has(first) ? ['http', ...args] : [...args]
}

/** As `pbt up` takes it. */
function isSpec(text: string): boolean {
  return /^(http|tcp|udp):(?!\/\/)/.test(text)
}

/** The failure for what the parser said of these arguments. */
export function wrongUsage(said: string, args: readonly string[], commands: Commands, cause?: unknown): Failure {
  const words = args.filter(argument => !argument.startsWith('-'))
  const group = GROUPS.find(group => group === words[0])
  const name = (group === undefined ? words[0] : words[1]) ?? ''
  const isShort = group === undefined || (group === 'tunnel' && KINDS.includes(name))
  const command = commands.get(isShort ? name : `${group} ${name}`)
  const title = group === undefined ? `pbt ${name}` : `pbt ${group} ${name}`
  const shown = command !== undefined ? title : group === undefined ? 'pbt' : `pbt ${group}`
  const cure = `see "${shown} --help"`
  return new Failure('usage', messageFor(said, { args, words, name, command, commands, title, group }), {
    cure,
    cause,
  })
}

interface Line {
  readonly args: readonly string[]
  /** Those that are no options. */
  readonly words: readonly string[]
  readonly name: string
  readonly command: CommandWords | undefined
  readonly commands: Commands
  readonly title: string
  /** The word before the name, one of GROUPS. */
  readonly group: string | undefined
}

function messageFor(said: string, line: Line): string {
  const { command, title } = line
  const unknown = /^Unknown (?:command|argument)s?: (.*)$/s.exec(said)?.[1]
  if (unknown !== undefined) return command === undefined ? unknownCommand(line) : unexpected(unknown, line, command)
  if (/^Not enough non-option arguments/.test(said) && command !== undefined) return `${title} needs ${command.needs}`
  const option = /^Not enough arguments following: (.*)$/s.exec(said)?.[1]
  if (option !== undefined) return `--${option} needs ${VALUES[option] ?? 'a value'}`
  const invalid = /Argument: ([\w-]+), Given: (.*), Choices: (.*)$/s.exec(said)
  if (invalid !== null) {
    const [, option = '', given = '', choices = ''] = invalid
    const isOption = command?.options.some(({ name }) => name === option)
    return `${isOption ? `--${option} ` : ''}${given} cannot be used: it is one of ${choices.trim().replaceAll('"', '')}`
  }
  return (said.charAt(0).toLowerCase() + said.slice(1)).replace(/\s+/g, ' ')
}

function unknownCommand({ name, commands, group }: Line): string {
  const all = [...commands.keys()]
  const inGroup = all.flatMap(key => (key.startsWith(`${group} `) ? [key.slice(`${group} `.length)] : []))
  const atTop = [...GROUPS, ...all.filter(key => !key.includes(' '))]
  const known = group === undefined ? atTop : group === 'tunnel' ? [...KINDS, ...inGroup] : inGroup
  const meant = isSpec(name) ? `pbt up ${name}` : suggestionFor(name, known)
  const before = group === undefined ? '' : `${group} `
  return `unknown command "${before}${name}"${meant === undefined ? '' : `; did you mean "${before}${meant}"?`}`
}

function unexpected(unknown: string, { args, name }: Line, { options }: CommandWords): string {
  // The parser names options also in the other spelling that it knows them by.
  const given = args.filter(argument => argument.startsWith('-')).map(argument => argument.split('=', 1)[0] ?? '')
  const wrong = unknown.split(', ').map(word => given.find(option => option.replace(/^--?/, '') === word))
  const wrongOptions = [...new Set(wrong)].filter(option => option !== undefined)
  if (wrongOptions.length === 0) {
    if (KINDS.includes(name)) return 'one target only; for several: pbt up'
    // It may be a part of the token.
    if (name === 'init') return 'one token only'
    return `unexpected argument: ${unknown}`
  }
  return wrongOptions
    .map(option => {
      const meant = suggestionFor(option.replace(/^--?/, ''), [...options.map(({ name }) => name), ...OF_ALL])
      const other = INSTEAD[`${name} ${option}`]
      return `unknown option ${option}${other ?? (meant === undefined ? '' : `; did you mean --${meant}?`)}`
    })
    .join('; ')
}
