// The data directory: whose it is, who may read it, how much room there is, and whether the databases are whole.
import { lstatSync, readdirSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../failure.ts'
import { asOwnerOf } from '../process/owner-user.ts'
import { DATABASES, examineDatabase } from '../store/snapshot.ts'
import { type Finding, failed, ok, sizeText } from './finding.ts'

/** Less is soon full: a day of a busy access log. */
const LEAST_FREE_BYTES = 200_000_000
/** SQLite begins it anew at 4 MB unless somebody reads for very long. */
const MOST_WAL_BYTES = 256_000_000
const OTHERS = 0o077

/** What is looked at. */
export interface DataOptions {
  readonly dataDir: string
  /** It is that of the service of this machine. */
  readonly isService: boolean
  readonly isRunning: boolean
}

/** Never throws for what it finds. */
export async function checkData({ dataDir, isService, isRunning }: DataOptions): Promise<readonly Finding[]> {
  const about = statSync(dataDir, { throwIfNoEntry: false })
  if (about === undefined) {
    return [
      failed(
        'data directory',
        `${dataDir} is not there`,
        'run "pbt-server init", or name the right one with --data-dir',
      ),
    ]
  }
  const findings = [ownership(dataDir, about.uid, isService), privacy(dataDir, about.mode), room(dataDir)]
  return [...findings, ...(await databases(dataDir, isRunning))]
}

function ownership(dataDir: string, uid: number, isService: boolean): Finding {
  const step = 'owner of the data'
  const chown = `sudo chown -R pbt-server:pbt-server ${dataDir}`
  if (isService && uid === 0) return failed(step, `${dataDir} is root's: the service cannot write it`, chown)
  const others = filesIn(dataDir).filter(file => lstatSync(file, { throwIfNoEntry: false })?.uid !== uid)
  if (others.length === 0) return ok(step, `user ${uid}, of every file`)
  const owner = isService ? chown : `sudo chown -R ${uid} ${dataDir}`
  return failed(step, `${others[0]} and ${others.length - 1} more files belong to another user than ${dataDir}`, owner)
}

function privacy(dataDir: string, mode: number): Finding {
  const step = 'privacy of the data'
  const cure = `sudo chmod -R go= ${dataDir}`
  if ((mode & OTHERS) !== 0) return failed(step, `other users may look into ${dataDir} (mode ${octal(mode)})`, cure)
  const open = filesIn(dataDir).find(file => {
    const about = lstatSync(file, { throwIfNoEntry: false })
    return about?.isFile() === true && (about.mode & OTHERS) !== 0
  })
  return open === undefined ? ok(step, `mode ${octal(mode)}`) : failed(step, `other users may read ${open}`, cure)
}

function room(dataDir: string): Finding {
  const { bavail, bsize } = statfsSync(dataDir)
  const free = bavail * bsize
  const step = 'room on the disk'
  if (free >= LEAST_FREE_BYTES) return ok(step, `${sizeText(free)} are free for ${dataDir}`)
  const cure = 'free some: "df -h" and "journalctl --vacuum-size=100M"; or set access-log-megabytes lower'
  return failed(step, `only ${sizeText(free)} are free for ${dataDir}`, cure)
}

async function databases(dataDir: string, isRunning: boolean): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const which of ['control', 'log'] as const) {
    const file = join(dataDir, DATABASES[which])
    const step = which === 'control' ? 'database' : 'access log'
    const about = statSync(file, { throwIfNoEntry: false })
    if (about === undefined) {
      if (which === 'control') findings.push(failed(step, `no server is set up in ${dataDir}`, 'run "pbt-server init"'))
      continue
    }
    findings.push(await database(dataDir, which, step, isRunning), wal(file, step))
  }
  return findings
}

async function database(dataDir: string, which: 'control' | 'log', step: string, isRunning: boolean): Promise<Finding> {
  try {
    const pending = await asOwnerOf(dataDir, async () => examineDatabase(dataDir, which))
    const size = sizeText(statSync(join(dataDir, DATABASES[which])).size)
    if (pending.length === 0) return ok(step, `whole, ${size}`)
    if (!isRunning) return ok(step, `whole, ${size}; the next start brings it to this version's schema`)
    return failed(step, 'a running server has not brought it to this version', 'sudo systemctl restart pbt-server')
  } catch (error) {
    if (error instanceof Failure) return failed(step, error.message, error.cure)
    throw error
  }
}

function wal(file: string, step: string): Finding {
  const size = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0
  const name = `journal of the ${step}`
  if (size < MOST_WAL_BYTES) return ok(name, sizeText(size))
  return failed(
    name,
    `${file}-wal has ${sizeText(size)}: a program reads the database without an end`,
    `end it: sudo fuser -v ${file}`,
  )
}

function filesIn(dataDir: string): string[] {
  try {
    return readdirSync(dataDir, { recursive: true, encoding: 'utf8' }).map(name => join(dataDir, name))
  } catch {
    return [] // not readable: the owner's step has said so, or the database will
  }
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0')
}
