// Listening sockets that the supervisor of this process had opened before, as systemd does for a socket unit.
//
// They stay open over a restart: connections that arrive while no process is there wait in them instead of being refused.

import { fstatSync } from 'node:fs'

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
