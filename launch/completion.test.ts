// Completion in real shells: what Tab offers, held against what the programs say of themselves.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const MAINS = {
  pbt: fileURLToPath(new URL('../client/src/main.ts', import.meta.url)),
  'pbt-server': fileURLToPath(new URL('../server/src/main.ts', import.meta.url)),
}
type Program = keyof typeof MAINS
/** Only what hangs is slower. */
const LIMIT_MS = 30_000
/** Nothing is set, and nothing of a home is read. */
const BARE = {
  PATH: process.env.PATH,
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
  HOME: '/nowhere',
  LANG: 'C.UTF-8',
}

function outputOf(program: Program, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAINS[program], ...args], {
    encoding: 'utf8',
    timeout: LIMIT_MS,
    env: BARE,
  })
  assert.deepEqual([status, stderr], [0, ''])
  return stdout
}

/** What a shell offers for the last of these words. */
type Offer = (program: Program, ...words: readonly string[]) => readonly string[]

/** Has a shell run these lines. */
function inShell(shell: string, args: readonly string[], lines: string): readonly string[] {
  const { status, stdout, stderr } = spawnSync(shell, [...args, '-c', lines], {
    encoding: 'utf8',
    timeout: LIMIT_MS,
    env: BARE,
  })
  assert.deepEqual([status, stderr], [0, ''], `${shell}: ${lines.slice(-400)}`)
  return stdout.split('\n').filter(line => line !== '')
}

function quoted(words: readonly string[]): string {
  return words.map(word => `'${word}'`).join(' ')
}

const SCRIPTS = {} as Record<string, string>
function script(program: Program, shell: string): string {
  SCRIPTS[`${program} ${shell}`] ??= outputOf(program, 'completion', shell)
  return SCRIPTS[`${program} ${shell}`] ?? ''
}

/** As readline does it: the function that is registered for the program, with the words of the line. */
const inBash: Offer = (program, ...words) =>
  inShell(
    'bash',
    ['--norc', '--noprofile'],
    `${script(program, 'bash')}
[[ $(complete -p ${program}) =~ -F\\ ([a-z_]+) ]]
COMP_WORDS=(${quoted([program, ...words])}) COMP_CWORD=${words.length}
"\${BASH_REMATCH[1]}"; printf '%s\\n' "\${COMPREPLY[@]}"`,
  )

/** A function of zsh's line editor cannot run without one: what it asks for the words. */
const inZsh: Offer = (program, ...words) =>
  inShell(
    'zsh',
    ['-f'],
    `compdef() { registered=$1 }
compadd() { local name=$2; print -l -- "\${(@P)name}" }
compset() { PREFIX="\${PREFIX#*=}" }
_files() { }
${script(program, 'zsh')}
words=(${quoted([program, ...words])}) CURRENT=${words.length + 1} PREFIX=${quoted(words.slice(-1))}
found=("\${(@f)$($registered)}")
for each in $found; do [[ $each == \${PREFIX##*=}* ]] && print -r -- $each; done; true`,
  )

/** fish completes a line when it is asked to. */
const inFish: Offer = (program, ...words) =>
  inShell(
    'fish',
    ['--no-config'],
    `${script(program, 'fish')}
complete --do-complete '${[program, ...words].join(' ')}'`,
  ).map(line => line.split('\t', 1)[0] ?? '')

const OFFERS: Readonly<Record<string, Offer>> = { bash: inBash, zsh: inZsh, fish: inFish }

function isThere(t: TestContext, shell: string): boolean {
  if (spawnSync(shell, ['--version'], { stdio: 'ignore', timeout: LIMIT_MS }).status === 0) return true
  t.skip(`${shell} is not installed: apt-get install ${shell}`)
  return false
}

for (const [shell, offer] of Object.entries(OFFERS)) {
  test(`${shell} completes commands, options and choices`, t => {
    if (!isThere(t, shell)) return
    const sorted = (program: Program, ...words: readonly string[]) => [...offer(program, ...words)].sort()
    assert.deepEqual(sorted('pbt', 'da'), ['daemon'])
    assert.deepEqual(sorted('pbt', 'tunnel', 'st'), ['start', 'stop'])
    assert.deepEqual(sorted('pbt', 'tunnel', 'http', '3000', '--target-p'), ['--target-protocol'])
    assert.deepEqual(sorted('pbt', 'http', '--target-protocol', ''), ['h2c', 'http1'])
    assert.deepEqual(sorted('pbt', '3000', '--host'), ['--host-header'], 'short for "pbt http 3000"')
    assert.deepEqual(sorted('pbt', 'http', '--name', 'tunnel', '--detach', '--j'), ['--json'], 'a value is no command')
    assert.deepEqual(sorted('pbt', 'completion', ''), ['bash', 'fish', 'zsh'])
    assert.deepEqual(sorted('pbt', 'nothing', 'st'), [])
    assert.deepEqual(sorted('pbt-server', 'domain', 'ch'), ['check'])
    assert.deepEqual(sorted('pbt-server', 'domain', 'add', 'app.mine.uk', '--proof', 'd'), ['delegated'])
    assert.deepEqual(sorted('pbt-server', 'start', '--log-level', 'de'), ['debug'])
    assert.deepEqual(sorted('pbt-server', '--he'), ['--help'])
  })
}

const BEHIND_EQUALS: Readonly<Record<string, readonly (readonly [words: readonly string[], offered: string])[]>> = {
  // It takes this for three words.
  bash: [
    [['--target-protocol', '=', 'h2'], 'h2c'],
    [['--host-header', 'rewrite', '--target-protocol', '='], 'http1 h2c'],
  ],
  zsh: [[['--target-protocol=h2'], 'h2c']],
  fish: [[['--target-protocol=h2'], '--target-protocol=h2c']],
}
for (const [shell, lines] of Object.entries(BEHIND_EQUALS)) {
  test(`${shell} completes a value behind "="`, t => {
    if (!isThere(t, shell)) return
    for (const [words, offered] of lines) {
      assert.equal(OFFERS[shell]?.('pbt', 'http', ...words).join(' '), offered)
    }
  })
}

/** Commands and options, as the help lists them. */
function helpOf(program: Program, ...words: readonly string[]) {
  const text = outputOf(program, ...words, '--help')
  const place = [program, ...words].join(' ')
  const commands = [...text.matchAll(new RegExp(`^  ${place} ([a-z][a-z-]*)`, 'gm'))].map(([, name]) => name ?? '')
  const options = [...text.matchAll(/^ +(?:-\w, )?(--[a-z-]+)/gm)].map(([, name]) => name ?? '')
  return { commands: [...new Set(commands)].sort(), options: [...new Set(options)].sort() }
}

const PLACES: readonly (readonly [Program, ...string[]])[] = [
  ['pbt', 'tunnel'],
  ['pbt', 'daemon'],
  ['pbt-server', 'address'],
]
const LEAVES: readonly (readonly [Program, ...string[]])[] = [
  ['pbt', 'tunnel', 'udp'],
  ['pbt-server', 'address', 'allow'],
]

test('what is completed is what the help lists', () => {
  for (const [program, ...words] of PLACES) {
    const { commands, options } = helpOf(program, ...words)
    assert.ok(commands.length > 2, words.join(' '))
    assert.deepEqual([...inBash(program, ...words, '')].sort(), commands)
    assert.deepEqual([...inBash(program, ...words, '-')].sort(), options)
  }
  for (const [program, ...words] of LEAVES) {
    const { options } = helpOf(program, ...words)
    assert.ok(options.length > 4, words.join(' '))
    assert.deepEqual([...inBash(program, ...words, '--')].sort(), options)
  }
  for (const program of ['pbt', 'pbt-server'] as const) {
    assert.deepEqual([...inBash(program, '')].sort(), helpOf(program).commands)
  }
  const settings = helpOf('pbt-server', 'start', '--help-settings').options
  assert.deepEqual([...inBash('pbt-server', 'start', '--')].sort(), settings)
})

test('a shell that there is no script for is told in words', () => {
  for (const main of Object.values(MAINS)) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'completion', 'tcsh'], {
      encoding: 'utf8',
      timeout: LIMIT_MS,
      env: BARE,
    })
    assert.deepEqual([status, stdout], [2, ''])
    assert.match(stderr, /"tcsh".*bash, zsh(?:, | or )fish/s)
  }
})
