// The client's daemon and the commands that steer it, as a user runs them; and a small supervisor that does what a unit says.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CLIENT, type Cleaner, others, type ProgramEvent, program } from './programs.ts'

/** What a command said and how it ended. */
export interface Said {
  readonly events: readonly ProgramEvent[]
  readonly code: number | null
  readonly text: string
  readonly stderr: string
}

/** Only a failure waits for it. */
const WAIT_MS = 60_000
const LOOK_EVERY_MS = 50

/** Commands of a home; whatever runs for it is ended after the test, and when the tests are ended from outside. */
export class Home {
  readonly home: string
  readonly env: NodeJS.ProcessEnv
  private readonly t: Cleaner

  constructor(t: Cleaner, env: NodeJS.ProcessEnv) {
    this.t = t
    this.env = env
    this.home = String(env.PBT_HOME)
    const kill = () => this.kill()
    others.add(kill)
    t.after(() => {
      kill()
      others.delete(kill)
    })
  }

  get file(): string {
    return join(this.home, 'tunnels.yaml')
  }

  get log(): string {
    return textOf(join(this.home, 'state/daemon.log'))
  }

  /** Runs a command to its end; `--json` unless it speaks to people. */
  async run(...args: string[]): Promise<Said> {
    const started = program(this.t, CLIENT, args, this.env)
    const { code } = await started.exited
    return { events: started.events, code, text: started.said, stderr: started.stderr }
  }

  async json(...args: string[]): Promise<Said> {
    return await this.run(...args, '--json')
  }

  /** The tunnels of the daemon, by their names. */
  async tunnels(): Promise<ReadonlyMap<string, ProgramEvent>> {
    const { events } = await this.json('tunnel', 'list')
    return new Map(events.map(event => [String(event.tunnel), event]))
  }

  /** Of the daemon that was started last, 0 when none runs. */
  get pid(): number {
    try {
      return Number(readlinkSync(join(this.home, 'run/daemon.pid')))
    } catch {
      return 0
    }
  }

  /** Of pbt, for this home: daemons and commands that run. */
  get processes(): readonly number[] {
    return processesOf(this.home)
  }

  /**
   * As a power cut does, to every process of this home; nothing when there is none. A test's directory may be gone by then, and a daemon
   * that is starting has written nothing yet: they are known by their environment.
   */
  kill(): void {
    rmSync(join(this.home, 'run/daemon.pid'), { force: true })
    for (const pid of this.processes) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended.
      }
    }
  }

  /** Its list of tunnels, as somebody writes it by hand. */
  write(text: string): void {
    mkdirSync(this.home, { recursive: true, mode: 0o700 })
    writeFileSync(this.file, text)
  }

  /** Waits until the log has it, after its first `skip` characters. */
  async logged(pattern: RegExp, skip = 0): Promise<void> {
    await until(
      () => pattern.test(this.log.slice(skip)),
      () => `${pattern} in the log: ${this.log.slice(skip)}`,
    )
  }
}

/** Those of pbt whose PBT_HOME it is, as Linux tells it. */
function processesOf(home: string): number[] {
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  // The first is its title, once it has one.
  const pbts = pids.filter(pid => /^pbt\0|client\/src\/main\.[jt]s\0/.test(`${textOf(`/proc/${pid}/cmdline`)}\0`))
  return pbts.filter(pid => textOf(`/proc/${pid}/environ`).split('\0').includes(`PBT_HOME=${home}`)).map(Number)
}

/** Waits until it is so. */
export async function until(isSo: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const deadline = performance.now() + WAIT_MS
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`did not come: ${what()}`)
    await new Promise(resolve => setTimeout(resolve, LOOK_EVERY_MS))
  }
}

/** Runs a unit as systemd does: its command line, environment, working directory, signals and restarts. */
export class Supervisor {
  readonly unit: ReadonlyMap<string, readonly string[]>
  /** Of the process that runs. */
  pid = 0
  restarts = 0
  /** With which the process ended last. */
  lastCode: number | null = null
  private readonly env: NodeJS.ProcessEnv
  private readonly under: readonly string[]
  private isWanted = false
  private ended: Promise<unknown> = Promise.resolve()

  /** `env`: what the manager has itself, little as it is; `under`: a command that starts the program in its place. */
  constructor(t: Cleaner, text: string, env: NodeJS.ProcessEnv, under: readonly string[] = []) {
    this.unit = settingsOf(text)
    this.env = env
    this.under = under
    t.after(() => {
      this.isWanted = false
      if (this.pid > 0) process.kill(this.pid, 'SIGKILL')
    })
  }

  start(): void {
    if (this.isWanted) return
    this.isWanted = true
    this.run()
  }

  /** As `systemctl stop`. */
  async stop(): Promise<void> {
    this.isWanted = false
    if (this.pid === 0) return
    const timer = setTimeout(() => this.signal('SIGKILL'), Number(this.one('TimeoutStopSec')) * 1_000)
    this.signal(this.one('KillSignal') as NodeJS.Signals)
    await this.ended
    clearTimeout(timer)
  }

  signal(signal: NodeJS.Signals): void {
    if (this.pid > 0) process.kill(this.pid, signal)
  }

  private run(): void {
    const [file = '', ...args] = [...this.under, ...wordsOf(this.one('ExecStart'))]
    const assignments = (this.unit.get('Environment') ?? []).flatMap(wordsOf)
    const own = Object.fromEntries(assignments.map(each => [each.split('=', 1)[0], each.slice(each.indexOf('=') + 1)]))
    const child = spawn(file, args, {
      cwd: this.one('WorkingDirectory'),
      env: { ...this.env, ...own, INVOCATION_ID: '5f1c' },
      stdio: 'ignore',
    })
    this.pid = child.pid ?? 0
    this.ended = once(child, 'exit').then(([code]) => {
      this.pid = 0
      this.lastCode = code
      const prevented = this.one('RestartPreventExitStatus').split(' ')
      // Restart=on-failure: whatever is no clean end.
      if (!this.isWanted || code === 0 || prevented.includes(String(code))) return
      this.restarts++
      setTimeout(() => this.isWanted && this.run(), Number(this.one('RestartSec')) * 1_000)
    })
  }

  private one(name: string): string {
    return this.unit.get(name)?.[0] ?? ''
  }
}

function settingsOf(text: string): Map<string, string[]> {
  const settings = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [, name, value = ''] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (name !== undefined) settings.set(name, [...(settings.get(name) ?? []), value])
  }
  return settings
}

/** Quotes and specifiers as systemd.syntax(7) has them. */
function wordsOf(line: string): string[] {
  const words = line.match(/"(?:\\.|[^"\\])*"|\S+/g) ?? []
  return words.map(word =>
    (word.startsWith('"') ? word.slice(1, -1).replace(/\\(.)/g, '$1') : word)
      .replaceAll('%%', '%')
      .replaceAll('$$', '$'),
  )
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
