// Private keys of accounts and certificates: files that only the server's user can read, never in the database.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

/** Below the data directory. */
const DIRECTORY = join('acme', 'keys')
const NAME = /^[0-9a-f]{32}\.pem$/

/** A file that nothing stands on is kept for so long: an order may be about to. */
const ORPHAN_MS = 3_600_000

/** A key and the name of its file. */
export interface NewKey {
  readonly file: string
  /** P-256, PKCS#8 in PEM. */
  readonly pem: string
}

/** The keys of one data directory. Methods throw the system's error. */
export class KeyFiles {
  private readonly directory: string

  constructor(dataDir: string) {
    this.directory = join(dataDir, DIRECTORY)
  }

  /** A new key, on disk when this returns. */
  make(): NewKey {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const file = `${randomBytes(16).toString('hex')}.pem`
    const descriptor = openSync(join(this.directory, file), 'wx', 0o600)
    try {
      writeFileSync(descriptor, pem)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    return { file, pem }
  }

  read(file: string): string {
    if (!NAME.test(file)) throw new Error(`"${file.slice(0, 50)}" is not the name of a key file`)
    return readFileSync(join(this.directory, file), 'utf8')
  }

  has(file: string): boolean {
    return NAME.test(file) && existsSync(join(this.directory, file))
  }

  /** Of an order that came to nothing. */
  remove(file: string): void {
    if (NAME.test(file)) rmSync(join(this.directory, file), { force: true })
  }

  /** Removes the keys of orders that were cut off, and of certificates that are forgotten. */
  prune(used: ReadonlySet<string>, now: number): void {
    for (const file of this.all()) {
      if (!used.has(file) && now - statSync(join(this.directory, file)).mtimeMs > ORPHAN_MS) this.remove(file)
    }
  }

  private all(): string[] {
    try {
      return readdirSync(this.directory).filter(name => NAME.test(name))
    } catch {
      return [] // there is none yet
    }
  }
}
