// A machine to install on: this one's files below an overlay, so that nothing of it is changed, with a network and processes of its own.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Cleaner, scratch } from './programs.ts'

/** Of the machine, in a network where there is nothing else. */
export const ADDRESS = '203.0.113.7'
const COMMAND_MS = 240_000

/** `$1`: a directory for it; `$2`: that of the Node to be seen in /opt/node. Tells when it is there, and stays until its input ends. */
const MAKE = `set -e
mount -t tmpfs -o mode=0755 tmpfs "$1" && mkdir "$1/up" "$1/work" "$1/whole"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/whole"
mount -t proc proc "$1/whole/proc" && mount --rbind /dev "$1/whole/dev" && mount -t tmpfs tmpfs "$1/whole/run" && mount -t tmpfs tmpfs "$1/whole/tmp"
mkdir -p "$1/whole/opt/node" && mount --bind "$2" "$1/whole/opt/node"
ip link set lo up && ip addr add ${ADDRESS}/32 dev lo
echo ready && cat > /dev/null`

export interface Ran {
  readonly status: number | null
  /** What it said, to both streams. */
  readonly text: string
}

/** Whether such a machine can be had here. */
export const canHaveMachine =
  process.getuid?.() === 0 &&
  spawnSync('unshare', [
    ...['--mount', '--net', 'sh', '-c'],
    'mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w /mnt/r && mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/r && ip link set lo up',
  ]).status === 0

export class Machine {
  private readonly holder: ChildProcess
  private readonly root: string

  private constructor(holder: ChildProcess, root: string) {
    this.holder = holder
    this.root = root
  }

  /** There until the test is over. */
  static async start(t: Cleaner): Promise<Machine> {
    const directory = scratch(t)
    const node = dirname(realpathSync(process.execPath))
    const args = ['--mount', '--net', '--pid', '--fork', '--kill-child', 'sh', '-c', MAKE, 'sh', directory, node]
    const holder = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'inherit'] })
    t.after(async () => {
      const over = once(holder, 'exit')
      holder.kill('SIGKILL')
      await over
    })
    await once(holder.stdout, 'data')
    return new Machine(holder, join(directory, 'whole'))
  }

  /** A line of a shell, in the machine, as root unless it says otherwise. */
  run(line: string, env: NodeJS.ProcessEnv = {}): Ran {
    const [command = '', ...args] = this.into('sh', '-c', line)
    const ran = spawnSync(command, args, { encoding: 'utf8', timeout: COMMAND_MS, env: this.environment(env) })
    return { status: ran.status, text: `${ran.stdout}${ran.stderr}` }
  }

  /** A program that goes on. */
  start(t: Cleaner, line: string, env: NodeJS.ProcessEnv = {}): ChildProcess {
    const [command = '', ...args] = this.into('sh', '-c', line)
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: this.environment(env) })
    t.after(() => child.kill('SIGKILL'))
    return child
  }

  /** Writes a file of the machine. */
  write(path: string, text: string | Buffer, mode = 0o644): void {
    const ran = spawnSync(
      ...this.through(`mkdir -p "$(dirname ${path})" && cat > ${path} && chmod ${mode.toString(8)} ${path}`),
      {
        input: text,
      },
    )
    if (ran.status !== 0) throw new Error(`${path}: ${ran.stderr}`)
  }

  private through(line: string): [string, string[]] {
    const [command = '', ...args] = this.into('sh', '-c', line)
    return [command, args]
  }

  private into(...command: readonly string[]): string[] {
    // The holder is unshare, and its child the first process of the machine.
    const pid = execFileSync('pgrep', ['-P', String(this.holder.pid)], { encoding: 'utf8' }).trim()
    return ['nsenter', '-t', pid, '-m', '-n', '-p', 'chroot', this.root, ...command]
  }

  private environment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
    const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    return { PATH: path, HOME: '/srv', LANG: 'C.UTF-8', ...env }
  }
}
