// Which process is the daemon of a home: a symbolic link to its number, and its control socket, which tells whether it still is.
// A link and not a file: it is made whole or not at all, and on a full disk too, where a daemon has to come back as well.
import { randomBytes } from 'node:crypto'
import { lstatSync, mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Failure, failureOf } from '../failure.ts'
import { statusOf } from '../tunnels/ask.ts'
import { socketFolder } from '../tunnels/control.ts'
import type { Status } from '../tunnels/events.ts'

const FILE = 'daemon.pid'
/** Each one lost the race against another start, which then is the daemon. */
const MAX_TRIES = 5

/** The daemon of the home and how it stands; undefined when none runs, whatever one that was killed has left. */
export async function findDaemon(home: string): Promise<{ pid: number; status: Status } | undefined> {
  const pid = pidIn(join(socketFolder(home), FILE))
  if (pid === undefined) return undefined
  const status = await statusOf(home, pid)
  if (status === undefined) return undefined
  // Another pbt may have got the number of one that was killed.
  if (status.kind === 'answered' && !status.snapshot.isDaemon) return undefined
  return { pid, status }
}

/** That there is one already. */
export function alreadyRuns(pid: number): Failure {
  return new Failure('running', `the daemon runs already, process ${pid}`, {
    cure: '"pbt daemon restart" starts it anew, "pbt daemon stop" ends it',
  })
}

/**
 * Makes this process the daemon of the home; its control socket answers already. Throws Failure `running`, and `internal` where nothing
 * can be written. Returns what gives it up.
 */
export async function becomeDaemon(home: string): Promise<() => void> {
  const folder = socketFolder(home)
  const path = join(folder, FILE)
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if (noted(process.pid, path)) return () => giveUp(path)
    const running = await findDaemon(home)
    if (running !== undefined) throw alreadyRuns(running.pid)
    setAside(path, await staleIn(home, path))
  }
  throw new Failure('running', 'another daemon of this home is being started', {
    cure: 'look with "pbt daemon status"',
  })
}

/** Only the note of one that is gone: another start may have made its own meanwhile. */
function setAside(path: string, stale: number | undefined): void {
  const aside = `${path}.${randomBytes(4).toString('hex')}`
  try {
    renameSync(path, aside)
    const pid = pidIn(aside)
    rmSync(aside, { force: true })
    if (pid !== undefined && pid !== stale) noted(pid, path)
  } catch {
    // Another start was faster.
  }
}

async function staleIn(home: string, path: string): Promise<number | undefined> {
  const pid = pidIn(path)
  return pid !== undefined && (await findDaemon(home)) === undefined ? pid : undefined
}

function giveUp(path: string): void {
  if (pidIn(path) === process.pid) rmSync(path, { force: true })
}

/** False when there is one already. Throws Failure `internal` when nothing can be written there. */
function noted(pid: number, path: string): boolean {
  const folder = dirname(path)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    symlinkSync(String(pid), path)
    return true
  } catch (cause) {
    if (isThere(path)) return false
    throw new Failure('internal', `the daemon cannot note its number in ${folder}: ${failureOf(cause).message}`, {
      cure: 'its disk needs room, and this user leave to write there',
      cause,
    })
  }
}

/** Not `existsSync`: that asks for what a link leads to. */
function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return false
  }
}

function pidIn(path: string): number | undefined {
  try {
    // A daemon of an earlier version has made a file, and runs on while the programs are replaced.
    const isLink = lstatSync(path).isSymbolicLink()
    const pid = Number(isLink ? readlinkSync(path) : readFileSync(path, 'utf8'))
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}
