// One server for a data directory, or several that stand in for each other. Each holds a lock of the system on a file of its own, which
// ends with its process however that ends: what a crash leaves behind is in no one's way. SQLite takes the lock, since Node cannot; by
// pid alone nothing could be told, every container has the same ones.
import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { Failure, systemCodeOf } from '../failure.ts'
import { databaseFailure, sqliteCodeOf } from './failures.ts'

/** In the data directory. */
const FOLDER = 'run'
/** Held while a server looks for others, so that two that start at once see each other. */
const DOOR = 'starting.lock'
const LOCK = '.lock'
const ABOUT = '.json'
/** Looking for others takes milliseconds; a process that is kept out for as long has found one that hangs. */
const DOOR_PATIENCE_MS = 5_000

/** A server as others see it. */
interface Serving {
  readonly pid: number
  readonly host: string
  readonly since: string
  /** Listening sockets that outlive it, as the kernel knows them. */
  readonly sockets: readonly string[]
}

/**
 * Takes the data directory for this process until the returned function is called or the process ends. `sockets`: what the kernel knows
 * those by that were handed over to it; a process with the same ones is its stand-in, and may be there too. Throws Failure `already-running`.
 */
export function holdDataDir(dataDir: string, sockets: readonly string[]): () => void {
  const folder = join(dataDir, FOLDER)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const door = tryLock(join(folder, DOOR), DOOR_PATIENCE_MS)
    if (door === undefined) throw refusal(dataDir, undefined)
    try {
      for (const name of readdirSync(folder)) {
        if (!name.endsWith(LOCK) || name === DOOR) continue
        const other = lookAt(folder, name.slice(0, -LOCK.length))
        if (other !== 'gone' && !isStandIn(sockets, other)) throw refusal(dataDir, other)
      }
      return enter(folder, { pid: process.pid, host: hostname(), since: new Date().toISOString(), sockets })
    } finally {
      door.close()
    }
  } catch (error) {
    const failure = databaseFailure(error, folder)
    if (failure instanceof Failure || systemCodeOf(error) === '') throw failure
    throw new Failure('data-dir', `cannot write in ${folder} (${systemCodeOf(error)})`, {
      cure: 'give the user that runs pbt-server access to the data directory, and room on its disk',
      cause: error,
    })
  }
}

function enter(folder: string, self: Serving): () => void {
  const name = randomBytes(8).toString('hex')
  const lock = tryLock(join(folder, name + LOCK), 0)
  writeFileSync(join(folder, name + ABOUT), JSON.stringify(self), { mode: 0o600 })
  return () => {
    lock?.close()
    forget(folder, name)
  }
}

/** Whose lock it is; what a server that ended in any way left is cleared away. Undefined: there is one, and it is not known which. */
function lookAt(folder: string, name: string): Serving | 'gone' | undefined {
  const lock = tryLock(join(folder, name + LOCK), 0)
  if (lock !== undefined) {
    lock.close()
    forget(folder, name)
    return 'gone'
  }
  try {
    return JSON.parse(readFileSync(join(folder, name + ABOUT), 'utf8')) as Serving
  } catch {
    return undefined
  }
}

function forget(folder: string, name: string): void {
  for (const ending of [ABOUT, LOCK]) rmSync(join(folder, name + ending), { force: true })
}

/** Undefined when another connection has it. No other code opens these files: closing any descriptor of one would end its lock. */
function tryLock(file: string, timeout: number): Database.Database | undefined {
  const lock = new Database(file, { timeout })
  try {
    // Without a file beside it for what is never written.
    lock.pragma('journal_mode = MEMORY')
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    if (sqliteCodeOf(error).startsWith('SQLITE_BUSY')) return undefined
    throw error
  }
}

function isStandIn(sockets: readonly string[], other: Serving | undefined): boolean {
  const theirs = other?.sockets ?? []
  return theirs.length > 0 && theirs.length === sockets.length && theirs.every(socket => sockets.includes(socket))
}

function refusal(dataDir: string, other: Serving | undefined): Failure {
  const where = other === undefined || other.host === hostname() ? '' : ` on ${other.host}`
  const which = other === undefined ? '' : `: process ${other.pid}${where}, since ${other.since}`
  const end =
    where === '' && other !== undefined ? `"kill ${other.pid}", or "systemctl stop" with its unit` : 'where it runs'
  return new Failure('already-running', `another pbt-server serves ${dataDir}${which}`, {
    cure: `end that one (${end}), or give this one a directory of its own with --data-dir; a stand-in needs the same listening sockets (deploy/README.md)`,
  })
}
