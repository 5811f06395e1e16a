// A program in a terminal of a size and kind, by `script` of util-linux, which every Debian has.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { CLIENT_FLAGS, SERVER_FLAGS } from '../../../launch/launch.js'
import { type Cleaner, SERVER } from './programs.ts'

const WAIT_MS = 30_000

export interface Size {
  readonly columns: number
  readonly rows: number
}

export interface TerminalOptions {
  readonly size: Size
  /** TERM; undefined: not set. */
  readonly kind: string | undefined
  readonly env?: NodeJS.ProcessEnv
  /** Nobody looks, and the terminal's buffer fills: as after Ctrl-S. */
  readonly isStopped?: boolean
}

export interface Terminal {
  /** Of the program. */
  readonly pid: number
  /** What the terminal got. */
  readonly text: () => string
  readonly until: (pattern: RegExp) => Promise<string>
  readonly ended: Promise<unknown>
  /** As if it were typed. */
  readonly type: (text: string) => void
}

/** Whether there are terminals here. */
export const hasTerminals =
  spawnSync('script', ['--version']).status === 0 && spawnSync('stty', ['--version']).status === 0

/** Starts it; resolves when the terminal is there. Ended after the test. */
export async function inTerminal(
  t: Cleaner,
  file: string,
  args: readonly string[],
  options: TerminalOptions,
): Promise<Terminal> {
  const { size, kind, env, isStopped = false } = options
  const command = [process.execPath, ...(file === SERVER ? SERVER_FLAGS : CLIENT_FLAGS), file, ...args]
  const line = `stty rows ${size.rows} columns ${size.columns} && echo "pid $$." && exec ${command.map(quoted).join(' ')}`
  const child = spawn('script', ['-qefc', line, '/dev/null'], {
    env: { ...process.env, ...env, TERM: kind },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  return await watched(child, isStopped)
}

async function watched(child: ChildProcess, isStopped: boolean): Promise<Terminal> {
  let text = ''
  const waiting = new Set<() => void>()
  const { stdout } = child
  if (stdout === null) throw new Error('script has no output')
  stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    for (const look of waiting) look()
  })
  const until = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${pattern} was not seen in ${JSON.stringify(text)}`)), WAIT_MS)
      const look = () => {
        const found = pattern.exec(text)
        if (found === null) return
        clearTimeout(timer)
        waiting.delete(look)
        resolve(found[1] ?? found[0])
      }
      waiting.add(look)
      look()
    })
  const pid = Number(await until(/pid (\d+)\./))
  if (isStopped) stdout.pause()
  return { pid, text: () => text, until, ended: once(child, 'exit'), type: text => child.stdin?.write(text) }
}

function quoted(argument: string): string {
  return `'${argument.replaceAll("'", `'\\''`)}'`
}
