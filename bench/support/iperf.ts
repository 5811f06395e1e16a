// iperf3 as the load, where it is installed: written in C, it costs a fraction of what a load in Node does, which on shared cores hides
// what is measured behind itself.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { answering, cpuSeconds, find, freePort, placed, type Running, start } from './machine.ts'
import type { Measured } from './measure.ts'
import type { System } from './systems.ts'

const HOST = '127.0.0.1'
/** Its server takes one client at a time, and needs a moment to see that the last one is gone. */
const ATTEMPTS = 6
const BUSY_MS = 500
/** So that it loses as little as may be by itself. */
const MOST_BUFFER_BYTES = 1 << 20
/** Datagrams of the last run that are late are taken for the greeting of the next one: then it has to be tried again. */
const PASSING = /busy|temporarily unavailable|unable to (read|receive)/

/** `iperf3` or undefined. */
export const iperf3 = find('iperf3')

/** What a table says of its load. */
export const LOAD_NAME =
  iperf3 === undefined
    ? 'load in Node, since iperf3 is not installed: its own cost is part of what it finds'
    : 'load by iperf3'

/** What a tunnel leads to. */
export async function startIperfServer(): Promise<{ readonly port: number; readonly running: Running }> {
  const port = await freePort()
  const running = start('origin', iperf3 ?? 'iperf3', ['-s', '-p', String(port), '-B', HOST])
  await answering(port)
  return { port, running }
}

interface Sum {
  readonly bits_per_second: number
  readonly packets?: number
  readonly lost_packets?: number
}

interface Said {
  readonly error?: string
  readonly end?: { readonly sum_received?: Sum; readonly sum_sent?: Sum }
}

/** One connection's bulk through the system, `up` from the visitor to the target. */
export async function iperfBulk(
  system: System,
  kind: 'up' | 'down',
  load: { readonly warmupSeconds: number; readonly seconds: number },
): Promise<Measured> {
  const [warmupSeconds, seconds] = [whole(load.warmupSeconds), whole(load.seconds)]
  const args = ['-t', String(seconds), '-O', String(warmupSeconds), ...(kind === 'down' ? ['-R'] : [])]
  const { said, edge, client } = await ask(system, system.http ?? 0, args)
  const bytesPerSecond = (said.end?.sum_received?.bits_per_second ?? 0) / 8
  const used = { edgeSeconds: edge, clientSeconds: client, seconds: seconds + warmupSeconds }
  return { perSecond: 0, p50: 0, p99: 0, bytesPerSecond, ...used }
}

export interface Datagrams {
  readonly perSecond: number
  readonly lostPercent: number
  readonly edgeMicros: number
  readonly clientMicros: number
}

/** Datagrams of `size` bytes at a fixed rate over `flows`, one way. */
export async function iperfDatagrams(
  system: System,
  port: number,
  load: {
    readonly kind: 'up' | 'down'
    readonly size: number
    readonly perSecond: number
    readonly flows: number
    readonly seconds: number
  },
): Promise<Datagrams> {
  const { kind, size, perSecond, flows } = load
  const seconds = whole(load.seconds)
  const bits = Math.round((perSecond * size * 8) / flows)
  const buffer = String(Math.min(MOST_BUFFER_BYTES, ...['rmem_max', 'wmem_max'].map(systemLimit)))
  const args = ['-u', '-b', String(bits), '-l', String(size), '-P', String(flows), '-w', buffer, '-t', String(seconds)]
  const { said, edge, client } = await ask(system, port, kind === 'down' ? [...args, '-R'] : args)
  // What is still on its way at the end is no loss for iperf3, which counts gaps: here it has not come.
  const sent = said.end?.sum_sent?.packets ?? 0
  const received = said.end?.sum_received
  const came = Math.max(1, (received?.packets ?? 0) - (received?.lost_packets ?? 0))
  return {
    perSecond: came / seconds,
    lostPercent: sent === 0 ? 100 : (100 * (sent - Math.min(sent, came))) / sent,
    edgeMicros: (1e6 * edge) / came,
    clientMicros: (1e6 * client) / came,
  }
}

/** Of Linux, in bytes; iperf3 refuses to go on with less than it asked for. */
function systemLimit(name: string): number {
  return Number(readFileSync(`/proc/sys/net/core/${name}`, 'utf8'))
}

/** It knows no parts of a second, and takes 0 for ever. */
function whole(seconds: number): number {
  return Math.max(1, Math.ceil(seconds))
}

/** What it says of one run, and the CPU seconds of the system meanwhile. */
async function ask(system: System, port: number, args: readonly string[]) {
  for (let attempt = 1; ; attempt++) {
    const [edge, client] = [cpuSeconds(system.edge()), cpuSeconds(system.client())]
    const said = await run(['-c', HOST, '-p', String(port), '-J', ...args])
    const used = { edge: cpuSeconds(system.edge()) - edge, client: cpuSeconds(system.client()) - client }
    if (said.error === undefined) return { said, ...used }
    if (attempt === ATTEMPTS || !PASSING.test(said.error))
      throw new Error(`iperf3 through ${system.name}: ${said.error}`)
    await pause(BUSY_MS * attempt)
  }
}

async function run(args: readonly string[]): Promise<Said> {
  const [program, ...rest] = placed('load', iperf3 ?? 'iperf3', args)
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', chunk => {
    said += chunk
  })
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => resolve())
  })
  return JSON.parse(said) as Said
}
