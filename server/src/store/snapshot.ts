// A copy of a database that others write meanwhile, and what is known of one that came from elsewhere.
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { brokenDatabase, databaseFailure } from './failures.ts'
import { LOG_FILE, MIGRATIONS as LOG_MIGRATIONS } from './log-schema.ts'
import { BUSY_TIMEOUT_MS, pendingMigrations } from './migrate.ts'
import { DATABASE_FILE, MIGRATIONS } from './store.ts'

/** The databases of a data directory. */
export const DATABASES = { control: DATABASE_FILE, log: LOG_FILE } as const

/** Writes a whole, consistent copy into a file that is not there yet; whoever writes is not held up. Throws Failure. */
export function snapshotDatabase(file: string, into: string): void {
  try {
    const db = new Database(file, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS })
    try {
      db.prepare('VACUUM INTO ?').run(into)
    } finally {
      db.close()
    }
  } catch (error) {
    throw databaseFailure(error, file)
  }
}

/**
 * Looks through a database without changing it, and returns the migrations of this version that it lacks. Throws Failure:
 * `database-broken`, and `database-newer` when a newer pbt-server wrote it.
 */
export function examineDatabase(directory: string, which: keyof typeof DATABASES): readonly string[] {
  const file = join(directory, DATABASES[which])
  try {
    const db = new Database(file, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS })
    try {
      const found = db.pragma('quick_check(1)', { simple: true })
      if (found !== 'ok') throw brokenDatabase(file, String(found).replace(/\s+/g, ' '))
      return pendingMigrations(db, file, which === 'control' ? MIGRATIONS : LOG_MIGRATIONS)
    } finally {
      db.close()
    }
  } catch (error) {
    throw databaseFailure(error, file)
  }
}
