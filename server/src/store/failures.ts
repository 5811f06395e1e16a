// What SQLite says, as a failure with a cure. Nothing is ever mended by making the database anew.
import { Failure, systemCodeOf } from '../failure.ts'

/** The failure for an error of SQLite; whatever else was thrown stays as it is. */
export function databaseFailure(error: unknown, file: string): unknown {
  const code = sqliteCodeOf(error)
  if (error instanceof Failure || !code.startsWith('SQLITE_')) return error
  // A statement that SQLite cannot take is a fault of ours.
  if (/^SQLITE_(CONSTRAINT|ERROR|MISMATCH|MISUSE|RANGE)/.test(code)) return error
  const because = (kind: ConstructorParameters<typeof Failure>[0], what: string, cure: string) =>
    new Failure(kind, `${what}: ${file} (${code})`, { cure, cause: error })
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
    return because('database-locked', 'the database is locked', 'end the program that has it open, then try again')
  }
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return brokenDatabase(file, code, error)
  if (/^SQLITE_(READONLY|PERM|AUTH)/.test(code)) {
    return because(
      'database-read-only',
      'the database cannot be written',
      'give the user that runs pbt-server write access to the data directory, or mount its disk writable',
    )
  }
  if (/^SQLITE_FULL/.test(code)) {
    return because('disk-full', 'no room to write the database', 'free room on the disk of the data directory')
  }
  if (/^SQLITE_CANTOPEN/.test(code)) {
    return because(
      'data-dir',
      'the database cannot be opened',
      'give the user that runs pbt-server access to the data directory',
    )
  }
  return because('database-broken', 'the database cannot be used', 'look at the disk of the data directory')
}

/** The database is damaged; `found` is what was noticed. */
export function brokenDatabase(file: string, found: string, cause?: unknown): Failure {
  return new Failure('database-broken', `the database is damaged: ${file} (${found})`, {
    cure: 'restore a backup in its place; pbt-server leaves the damaged file as it is',
    cause,
  })
}

/** SQLite's code: of its own error, of what Prisma's adapter makes of it, or of what Prisma makes of that; or ''. */
export function sqliteCodeOf(error: unknown): string {
  const made = error as { cause?: Cause; meta?: { driverAdapterError?: { cause?: Cause } } } | null | undefined
  const code = made?.meta?.driverAdapterError?.cause?.originalCode ?? made?.cause?.originalCode ?? systemCodeOf(error)
  return String(code)
}

type Cause = { originalCode?: unknown } | null
