// `pbt completion`: the script that completes command lines of pbt.
import {
  type CompletedCommand,
  type CompletedOption,
  completionScript,
  SHELLS,
  type Shell,
} from '../../../launch/completion.ts'
import { EXIT } from '../failure.ts'
import type { Command } from './command.ts'
import { type Commands, GROUPS, KINDS, OF_ALL } from './usage.ts'

interface CompletionOptions {
  shell: Shell
}

/** `commands`: what is completed. Starts nothing and reads no settings. */
export function completionOf(commands: () => Commands): Command<CompletionOptions> {
  return {
    usage: 'completion <shell>',
    summary: 'print a script for bash, zsh or fish that completes command lines of pbt',
    needs: 'a shell, for example: eval "$(pbt completion bash)"',
    build: yargs =>
      yargs
        .positional('shell', { choices: SHELLS, describe: 'the shell', demandOption: true })
        .example('eval "$(pbt completion bash)"', 'in ~/.bashrc; with zsh in ~/.zshrc')
        .example('pbt completion fish | source', 'in ~/.config/fish/config.fish'),
    run: async ({ shell }, { stdout }) => {
      stdout.write(completionScript(shell, { name: 'pbt', commands: completed(commands()), short: 'http' }))
      return EXIT.stopped
    },
  }
}

const ALWAYS: readonly CompletedOption[] = OF_ALL.map(name => ({ name, takesValue: false, choices: [] }))

function completed(commands: Commands): CompletedCommand[] {
  const all = [...commands].flatMap(([name, { words, options }]) => {
    const names = KINDS.includes(name) ? [name, `tunnel ${name}`] : [name]
    return names.map(name => ({ name, words, options: [...options, ...ALWAYS] }))
  })
  const after = (group: string) =>
    all.flatMap(({ name }) => (name.startsWith(`${group} `) ? [name.slice(group.length + 1)] : []))
  const groups = GROUPS.map(name => ({ name, words: after(name), options: ALWAYS }))
  const top = all.flatMap(({ name }) => (name.includes(' ') ? [] : [name]))
  return [{ name: '', words: [...top, ...GROUPS], options: ALWAYS }, ...groups, ...all]
}
