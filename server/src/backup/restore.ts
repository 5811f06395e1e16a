// Puts a backup in place: checked as a whole before anything of the data directory is touched, and nothing of it is ever deleted.
import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  createReadStream,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { createGunzip } from 'node:zlib'
import { Failure, systemCodeOf } from '../failure.ts'
import { becomeOwnerOf } from '../process/owner-user.ts'
import { makeDataDir } from '../store/data-dir.ts'
import { holdDataDir } from '../store/data-hold.ts'
import { DATABASES, examineDatabase } from '../store/snapshot.ts'
import { type BackedUpFile, MANIFEST, MAX_MANIFEST_BYTES, type Manifest, readManifest } from './manifest.ts'
import { damaged, TarReader } from './tar.ts'

/** Of a server that ran here; nothing of a backup. */
const NOBODYS = /^(run|serving|replaced-.*|restoring-.*|backing-up-.*|lost\+found)$/
const LEFTOVER = /^restoring-/

/** Which backup, and where to. */
export interface RestoreOptions {
  readonly file: string
  readonly dataDir: string
  /** What is in the data directory is moved aside; otherwise it has to be empty. */
  readonly replace: boolean
}

/** What is there after it. */
export interface Restored {
  readonly manifest: Manifest
  /** Where what was there before is now. */
  readonly replaced: string | undefined
  /** Where the settings are, for the owner to put in place. */
  readonly settings: string | undefined
}

/** Rejects with Failure; then the data directory is as it was. As root: the file is read as root, everything else is done as the directory's owner. */
export async function restoreBackup({ file, dataDir, replace }: RestoreOptions): Promise<Restored> {
  const descriptor = openBackup(file)
  becomeOwnerOf(dataDir)
  makeDataDir(dataDir)
  const release = holdDataDir(dataDir, [])
  try {
    const old = readdirSync(dataDir).filter(name => !NOBODYS.test(name))
    if (old.length > 0 && !replace) throw notEmpty(dataDir)
    for (const name of readdirSync(dataDir)) if (LEFTOVER.test(name)) rmSync(join(dataDir, name), { recursive: true })
    const staging = join(dataDir, `restoring-${randomBytes(6).toString('hex')}`)
    mkdirSync(staging, { mode: 0o700 })
    try {
      const manifest = await unpack(descriptor, staging)
      examine(join(staging, 'data'), manifest)
      return { manifest, ...putInPlace(staging, dataDir, old) }
    } finally {
      rmSync(staging, { recursive: true, force: true })
    }
  } catch (error) {
    throw restoringFailure(error, dataDir)
  } finally {
    release()
  }
}

function openBackup(file: string): number {
  try {
    return openSync(file, 'r')
  } catch (cause) {
    const code = systemCodeOf(cause)
    const why = code === 'ENOENT' ? 'it does not exist' : code === 'EACCES' ? 'you may not read it' : code
    throw new Failure('backup-invalid', `cannot open the backup ${file}: ${why}`, {
      cure: 'name a file that "pbt-server backup" made, and that you may read',
      cause,
    })
  }
}

async function unpack(descriptor: number, staging: string): Promise<Manifest> {
  const packed = createReadStream('', { fd: descriptor })
  const plain = packed.pipe(createGunzip())
  packed.once('error', error => plain.destroy(error))
  try {
    const reader = new TarReader(plain)
    const first = await reader.next()
    if (first?.name !== MANIFEST || first.size > MAX_MANIFEST_BYTES) throw damaged('it does not begin with a manifest')
    const text: Buffer[] = []
    for await (const piece of reader.bytes(first.size)) text.push(piece)
    const manifest = readManifest(Buffer.concat(text).toString('utf8'))
    checkRoom(manifest, staging)
    const missing = new Map(manifest.files.map(each => [each.name, each]))
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      const expected = missing.get(entry.name)
      if (expected === undefined || expected.size !== entry.size)
        throw damaged(`${entry.name} is not as the manifest says`)
      missing.delete(entry.name)
      await writeFile(reader, expected, join(staging, expected.name))
    }
    if (missing.size > 0) throw damaged(`${[...missing.keys()][0]} is missing`)
    // Up to its end, where the checksum of the whole is.
    for await (const piece of reader.rest()) {
      if (piece.some(byte => byte !== 0)) throw damaged('something follows its end')
    }
    return manifest
  } catch (error) {
    if (systemCodeOf(error).startsWith('Z_')) throw damaged('it is damaged, or not a backup of pbt-server', error)
    throw error
  } finally {
    plain.destroy()
    packed.destroy()
  }
}

async function writeFile(reader: TarReader, { name, size, sha256 }: BackedUpFile, to: string): Promise<void> {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 })
  const descriptor = openSync(to, 'wx', 0o600)
  try {
    const hash = createHash('sha256')
    for await (const piece of reader.bytes(size)) {
      hash.update(piece)
      for (let at = 0; at < piece.length; ) at += writeSync(descriptor, piece, at)
    }
    if (hash.digest('hex') !== sha256) throw damaged(`${name} has another checksum than when it was made`)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function checkRoom({ files }: Manifest, staging: string): void {
  const needed = files.reduce((sum, { size }) => sum + size, 0)
  const { bavail, bsize } = statfsSync(staging)
  if (needed < bavail * bsize) return
  throw new Failure('disk-full', `the backup needs ${megabytes(needed)}, and ${megabytes(bavail * bsize)} are free`, {
    cure: 'free room on the disk of the data directory, or choose another with --data-dir',
  })
}

function examine(data: string, { files, version }: Manifest): void {
  const names = new Set(files.map(({ name }) => name))
  if (!names.has(`data/${DATABASES.control}`)) throw damaged('it has no database')
  for (const which of ['control', 'log'] as const) {
    if (!names.has(`data/${DATABASES[which]}`)) continue
    try {
      examineDatabase(data, which)
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'database-newer') throw error
      throw new Failure('database-newer', `pbt-server ${version}, a newer version, made the backup`, {
        cure: `install pbt-server ${version} or later, then restore it`,
        cause: error,
      })
    }
  }
}

/** Renames alone. The database comes last: what is there without it is not taken for a server. */
function putInPlace(staging: string, dataDir: string, old: readonly string[]): Omit<Restored, 'manifest'> {
  const replaced =
    old.length === 0 ? undefined : join(dataDir, `replaced-${new Date().toISOString().replaceAll(':', '')}`)
  if (replaced !== undefined) {
    mkdirSync(replaced, { mode: 0o700 })
    for (const name of [...old].sort(databaseFirst)) renameSync(join(dataDir, name), join(replaced, name))
  }
  const data = join(staging, 'data')
  for (const name of readdirSync(data).sort(databaseFirst).reverse()) renameSync(join(data, name), join(dataDir, name))
  syncDirectory(dataDir)
  const settings = join(dataDir, 'restored-settings')
  try {
    renameSync(join(staging, 'settings'), settings)
    return { replaced, settings }
  } catch {
    return { replaced, settings: undefined } // there were none
  }
}

function databaseFirst(one: string, other: string): number {
  return Number(other === DATABASES.control) - Number(one === DATABASES.control)
}

function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}

function notEmpty(dataDir: string): Failure {
  return new Failure('not-empty', `${dataDir} has the data of a server already`, {
    cure: 'add --replace, which moves that aside and keeps it, or choose another directory with --data-dir',
  })
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1_000_000)} MB`
}

function restoringFailure(error: unknown, dataDir: string): unknown {
  const code = systemCodeOf(error)
  if (error instanceof Failure || code === '') return error
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new Failure('disk-full', `no room to restore the backup in ${dataDir} (${code})`, {
      cure: 'free room on the disk of the data directory',
      cause: error,
    })
  }
  return new Failure('data-dir', `cannot restore the backup in ${dataDir} (${code})`, {
    cure: 'give the user that runs pbt-server access to the data directory',
    cause: error,
  })
}
