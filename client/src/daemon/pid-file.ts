// Which process is the daemon of a home: a file with its number, and its control socket, which tells whether it still is.

import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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
  const draft = join(folder, `.${FILE}.${process.pid}`)
  writeDraft(folder, draft)
  try {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (linked(draft, path)) return () => giveUp(path)
      const running = await findDaemon(home)
      if (running !== undefined) throw alreadyRuns(running.pid)
      setAside(path, await staleIn(home, path))
    }
    throw new Failure('running', 'another daemon of this home is being started', {
      cure: 'look with "pbt daemon status"',
    })
  } finally {
    rmSync(draft, { force: true })
  }
}

function writeDraft(folder: string, draft: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeFileSync(draft, `${process.pid}\n`, { mode: 0o600 })
  } catch (cause) {
    discard(draft)
    throw new Failure('internal', `the daemon cannot note its number in ${folder}: ${failureOf(cause).message}`, {
      cure: 'its disk needs room, and this user leave to write there',
      cause,
    })
  }
}

/** What a full disk took of it. */
function discard(draft: string): void {
  try {
    rmSync(draft, { force: true })
  } catch {
    // There is no such folder.
  }
}

/** Only the file of one that is gone: another start may have put its own there meanwhile. */
function setAside(path: string, stale: number | undefined): void {
  const aside = `${path}.${randomBytes(4).toString('hex')}`
  try {
    renameSync(path, aside)
    if (pidIn(aside) !== stale) linked(aside, path)
    rmSync(aside, { force: true })
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

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch {
    return false
  }
}

function pidIn(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8').trim())
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}
