// A machine to install on: this one's files below an overlay, so that nothing of it is changed, with a network and processes of its own and one line to an internet of tests.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { OUTSIDE_ADDRESS, type Outside } from './outside.ts'
import { type Cleaner, scratch } from './programs.ts'
import { openRegistries } from './registries.ts'

/** Of the machine. */
export const ADDRESS = '203.0.113.7'
const COMMAND_MS = 240_000
/** Where packages are fetched, some hundred of them. */
const FETCHING_MS = 900_000

/** `$1`: a directory for it; `$2`: that of the Node to be seen in /opt/node; `$3`: its files. Tells when it is there, and stays until its input ends. */
const MAKE = `set -e
mount -t tmpfs -o mode=0755 tmpfs "$1" && mkdir "$1/up" "$1/work" "$1/whole"
mount -t overlay overlay -o "lowerdir=$3,upperdir=$1/up,workdir=$1/work" "$1/whole"
mount -t proc proc "$1/whole/proc" && mount --rbind /dev "$1/whole/dev" && mount -t tmpfs tmpfs "$1/whole/run" && mount -t tmpfs tmpfs "$1/whole/tmp"
mkdir -p "$1/whole/opt/node" && mount --bind "$2" "$1/whole/opt/node"
ip link set lo up
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
  private readonly outside: Outside
  private readonly commandMs: number

  private constructor(holder: ChildProcess, root: string, outside: Outside, commandMs: number) {
    this.holder = holder
    this.root = root
    this.outside = outside
    this.commandMs = commandMs
  }

  /** There until the test is over, on a line to that internet, whose name servers it asks. `files`: the root of a Debian, this one's by default;
   *  that one fetches its packages itself. */
  static async start(t: Cleaner, outside: Outside, files?: string): Promise<Machine> {
    const directory = scratch(t)
    const node = dirname(realpathSync(process.execPath))
    const args = [
      '--mount',
      '--net',
      '--pid',
      '--fork',
      '--kill-child',
      'sh',
      '-c',
      MAKE,
      'sh',
      directory,
      node,
      files ?? '/',
    ]
    const holder = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'inherit'] })
    t.after(async () => {
      const over = once(holder, 'exit')
      holder.kill('SIGKILL')
      await over
    })
    await once(holder.stdout, 'data')
    const machine = new Machine(
      holder,
      join(directory, 'whole'),
      outside,
      files === undefined ? COMMAND_MS : FETCHING_MS,
    )
    const plug = ['link', 'add', 'name', 'eth0', 'netns', machine.pid, 'type', 'veth', 'peer', 'name', 'vps']
    execFileSync('ip', [...plug, 'netns', outside.pid])
    const set = (pid: string, ...args: string[]) => execFileSync('nsenter', ['-t', pid, '-n', 'ip', ...args])
    for (const [pid, name, address] of [
      [machine.pid, 'eth0', `${ADDRESS}/24`],
      [outside.pid, 'vps', `${OUTSIDE_ADDRESS}/24`],
    ] as const) {
      set(pid, 'address', 'add', address, 'dev', name)
      set(pid, 'link', 'set', name, 'up')
    }
    machine.write('/etc/resolv.conf', `nameserver ${OUTSIDE_ADDRESS}\n`)
    if (files !== undefined) await openRegistries(t, [machine.pid, outside.pid])
    return machine
  }

  /** A line of a shell, in the machine, as root unless it says otherwise; `home`: with the same files, in the network of those outside. */
  run(line: string, env: NodeJS.ProcessEnv = {}, where: 'here' | 'home' = 'here'): Ran {
    const [command = '', ...args] = this.into(where, 'sh', '-c', line)
    const ran = spawnSync(command, args, { encoding: 'utf8', timeout: this.commandMs, env: this.environment(env) })
    return { status: ran.status, text: `${ran.stdout}${ran.stderr}` }
  }

  /** As `run`, and hears meanwhile what it says, line by line. */
  async follow(line: string, env: NodeJS.ProcessEnv, hear: (line: string) => void): Promise<Ran> {
    const [command = '', ...args] = this.into('here', 'sh', '-c', `exec 2>&1; ${line}`)
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env: this.environment(env) })
    const late = setTimeout(() => child.kill('SIGKILL'), this.commandMs)
    let text = ''
    for await (const said of createInterface({ input: child.stdout })) {
      text += `${said}\n`
      hear(said)
    }
    if (child.exitCode === null) await once(child, 'exit')
    clearTimeout(late)
    return { status: child.exitCode, text }
  }

  /** A program that goes on. */
  start(t: Cleaner, line: string, env: NodeJS.ProcessEnv = {}, where: 'here' | 'home' = 'here'): ChildProcess {
    const [command = '', ...args] = this.into(where, 'sh', '-c', line)
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
    const [command = '', ...args] = this.into('here', 'sh', '-c', line)
    return [command, args]
  }

  /** The holder is unshare, and its child the first process of the machine. */
  private get pid(): string {
    return execFileSync('pgrep', ['-P', String(this.holder.pid)], { encoding: 'utf8' }).trim()
  }

  private into(where: 'here' | 'home', ...command: readonly string[]): string[] {
    const pid = where === 'home' ? this.outside.pid : this.pid
    const network = where === 'home' ? [`--net=/proc/${pid}/ns/net`] : ['-n']
    return ['nsenter', '-t', this.pid, '-m', '-p', ...network, 'chroot', this.root, ...command]
  }

  private environment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
    const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    return { PATH: path, HOME: '/srv', LANG: 'C.UTF-8', ...env }
  }
}
