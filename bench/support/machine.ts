// Processes of a benchmark: pinned to cores where there are four, their CPU time and memory read from the system.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export type Role = 'load' | 'edge' | 'client' | 'origin'
const ROLES: readonly Role[] = ['load', 'edge', 'client', 'origin']
/** The core of each role in this order; where there are fewer than four cores the system decides unless BENCH_CORES does. */
const CORES = chosenCores() ?? [0, 1, 2, 3]
const IS_PINNED =
  (process.env.BENCH_CORES !== undefined || cpus().length >= 4) && spawnSync('taskset', ['--version']).status === 0
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
/** Only a failure ever waits for it. */
const START_MS = 60_000

const children = new Set<ChildProcess>()
export const SCRATCH = mkdtempSync(join(tmpdir(), 'pbt-bench-'))

process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(SCRATCH, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

export interface Running {
  readonly pid: number
  /** The first line of stdout that fits, within a minute. */
  line(fits?: (text: string) => boolean): Promise<string>
  /** Resolves when it has ended, by itself or otherwise. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

/** The command on the core of its role. */
export function placed(
  role: Role,
  command: string,
  args: readonly string[],
): readonly [program: string, ...args: string[]] {
  return IS_PINNED ? ['taskset', '-c', String(CORES[ROLES.indexOf(role)]), command, ...args] : [command, ...args]
}

/** Starts a program on the core of its role. */
export function start(role: Role, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const [program, ...rest] = placed(role, command, args)
  const child = spawn(program, rest, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  const lines: string[] = []
  let stderr = ''
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const call of waiting) call()
  }
  createInterface({ input: child.stdout }).on('line', line => {
    lines.push(line)
    wake()
  })
  child.stderr.on('data', chunk => {
    stderr = (stderr + chunk).slice(-2000)
  })
  const ended = new Promise<void>(resolve => {
    child.once('exit', () => {
      children.delete(child)
      resolve()
      wake()
    })
  })
  return {
    pid: child.pid ?? 0,
    ended,
    line: (fits = () => true) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`${command} ${args.join(' ')} says nothing: ${stderr}`)),
          START_MS,
        )
        const look = () => {
          const found = lines.find(fits)
          if (found === undefined && children.has(child)) return
          waiting.delete(look)
          clearTimeout(timer)
          if (found === undefined) reject(new Error(`${command} ${args.join(' ')} ended: ${stderr}`))
          else resolve(found)
        }
        waiting.add(look)
        look()
      }),
    stop: async () => {
      child.kill('SIGTERM')
      const killer = setTimeout(() => child.kill('SIGKILL'), 3_000)
      await ended
      clearTimeout(killer)
    },
  }
}

function chosenCores(): number[] | undefined {
  const text = process.env.BENCH_CORES
  if (text === undefined) return undefined
  const cores = text.split(',').map(Number)
  if (cores.length === ROLES.length && cores.every(core => core in cpus())) return cores
  throw new Error(
    `BENCH_CORES is "${text}": it takes the cores of ${ROLES.join(', ')}, each from 0 to ${cpus().length - 1}`,
  )
}

/** A Node program of bench/support. */
export function startNode(role: Role, file: string, args: readonly string[], flags: readonly string[] = []): Running {
  return start(role, process.execPath, [...flags, join(ROOT, file), ...args])
}

/** CPU seconds that processes have used, threads and children that ended included. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + ticksOf(pid, 11, 12, 13, 14), 0) / TICKS_PER_SECOND
}

/** CPU seconds that the children of this process have used which have ended (proc(5), cutime and cstime). */
export function endedSeconds(): number {
  return ticksOf('self', 13, 14) / TICKS_PER_SECOND
}

function ticksOf(pid: number | 'self', ...fields: readonly number[]): number {
  const all = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return fields.reduce((sum, field) => sum + Number(all[field]), 0)
}

/** Proportional set size of a process in KiB. */
export function memoryKib(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
}

/** Processes below this one, itself included. */
export function family(pid: number): number[] {
  const all = [pid]
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim()
    for (const child of children === '' ? [] : children.split(' ')) all.push(...family(Number(child)))
  }
  return all
}

export function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

export function freeUdpPort(): Promise<number> {
  return new Promise(resolve => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1', () => {
      const { port } = socket.address()
      socket.close(() => resolve(port))
    })
  })
}

/** Waits until something accepts connections there. */
export async function answering(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const isOpen = await new Promise<boolean>(resolve => {
      const socket = connect({ port, host: '127.0.0.1' })
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('close', () => {})
      setTimeout(() => socket.destroy(), 50)
    })
    if (isOpen) return
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error(`nothing listens on port ${port}`)
}

/** The path of a program, undefined when it is not installed. BENCH_PEERS_PATH is looked in first. */
export function find(program: string): string | undefined {
  const paths = `${process.env.BENCH_PEERS_PATH ?? ''}:${process.env.PATH}:/usr/sbin`.split(':')
  return paths.map(path => join(path, program)).find(file => existsSync(file))
}

export function describeMachine(): string {
  const [first] = cpus()
  const pinned = IS_PINNED ? `${ROLES.join(', ')} on cores ${CORES.join(', ')}` : 'not pinned'
  return `${cpus().length} cores (${first?.model ?? 'unknown'}), Node ${process.versions.node}, ${pinned}`
}
