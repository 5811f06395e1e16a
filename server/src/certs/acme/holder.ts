// Which process makes the orders: how one is told from another, and whether it is alive.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { systemCodeOf } from '../../failure.ts'

/** This process. A process number alone would not do: it is used again, and is the same in every container. */
export class ThisProcess {
  readonly holder = `${process.pid} ${startOf(process.pid)} ${randomBytes(8).toString('hex')}`

  /** Whether the process that called itself so has ended. */
  isGone(holder: string): boolean {
    if (holder === this.holder) return false
    const [text = '', start] = holder.split(' ')
    const pid = Number(text)
    // Another one of this number: it was there before.
    if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return true
    return !isAlive(pid) || startOf(pid) !== start
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCodeOf(error) === 'EPERM'
  }
}

/** When it started, in the kernel's ticks; `-` where that cannot be known. */
function startOf(pid: number): string {
  try {
    // proc(5): the second field has the name in parentheses, which may hold anything; the start is the 22nd.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '-'
  } catch {
    return '-'
  }
}
