// What a process holds, as the system sees it.
import { readdirSync, readFileSync } from 'node:fs'

/** Open files and sockets. */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/**
 * How many ms the main thread of this process has been ready to run while others had the processors: what a busy machine adds to a
 * time, and no program can help. 0 where the system does not tell (Documentation/scheduler/sched-stats.rst).
 */
export function heldUpMs(pid = process.pid): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

/** Tells how many ms have passed since now, less those in which these processes were held up. */
export function stopwatch(...pids: readonly number[]): () => number {
  const at = () => pids.reduce((ms, pid) => ms - heldUpMs(pid), performance.now() - heldUpMs())
  const began = at()
  return () => at() - began
}
