// Brings the database to this version's schema, all migrations in one transaction, recorded as `prisma migrate` does.
import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { Failure } from '../failure.ts'
import { brokenDatabase } from './failures.ts'

/** How long to wait for another process that writes, milliseconds: longer than any transaction of ours. */
export const BUSY_TIMEOUT_MS = 5_000

const MIGRATIONS_TABLE = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id"                    TEXT PRIMARY KEY NOT NULL,
    "checksum"              TEXT NOT NULL,
    "finished_at"           DATETIME,
    "migration_name"        TEXT NOT NULL,
    "logs"                  TEXT,
    "rolled_back_at"        DATETIME,
    "started_at"            DATETIME NOT NULL DEFAULT current_timestamp,
    "applied_steps_count"   INTEGER UNSIGNED NOT NULL DEFAULT 0
)`

interface Migration {
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

interface Applied {
  readonly migration_name: string
  readonly checksum: string
}

/**
 * Applies what is missing and returns the names of what it applied. Safe while other processes do the same. `isLog`: the
 * file may be large and is not looked through. Throws
 * Failure `database-newer` and `database-broken`, and SQLite's own errors; then nothing has changed.
 */
export function migrate(file: string, directory: string, { isLog } = { isLog: false }): string[] {
  const known = readMigrations(directory)
  const db = new Database(file, { timeout: BUSY_TIMEOUT_MS })
  try {
    // One bad page is found now instead of in the middle of work. A control database is small: milliseconds.
    const found = isLog ? 'ok' : db.pragma('quick_check(1)', { simple: true })
    if (found !== 'ok') throw brokenDatabase(file, String(found).replace(/\s+/g, ' '))
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    // A redefined table is dropped and made again, and ON DELETE CASCADE would take its children along. The pragma does
    // nothing inside a transaction, so it has to come before; foreign_key_check makes good for it.
    db.pragma('foreign_keys = OFF')
    return db.transaction(() => applyMissing(db, known, file)).immediate()
  } finally {
    db.close()
  }
}

/** The names of those that the database lacks. Throws Failure `database-newer`, and SQLite's own errors. */
export function pendingMigrations(db: Database.Database, file: string, directory: string): string[] {
  const known = readMigrations(directory)
  const applied = appliedMigrations(db)
  for (const each of applied) checkApplied(each, known, file)
  const done = new Set(applied.map(({ migration_name: name }) => name))
  return known.filter(({ name }) => !done.has(name)).map(({ name }) => name)
}

function readMigrations(directory: string): Migration[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(({ name }) => {
      const sql = readFileSync(join(directory, name, 'migration.sql'), 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    })
    .sort((left, right) => (left.name < right.name ? -1 : 1))
}

function applyMissing(db: Database.Database, known: readonly Migration[], file: string): string[] {
  db.exec(MIGRATIONS_TABLE)
  const done = new Set<string>()
  for (const applied of appliedMigrations(db)) {
    checkApplied(applied, known, file)
    done.add(applied.migration_name)
  }
  const missing = known.filter(({ name }) => !done.has(name))
  for (const migration of missing) apply(db, migration)
  if (missing.length > 0) checkForeignKeys(db, file)
  return missing.map(({ name }) => name)
}

function appliedMigrations(db: Database.Database): Applied[] {
  return db
    .prepare<[], Applied>(
      'SELECT migration_name, checksum FROM "_prisma_migrations" WHERE rolled_back_at IS NULL ORDER BY migration_name',
    )
    .all()
}

function checkApplied({ migration_name: name, checksum }: Applied, known: readonly Migration[], file: string): void {
  const migration = known.find(candidate => candidate.name === name)
  if (migration === undefined) {
    throw new Failure('database-newer', `a newer pbt-server wrote the database ${file} (it has ${name})`, {
      cure: 'run that version or a later one',
    })
  }
  if (migration.checksum !== checksum) {
    throw new Failure('database-newer', `the database ${file} was made by another build (${name} differs)`, {
      cure: 'run the build that made it, or a release',
    })
  }
}

function apply(db: Database.Database, { name, sql, checksum }: Migration): void {
  const startedAt = timestamp()
  db.exec(sql)
  db.prepare(
    `INSERT INTO "_prisma_migrations" (id, checksum, finished_at, migration_name, started_at, applied_steps_count)
     VALUES (?, ?, ?, ?, ?, 1)`,
  ).run(randomUUID(), checksum, timestamp(), name, startedAt)
}

function checkForeignKeys(db: Database.Database, file: string): void {
  const broken = db.prepare<[], unknown>('PRAGMA foreign_key_check').all()
  if (broken.length > 0) throw brokenDatabase(file, `${broken.length} rows refer to rows that are not there`)
}

/** As Prisma writes times. */
function timestamp(): string {
  return new Date().toISOString().replace('Z', '+00:00')
}
