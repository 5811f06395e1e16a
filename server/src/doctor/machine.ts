// The machine: its clock, memory, and what it grants the server.
import { existsSync, readFileSync } from 'node:fs'
import { freemem, totalmem } from 'node:os'
import { join } from 'node:path'
import { type Finding, failed, notChecked, ok, sizeText } from './finding.ts'

/** Certificates and tokens with an end bear a minute. */
const MOST_CLOCK_MS = 60_000
const ASK_MS = 5_000
const LEAST_FREE_BYTES = 100_000_000
/** Each visitor is one, and so is each connection to a target. */
const LEAST_DESCRIPTORS = 4_096
/** What the server asks for each port of UDP tunnels. */
const UDP_BUFFER_BYTES = 4 * 1024 * 1024

/** What is looked at. */
export interface MachineOptions {
  /** An https address whose answers have a date; undefined: nobody is asked. */
  readonly clockUrl: string | undefined
  /** Of the server that runs. */
  readonly pid: number | undefined
  readonly isService: boolean
  readonly now?: () => number
  readonly root?: string
  readonly ask?: (url: string) => Promise<string | null>
}

/** Never rejects. */
export async function checkMachine(options: MachineOptions): Promise<readonly Finding[]> {
  const { root = '/' } = options
  return [await clock(options, root), memory(root), ...descriptors(options, root), udpBuffers(options, root)]
}

async function clock({ clockUrl, now = Date.now, ask = dateOf }: MachineOptions, root: string): Promise<Finding> {
  const step = 'clock'
  if (clockUrl !== undefined) {
    const asked = now()
    const date = await ask(clockUrl).catch(() => null)
    const there = date === null ? Number.NaN : Date.parse(date)
    if (!Number.isNaN(there)) {
      const off = (asked + now()) / 2 - there
      if (Math.abs(off) < MOST_CLOCK_MS) return ok(step, `right, by ${new URL(clockUrl).host}`)
      const which = off > 0 ? 'ahead' : 'behind'
      return failed(
        step,
        `it is ${durationText(Math.abs(off))} ${which} of ${new URL(clockUrl).host}`,
        'sudo timedatectl set-ntp true',
      )
    }
  }
  if (existsSync(join(root, 'run/systemd/timesync/synchronized'))) return ok(step, 'kept by systemd-timesyncd')
  return notChecked(
    step,
    'nobody could be asked for the time',
    'compare "date -u" with a clock; "timedatectl" tells who keeps it',
  )
}

async function dateOf(url: string): Promise<string | null> {
  const answer = await fetch(url, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(ASK_MS) })
  return answer.headers.get('date')
}

function durationText(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  return minutes < 120
    ? `${minutes} minutes`
    : minutes < 2_880
      ? `${Math.round(minutes / 60)} hours`
      : `${Math.round(minutes / 1_440)} days`
}

function memory(root: string): Finding {
  const step = 'memory'
  const available =
    Number(/^MemAvailable:\s+(\d+) kB/m.exec(textOf(join(root, 'proc/meminfo')))?.[1] ?? Number.NaN) * 1024
  const free = Number.isNaN(available) ? freemem() : available
  const text = `${sizeText(free)} of ${sizeText(totalmem())} are available`
  return free >= LEAST_FREE_BYTES
    ? ok(step, text)
    : failed(step, `only ${text}`, 'end other programs, or add memory or swap')
}

function descriptors({ pid, isService }: MachineOptions, root: string): readonly Finding[] {
  const step = 'descriptors'
  if (pid === undefined) return []
  const limit = /^Max open files\s+(\d+|unlimited)/m.exec(textOf(join(root, 'proc', String(pid), 'limits')))?.[1]
  if (limit === undefined)
    return [notChecked(step, `the limits of process ${pid} cannot be read`, 'run "sudo pbt-server doctor"')]
  if (limit === 'unlimited' || Number(limit) >= LEAST_DESCRIPTORS) return [ok(step, `the server may have ${limit}`)]
  const cure = isService ? 'LimitNOFILE=65536 in the unit' : '"ulimit -n 65536" before "pbt-server start"'
  return [failed(step, `the server may have only ${limit}, and every connection is one`, cure)]
}

function udpBuffers({ isService }: MachineOptions, root: string): Finding {
  const step = 'UDP buffers'
  const most = Number(textOf(join(root, 'proc/sys/net/core/rmem_max')).trim() || Number.NaN)
  if (Number.isNaN(most))
    return notChecked(step, 'the system does not tell', 'nothing, unless UDP tunnels lose datagrams')
  if (most >= UDP_BUFFER_BYTES) return ok(step, `up to ${sizeText(most)}`)
  const message = `the system grants ${sizeText(most)}: UDP tunnels lose datagrams when many come at once`
  const cure = `sudo sysctl -w net.core.rmem_max=${UDP_BUFFER_BYTES}, and the same line in /etc/sysctl.d/60-pbt-server.conf`
  return isService ? failed(step, message, cure) : notChecked(step, message, cure)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
