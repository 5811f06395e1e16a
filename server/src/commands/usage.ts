// Wrong usage in words: what the parser of options says, as a sentence with what was probably meant.
import { suggestionFor } from '../../../launch/suggestion.ts'
import { Failure } from '../failure.ts'
import type { Command } from './command.ts'

/** What there is to name. */
export interface Usage {
  readonly commands: readonly Command[]
  /** Words before other commands. */
  readonly groups: readonly string[]
  /** Options that are no command's own: settings, and those of all. */
  readonly options: readonly string[]
}

/** What stands for a positional in an example. */
const EXAMPLES: Readonly<Record<string, string>> = {
  address: 'app',
  domain: 'app.mine.uk',
  name: 'app',
  file: 'pbt-backup.tar',
  id: '1',
  shell: 'bash',
}

/** The failure for what the parser said of these arguments. */
export function wrongUsage(said: string, args: readonly string[], usage: Usage, cause?: unknown): Failure {
  const words = args.filter(argument => !argument.startsWith('-'))
  const group = usage.groups.find(group => group === words[0])
  const name = words.slice(0, group === undefined ? 1 : 2).join(' ')
  const command = usage.commands.find(each => each.name === name)
  const shown = command === undefined ? group : name
  const cure = `see "pbt-server ${shown === undefined ? '' : `${shown} `}--help"`
  return new Failure('usage', messageFor(said, { args, name, group, command, usage }), { cure, cause })
}

interface Line {
  readonly args: readonly string[]
  /** Of the command, with its group. */
  readonly name: string
  readonly group: string | undefined
  readonly command: Command | undefined
  readonly usage: Usage
}

function messageFor(said: string, line: Line): string {
  const { name, group, command, usage } = line
  const option = /^Not enough arguments following: (.*)$/s.exec(said)?.[1]
  if (option !== undefined) return `--${option} needs a value`
  if (/^Not enough non-option arguments/.test(said)) return missing(name, command)
  const unknown = /^Unknown (?:command|argument)s?: (.*)$/s.exec(said)?.[1]
  if (unknown === undefined) return (said.charAt(0).toLowerCase() + said.slice(1)).replace(/\s+/g, ' ')
  const options = unknownOptions(line)
  if (options !== '') return options
  if (command !== undefined || name === '') return `unexpected argument: ${unknown}`
  const known = usage.commands
    .map(({ name }) => name)
    .filter(name => group === undefined || name.startsWith(`${group} `))
  const meant = suggestionFor(name, [...known, ...(group === undefined ? [...usage.groups, 'completion'] : [])])
  return `unknown command "${name}"${meant === undefined ? '' : `; did you mean "${meant}"?`}`
}

function missing(name: string, command: Command | undefined): string {
  const [first] = command?.positionals ?? []
  const word = (first?.[0] ?? (name === 'completion' ? '<shell>' : '')).replace(/[^a-z]/g, '')
  const article = /^[aeiou]/.test(word) ? 'an' : 'a'
  return `pbt-server ${name} needs ${article} ${word}, for example: pbt-server ${name} ${EXAMPLES[word] ?? word.toUpperCase()}`
}

function unknownOptions({ args, command, usage }: Line): string {
  const own = (command?.options ?? []).map(({ name }) => name)
  const known = [...own, ...usage.options]
  const given = args.filter(argument => /^--?[a-z]/.test(argument)).map(argument => argument.split('=', 1)[0] ?? '')
  const wrong = [...new Set(given)].filter(option => option !== '-h' && !known.includes(option.replace(/^--?/, '')))
  return wrong
    .map(option => {
      const meant = suggestionFor(option.replace(/^--?/, ''), known)
      return `unknown option ${option}${meant === undefined ? '' : `; did you mean --${meant}?`}`
    })
    .join('; ')
}
