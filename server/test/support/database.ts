// The server's database as another process sees it.
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** What SQLite itself thinks of the database: `ok`, or what is wrong. */
export function integrityOf(dataDir: string): string {
  return String(query(dataDir, 'PRAGMA integrity_check')[0]?.integrity_check)
}

/** The subdomains that are remembered. */
export function labelsIn(dataDir: string): Set<string> {
  return new Set(
    query(dataDir, "SELECT address FROM addresses WHERE address NOT LIKE '%:%' AND address NOT LIKE '%.%'").map(
      ({ address }) => String(address),
    ),
  )
}

/** The public ports that are remembered, as `tcp:20022`. */
export function portsIn(dataDir: string): Set<string> {
  return new Set(
    query(dataDir, "SELECT address FROM addresses WHERE address LIKE '%:%'").map(({ address }) => String(address)),
  )
}

/** What is kept of the tokens. */
export function tokenHashesIn(dataDir: string): string[] {
  return query(dataDir, 'SELECT hash FROM tokens').map(({ hash }) => String(hash))
}

function query(dataDir: string, sql: string): Record<string, unknown>[] {
  const database = new DatabaseSync(join(dataDir, 'pbt.db'), { readOnly: true })
  try {
    return database.prepare(sql).all()
  } finally {
    database.close()
  }
}
