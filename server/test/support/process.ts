// What a process holds, as the system sees it.
import { readdirSync } from 'node:fs'

/** Open files and sockets. */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}
