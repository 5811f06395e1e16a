// The ports that the server needs: whether it has them, or who has them instead; and those of tunnels.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Finding, failed, notChecked, ok } from './finding.ts'
import { type Listener, listeners } from './listeners.ts'

/** What is looked at. */
export interface PortOptions {
  readonly ports: readonly { readonly setting: string; readonly port: number; readonly protocol: 'tcp' | 'udp' }[]
  readonly range: { readonly first: number; readonly last: number }
  readonly isRunning: boolean
  readonly isService: boolean
  /** Where the file system begins. */
  readonly root?: string
}

/** Of the socket unit, and of this program. */
const OURS = new Set(['pbt-server', 'systemd', 'init'])

/** Never throws. */
export function checkPorts({ ports, range, isRunning, isService, root = '/' }: PortOptions): readonly Finding[] {
  const wanted = ports.filter(({ port }) => port !== 0)
  const found = listeners(
    wanted.map(({ port }) => port),
    root,
  )
  const own = wanted.map(each =>
    found === undefined
      ? notChecked(`port ${each.port}`, 'this system does not tell who listens', 'look with its own tools')
      : onePort(each, found, isRunning),
  )
  return [...own, tunnelPorts(range, isService, root)]
}

function onePort(
  { setting, port, protocol }: PortOptions['ports'][number],
  found: readonly Listener[],
  isRunning: boolean,
): Finding {
  const step = `port ${port}`
  const those = found.filter(each => each.port === port && each.protocol === protocol)
  const stranger = those.find(({ process }) => process !== undefined && !OURS.has(process.name))
  if (stranger?.process !== undefined) {
    const { name, pid } = stranger.process
    const cure = `end it, for example "sudo systemctl disable --now ${name}", or choose another ${setting}`
    return failed(step, `${name} (process ${pid}) has it, and pbt-server needs it (${setting})`, cure)
  }
  if (those.some(({ process }) => process !== undefined))
    return ok(step, isRunning ? 'pbt-server listens' : 'kept open for pbt-server')
  if (those.length > 0)
    return notChecked(step, 'a program of another user listens', 'run "sudo pbt-server doctor", which may see which')
  if (!isRunning) return ok(step, 'free')
  return failed(
    step,
    `nobody listens, though pbt-server runs (${setting})`,
    'sudo systemctl restart pbt-server.socket pbt-server',
  )
}

/** The system takes ports for connections that go out; a tunnel whose port it has just taken does not open. */
function tunnelPorts({ first, last }: PortOptions['range'], isService: boolean, root: string): Finding {
  const step = 'ports of tunnels'
  const [low, high] = numbersIn(join(root, 'proc/sys/net/ipv4/ip_local_port_range'))
  if (low === undefined || high === undefined) return ok(step, `${first}-${last}`)
  const [from, to] = [Math.max(first, low), Math.min(last, high)]
  if (from > to || isReserved(from, to, root)) return ok(step, `${first}-${last}, which the system leaves alone`)
  const message = `the system takes ${from}-${to} also for outgoing connections: a tunnel's port may be taken when it opens`
  if (!isService)
    return notChecked(step, message, `as a service: sudo sysctl -w net.ipv4.ip_local_reserved_ports=${first}-${last}`)
  const cure = `sudo sysctl -w net.ipv4.ip_local_reserved_ports=${first}-${last}, and the same line in /etc/sysctl.d/60-pbt-server.conf`
  return failed(step, message, cure)
}

function isReserved(from: number, to: number, root: string): boolean {
  return textOf(join(root, 'proc/sys/net/ipv4/ip_local_reserved_ports'))
    .trim()
    .split(',')
    .some(block => {
      const [first = Number.NaN, last = first] = block.split('-').map(Number)
      return first <= from && to <= last
    })
}

function numbersIn(file: string): number[] {
  return (textOf(file).match(/\d+/g) ?? []).map(Number)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
