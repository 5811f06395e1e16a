// Makes a backup while the server runs, or does not: one file with the databases, certificates, keys and settings.
import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  createReadStream,
  createWriteStream,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { Failure, systemCodeOf } from '../failure.ts'
import { asOwnerOf } from '../process/owner-user.ts'
import { DATABASES, snapshotDatabase } from '../store/snapshot.ts'
import { type BackedUpFile, FORMAT, isBackupName, MANIFEST, type Manifest } from './manifest.ts'
import { TAR_END, tarHeader, tarPadding } from './tar.ts'

/** Certificates, keys and lists are kilobytes; something larger is none of the server's. */
const MAX_FILE_BYTES = 16 * 1024 * 1024
/** Of this process, of a server that runs, or of an earlier backup: nothing that a restored server needs. */
const NOT_KEPT =
  /^(run|serving|restored-settings|replaced-.*|backing-up-.*|restoring-.*)$|\.(db|db-wal|db-shm|sock|tmp)$/
/** What a backup that was killed left behind. */
const LEFTOVER = /^backing-up-/

/** What is to be backed up, and into which file. */
export interface BackupOptions {
  readonly dataDir: string
  readonly baseDomain: string
  readonly file: string
  /** The configuration file and what it names; those that are missing are left out. */
  readonly settingsFiles: readonly string[]
  /** Also what visitors did, which is most of the bytes. */
  readonly withLog: boolean
  /** Of this pbt-server. */
  readonly version: string
}

/** What was backed up. */
export interface BackedUp {
  readonly files: number
  readonly bytes: number
  /** Files of the data directory that no backup takes: their names or sizes are none of the server's. */
  readonly skipped: readonly string[]
}

/** A file, and its bytes or where they are. */
interface Part extends BackedUpFile {
  readonly source: Buffer | string
}

/** Rejects with Failure; then no file is left. As root: the file is root's, and everything is read as the data directory's owner. */
export async function makeBackup(options: BackupOptions): Promise<BackedUp> {
  const { dataDir, file } = options
  if (lstatSync(file, { throwIfNoEntry: false }) !== undefined) {
    throw new Failure('file-exists', `there is a file ${file} already`, {
      cure: 'choose another name, for example with the date; a backup is never written over another one',
    })
  }
  const partial = `${file}.partial`
  const settings = settingsParts(options.settingsFiles)
  try {
    rmSync(partial, { force: true })
    const descriptor = openSync(partial, 'wx', 0o600)
    try {
      const made = await asOwnerOf(dataDir, () => write(options, settings, descriptor))
      fsyncSync(descriptor)
      renameSync(partial, file)
      return { ...made, bytes: statSync(file).size }
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    rmSync(partial, { force: true })
    throw writingFailure(error, file)
  }
}

async function write(
  options: BackupOptions,
  settings: readonly Part[],
  descriptor: number,
): Promise<Omit<BackedUp, 'bytes'>> {
  const { dataDir, withLog, version, baseDomain } = options
  for (const name of readdirSync(dataDir)) if (LEFTOVER.test(name)) rmSync(join(dataDir, name), { recursive: true })
  const temporary = join(dataDir, `backing-up-${randomBytes(6).toString('hex')}`)
  mkdirSync(temporary, { mode: 0o700 })
  try {
    const databases = await snapshots(dataDir, temporary, withLog)
    const { parts, skipped } = filesIn(dataDir)
    const all = [...databases, ...parts, ...settings]
    const files = all.map(({ source: _, ...each }) => each)
    const about: Manifest = { format: FORMAT, version, madeAt: new Date().toISOString(), baseDomain, dataDir, files }
    const manifest = partOf(MANIFEST, Buffer.from(`${JSON.stringify(about, undefined, 2)}\n`))
    const sink = createWriteStream('', { fd: descriptor, autoClose: false })
    await pipeline(Readable.from(tarOf([manifest, ...all])), createGzip(), sink)
    return { files: all.length, skipped }
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

async function snapshots(dataDir: string, temporary: string, withLog: boolean): Promise<Part[]> {
  const wanted = withLog ? [DATABASES.control, DATABASES.log] : [DATABASES.control]
  const parts: Part[] = []
  for (const name of wanted) {
    if (statSync(join(dataDir, name), { throwIfNoEntry: false }) === undefined) continue
    const copy = join(temporary, name)
    snapshotDatabase(join(dataDir, name), copy)
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(copy)) hash.update(chunk)
    parts.push({ name: `data/${name}`, size: statSync(copy).size, sha256: hash.digest('hex'), source: copy })
  }
  return parts
}

/** Everything else that lies in the data directory. */
function filesIn(dataDir: string): { parts: Part[]; skipped: string[] } {
  const parts: Part[] = []
  const skipped: string[] = []
  for (const entry of readdirSync(dataDir, { withFileTypes: true }).filter(({ name }) => !NOT_KEPT.test(name))) {
    const names = entry.isDirectory()
      ? readdirSync(join(dataDir, entry.name), { recursive: true, encoding: 'utf8' }).map(each =>
          join(entry.name, each),
        )
      : [entry.name]
    for (const name of names) {
      const about = lstatSync(join(dataDir, name), { throwIfNoEntry: false })
      // Gone meanwhile, or looked into by itself.
      if (about === undefined || about.isDirectory()) continue
      if (!about.isFile() || about.size > MAX_FILE_BYTES || !isBackupName(`data/${name}`)) skipped.push(name)
      else parts.push(partOf(`data/${name}`, readFileSync(join(dataDir, name))))
    }
  }
  return { parts, skipped }
}

function settingsParts(files: readonly string[]): Part[] {
  return files.flatMap((file, index) => {
    const about = statSync(file, { throwIfNoEntry: false })
    if (about === undefined || !about.isFile() || about.size > MAX_FILE_BYTES) return []
    const base = basename(file)
      .replace(/[^A-Za-z0-9._-]/g, '_')
      .replace(/^\.+/, '')
      .slice(-60)
    return [
      { ...partOf(index === 0 ? 'settings/server.yaml' : `settings/${index}-${base}`, readFileSync(file)), from: file },
    ]
  })
}

function partOf(name: string, source: Buffer): Part {
  return { name, size: source.length, sha256: createHash('sha256').update(source).digest('hex'), source }
}

async function* tarOf(parts: readonly Part[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    yield tarHeader(part)
    if (typeof part.source === 'string') yield* createReadStream(part.source)
    else yield part.source
    yield tarPadding(part.size)
  }
  yield TAR_END
}

function writingFailure(error: unknown, file: string): unknown {
  const code = systemCodeOf(error)
  if (error instanceof Failure || code === '') return error
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new Failure('disk-full', `no room to write the backup ${file} (${code})`, {
      cure: 'free room on its disk and on that of the data directory, or name a file on another disk',
      cause: error,
    })
  }
  return new Failure('data-dir', `cannot write the backup ${file} (${code})`, {
    cure: 'name a file in a directory that is there and that you may write in',
    cause: error,
  })
}
