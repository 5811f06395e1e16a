// Shell completion as a script that has every command, option and choice in it: Tab starts no program and reaches no network.

/** The shells that there is a script for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** An option as completion has it. */
export interface CompletedOption {
  /** Without dashes. */
  readonly name: string
  readonly takesValue: boolean
  /** What its value may be; none: the shell offers files. */
  readonly choices: readonly string[]
}

/** A command, or the words before commands. */
export interface CompletedCommand {
  /** Its words with a blank between; '': the program alone. */
  readonly name: string
  /** Commands, or choices of an argument, that may stand next. */
  readonly words: readonly string[]
  readonly options: readonly CompletedOption[]
}

/** A whole program. */
export interface CompletedProgram {
  readonly name: string
  readonly commands: readonly CompletedCommand[]
  /** The command that is meant when the first word is none: `pbt 3000`. */
  readonly short?: string
}

/** What has a script is a shell. */
export function isShell(text: string): text is Shell {
  return SHELLS.some(shell => shell === text)
}

/** The script for one shell, which says at its top how it is loaded. */
export function completionScript(shell: Shell, program: CompletedProgram): string {
  const rows = rowsOf(program)
  return shell === 'fish' ? fishScript(program, rows) : `${posixPart(shell, program, rows)}${GLUE[shell](program.name)}`
}

/** By words, the keys that they are offered for. */
type Rows = ReadonlyMap<string, readonly string[]>

/**
 * The keys, with a blank before each word of a command: ` tunnel` has the words that may stand next, `options tunnel` the options,
 * ` tunnel http --name` the values of an option that takes one.
 */
function rowsOf({ commands }: CompletedProgram): Rows {
  const rows = new Map<string, string[]>()
  const add = (key: string, words: readonly string[]) => {
    const text = words.join(' ')
    const keys = rows.get(text)
    if (keys === undefined) rows.set(text, [key])
    else keys.push(key)
  }
  for (const { name, words, options } of commands) {
    const place = name === '' ? '' : ` ${name}`
    add(place, words)
    add(
      `options${place}`,
      options.map(option => `--${option.name}`),
    )
    for (const { name, takesValue, choices } of options) if (takesValue) add(`${place} --${name}`, choices)
  }
  return rows
}

/** How people load it. */
const LOADS: Readonly<Record<Shell, (name: string) => string>> = {
  bash: name => `in ~/.bashrc: eval "$(${name} completion bash)"`,
  zsh: name => `in ~/.zshrc: eval "$(${name} completion zsh)"`,
  fish: name => `in ~/.config/fish/config.fish: ${name} completion fish | source`,
}

function functionName(program: string): string {
  return `_${program.replaceAll('-', '_')}`
}

/** What bash and zsh read alike. */
function posixPart(shell: Shell, { name, short }: CompletedProgram, rows: Rows): string {
  const own = functionName(name)
  const cases = [...rows].map(([words, keys]) => {
    const patterns = keys.map(key => `'${key}'`).join('|')
    return words === '' ? `    ${patterns}) ;;` : `    ${patterns}) echo '${words}' ;;`
  })
  const shortBranch = short === undefined ? '' : `\n    elif [[ -z $place ]]; then place=' ${short}'`
  return `# Completion of ${name} for ${shell}; ${LOADS[shell](name)}
${own}_table() {
  case "$1" in
${cases.join('\n')}
    *) return 1 ;;
  esac
}

# The word under the cursor, and those before it: what may stand there.
${own}_words() {
  local current="$1" place='' option='' given='' word
  shift
  for word in "$@"; do
    if [[ -n $option ]]; then option=''
    elif [[ $word == -* ]]; then
      if ${own}_table "$place $word" >/dev/null; then option="$word"; fi
    elif ${own}_table "$place $word" >/dev/null; then place="$place $word"${shortBranch}
    else given=1
    fi
  done
  if [[ -n $option ]]; then ${own}_table "$place $option"
  elif [[ $current == -* ]]; then ${own}_table "options$place"
  elif [[ -z $given ]]; then ${own}_table "$place"
  fi
}

`
}

const GLUE: Readonly<Record<'bash' | 'zsh', (name: string) => string>> = {
  bash: name => {
    const own = functionName(name)
    return `${own}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" word
  local -a before=()
  # bash takes "--option=value" for three words.
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == '=' ]] || before+=("$word")
  done
  if [[ $current == '=' ]]; then current=''; fi
  COMPREPLY=($(compgen -W "$(${own}_words "$current" "\${before[@]}")" -- "$current"))
}
complete -o default -F ${own} ${name}
`
  },
  zsh: name => {
    const own = functionName(name)
    return `${own}() {
  local current="$PREFIX"
  local -a before found
  before=(\${words[2,CURRENT-1]})
  if [[ $current == --*=* ]]; then
    before+=("\${current%%=*}")
    current=''
    compset -P 1 '*='
  fi
  found=(\${=$(${own}_words "$current" "\${before[@]}")})
  if (( $#found )); then compadd -a found; else _files; fi
}
if (( ! $+functions[compdef] )); then autoload -Uz compinit && compinit; fi
compdef ${own} ${name}
`
  },
}

function fishScript({ name, short }: CompletedProgram, rows: Rows): string {
  const own = `_${functionName(name)}`
  const cases = [...rows].map(([words, keys]) => {
    const patterns = keys.map(key => `'${key}'`).join(' ')
    return `    case ${patterns}\n      ${words === '' ? 'return 0' : `printf '%s\\n' ${words}`}`
  })
  const shortBranch = short === undefined ? '' : `\n    else if test -z "$place"\n      set place ' ${short}'`
  return `# Completion of ${name} for fish; ${LOADS.fish(name)}
function ${own}_table
  switch "$argv[1]"
${cases.join('\n')}
    case '*'
      return 1
  end
end

function ${own}_words
  set -l current (commandline -ct)
  set -l before (commandline -opc)
  set -e before[1]
  set -l head ''
  if string match -q -- '--*=*' "$current"
    set head (string replace -r '=.*' '=' -- $current)
    set -a before (string replace -r '=.*' '' -- $current)
    set current ''
  end
  set -l place ''
  set -l option ''
  set -l given ''
  for word in $before
    if test -n "$option"
      set option ''
    else if string match -q -- '-*' "$word"
      if ${own}_table "$place $word" >/dev/null
        set option "$word"
      end
    else if ${own}_table "$place $word" >/dev/null
      set place "$place $word"${shortBranch}
    else
      set given 1
    end
  end
  set -l found
  if test -n "$option"
    set found (${own}_table "$place $option")
  else if string match -q -- '-*' "$current"
    set found (${own}_table "options$place")
  else if test -z "$given"
    set found (${own}_table "$place")
  end
  if set -q found[1]
    printf '%s\\n' "$head"$found
  else if test -z "$head"
    __fish_complete_path "$current"
  end
end

complete -c ${name} -f -a '(${own}_words)'
`
}
