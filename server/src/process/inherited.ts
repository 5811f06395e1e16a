// Listening sockets that the supervisor of this process had opened before, as systemd does for a socket unit.
//
// They stay open over a restart: connections that arrive while no process is there wait in them instead of being refused.

import { fstatSync, readFileSync, readlinkSync } from 'node:fs'

/** sd_listen_fds(3): they begin here. */
const FIRST = 3

/** What the kernel knows these sockets by: the same for all processes that they were handed over to. */
export function socketIds(descriptors: readonly number[]): readonly string[] {
  return descriptors.map(descriptor => {
    const { dev, ino } = fstatSync(descriptor, { bigint: true })
    return `${dev}:${ino}`
  })
}

/** The descriptors handed over, none as a rule. Read once, at the start. */
export function inheritedSockets(environment: NodeJS.ProcessEnv, pid: number): readonly number[] {
  const { LISTEN_FDS: count = '', LISTEN_PID: forWhom = '' } = environment
  // Variables that a parent left over are not meant for this process; its descriptors may be anything.
  if (!/^\d{1,3}$/.test(count) || (forWhom !== '' && forWhom !== String(pid))) return []
  return Array.from({ length: Number(count) }, (_, index) => FIRST + index)
}

/** A socket that was handed over, and what it is bound to. */
export interface InheritedSocket {
  readonly fd: number
  readonly protocol: 'tcp' | 'udp'
  readonly isIpv6: boolean
  readonly port: number
}

/** proc(5): one file for each protocol and family. */
const TABLES = [
  { file: 'tcp', protocol: 'tcp', isIpv6: false },
  { file: 'tcp6', protocol: 'tcp', isIpv6: true },
  { file: 'udp', protocol: 'udp', isIpv6: false },
  { file: 'udp6', protocol: 'udp', isIpv6: true },
] as const

/** `sl  local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode`, where the local address is `HEX:PORT`. */
const ROW = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) \S+ \S+ \S+ \S+ \S+\s+\d+\s+\d+ (\d+)/gm

/** What the kernel says of these; those that it says nothing of are left out. Node itself tells only of sockets that it listens on. */
export function inheritedEndpoints(descriptors: readonly number[]): readonly InheritedSocket[] {
  if (descriptors.length === 0) return []
  const byInode = new Map<string, Omit<InheritedSocket, 'fd'>>()
  for (const { file, protocol, isIpv6 } of TABLES) {
    for (const [, port = '', inode = ''] of tableOf(file).matchAll(ROW))
      byInode.set(inode, { protocol, isIpv6, port: Number.parseInt(port, 16) })
  }
  return descriptors.flatMap(fd => {
    const found = byInode.get(inodeOf(fd))
    return found === undefined ? [] : [{ fd, ...found }]
  })
}

/** '' where there is no such table: without IPv6, or on another system. */
function tableOf(file: string): string {
  try {
    return readFileSync(`/proc/self/net/${file}`, 'latin1')
  } catch {
    return ''
  }
}

function inodeOf(fd: number): string {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1] ?? ''
  } catch {
    return ''
  }
}
