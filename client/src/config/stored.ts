// The client's files: what `pbt init` stored, and the identity of this machine.
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  fchownSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Failure } from '../failure.ts'

/** Server, token and authority belong together, so they are one file that is replaced as a whole. */
export interface Stored {
  /** `HOST:PORT` */
  readonly server: string
  readonly token: string
  /** PEM */
  readonly ca?: string | undefined
}

const FILE = 'config.json'
const MACHINE_FILE = 'machine-id'
const GENERATION_FILE = 'generation'

/** Where it is stored. */
export function storedFileOf(home: string): string {
  return join(home, FILE)
}

/** Where the random name of this machine is. */
export function machineFileOf(home: string): string {
  return join(home, MACHINE_FILE)
}

/** What is stored in `home`; undefined when nothing is. Throws Failure `usage` when it cannot be understood. */
export function readStored(home: string): Stored | undefined {
  const path = join(home, FILE)
  const text = readIfThere(path)
  if (text === undefined) return undefined
  const value = parsed(text)
  if (typeof value === 'object' && value !== null && 'server' in value && 'token' in value) {
    const { server, token } = value
    const ca = 'ca' in value ? value.ca : undefined
    if (typeof server === 'string' && typeof token === 'string' && (ca === undefined || typeof ca === 'string')) {
      return { server, token, ca }
    }
  }
  throw new Failure('usage', `${path} is damaged`, { cure: `remove it and run "pbt init" again` })
}

/** Replaces what is stored, all or nothing, readable by the owner only. Throws Failure `usage`. */
export function writeStored(home: string, stored: Stored): void {
  const path = join(home, FILE)
  writing(path, () => {
    const draft = writeDraft(home, FILE, `${JSON.stringify(stored, null, 2)}\n`)
    renameSync(draft, path)
  })
}

/** The random name of this machine, made once. Throws Failure `usage` when it can be neither read nor made. */
export function machineId(home: string): string {
  const path = machineFileOf(home)
  const known = readIfThere(path)?.trim()
  if (known !== undefined && /^[0-9a-f]{32}$/.test(known)) return known
  const made = randomBytes(16).toString('hex')
  writing(path, () => {
    const draft = writeDraft(home, MACHINE_FILE, `${made}\n`)
    try {
      // Of several first starts at once only one can link; all then read what that one wrote.
      if (known === undefined) linkSync(draft, path)
      else renameSync(draft, path)
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
    } finally {
      rmSync(draft, { force: true })
    }
  })
  return readIfThere(path)?.trim() || made
}

/**
 * A number higher than every one that this machine had before, `now` (milliseconds since the epoch) unless the clock was set
 * back. A home that cannot be written costs only that: the tunnels are what counts.
 */
export function nextGeneration(home: string, now: number): number {
  try {
    const path = join(home, GENERATION_FILE)
    const last = Number(readIfThere(path)?.trim() || 0)
    const next = Number.isSafeInteger(last) ? Math.max(now, last + 1) : now
    renameSync(writeDraft(home, GENERATION_FILE, `${next}\n`), path)
    return next
  } catch {
    return now
  }
}

/** Replaces a file of the owner's, all or nothing, readable by the owner only. Throws Failure `usage`. */
export function writeWhole(path: string, text: string): void {
  writing(path, () => renameSync(writeBeside(dirname(path), basename(path), text), path))
}

function writeDraft(home: string, name: string, text: string): string {
  mkdirSync(home, { recursive: true, mode: 0o700 })
  chmodSync(home, 0o700)
  return writeBeside(home, name, text)
}

function writeBeside(directory: string, name: string, text: string): string {
  const draft = join(directory, `.${name}.${randomBytes(6).toString('hex')}`)
  const file = openSync(draft, 'wx', 0o600)
  try {
    // All of it: on a disk that is nearly full a single write takes what fits, and says nothing.
    writeFileSync(file, text)
    // A file of root's would lock out the owner of the directory.
    if (process.getuid?.() === 0) {
      const { uid, gid } = statSync(directory)
      fchownSync(file, uid, gid)
    }
    fsyncSync(file)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  } finally {
    closeSync(file)
  }
  return draft
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined
    throw new Failure('usage', `${path} cannot be read: ${textOf(cause)}`, { cause })
  }
}

function writing(path: string, write: () => void): void {
  try {
    write()
  } catch (cause) {
    throw new Failure('usage', `${path} cannot be written: ${textOf(cause)}`, {
      cure: /ENOSPC|EDQUOT/.test(textOf(cause))
        ? 'make room on its disk ("df -h" shows every disk); nothing was changed'
        : 'set PBT_HOME to a directory that can be written',
      cause,
    })
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // damaged, as the caller says
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
