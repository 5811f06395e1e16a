// `pbt-server completion`: the script that completes command lines of pbt-server.
import {
  type CompletedCommand,
  type CompletedOption,
  completionScript,
  isShell,
  SHELLS,
} from '../../../launch/completion.ts'
import { keyOf, SETTINGS, type SettingName } from '../config/config.ts'
import { Failure } from '../failure.ts'
import type { Command } from './command.ts'

/** As the parser has it: it is no `Command`, because it reads no settings. */
export const COMPLETION = {
  usage: 'completion <shell>',
  summary: 'print a script for bash, zsh or fish that completes command lines of pbt-server',
  shell: { type: 'string', demandOption: true, describe: SHELLS.join(', ') },
  epilogue:
    'eval "$(pbt-server completion bash)" in ~/.bashrc, with zsh in ~/.zshrc;\npbt-server completion fish | source in ~/.config/fish/config.fish',
} as const

/** What is completed. */
export interface CompletionTables {
  readonly commands: readonly Command[]
  readonly groups: readonly string[]
  /** The settings that a command shows. */
  readonly settingsOf: (command: Command) => readonly SettingName[]
}

/** The script. Throws Failure `usage` for a shell that there is none for. */
export function completionText(shell: string, tables: CompletionTables): string {
  if (isShell(shell)) return completionScript(shell, { name: 'pbt-server', commands: completed(tables) })
  throw new Failure('usage', `there is no completion for "${shell}"`, { cure: `give one of ${SHELLS.join(', ')}` })
}

const ALWAYS = ['help', 'version'].map(flag)
const OF_COMMANDS = [withValue('config'), flag('json'), flag('help-settings'), ...ALWAYS]

function completed({ commands, groups, settingsOf }: CompletionTables): CompletedCommand[] {
  const all = commands.map((command): CompletedCommand => {
    const { name, options = [] } = command
    const own = options.map(({ name, isFlag, choices }) => (isFlag ? flag(name) : withValue(name, choices)))
    const settings = settingsOf(command).map(each => withValue(keyOf(each), SETTINGS[each].kind.choices))
    return { name, words: [], options: [...own, ...settings, ...OF_COMMANDS] }
  })
  const after = (group: string) =>
    all.flatMap(({ name }) => (name.startsWith(`${group} `) ? [name.slice(group.length + 1)] : []))
  const top = all.flatMap(({ name }) => (name.includes(' ') ? [] : [name]))
  return [
    { name: '', words: [...top, ...groups, 'completion'], options: ALWAYS },
    { name: 'completion', words: SHELLS, options: ALWAYS },
    ...groups.map(name => ({ name, words: after(name), options: ALWAYS })),
    ...all,
  ]
}

function flag(name: string): CompletedOption {
  return { name, takesValue: false, choices: [] }
}

function withValue(name: string, choices: readonly string[] = []): CompletedOption {
  return { name, takesValue: true, choices }
}
